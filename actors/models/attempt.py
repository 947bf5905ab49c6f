"""One attempt of a call behind brake and breaker, and what both are told of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from actors.models import wire
from actors.models.admission import Admission
from actors.models.base import ModelReply
from actors.models.brake import Heard, Permit, Signal
from actors.models.breaker import Breaker, Pass
from actors.models.call import Call, Server
from actors.models.gate import Gate
from actors.models.headers import told_limits
from actors.models.key import Key
from actors.models.messages import Messages, Sent
from actors.models.retry import Fault, FaultKind

SEND_S_MIN = 0.05  # that an attempt has at least, however late its model is

SIGNALS = {FaultKind.RATE_LIMITED: Signal.RATE_LIMITED, FaultKind.OVERLOADED: Signal.OVERLOADED}
TELLING = frozenset({FaultKind.OVERLOADED, FaultKind.SERVER_ERROR, FaultKind.TIMEOUT, FaultKind.UNREACHABLE})
TELLING |= {FaultKind.LOST, FaultKind.MALFORMED}  # what counts against the provider; a 4xx counts against the request


class Attempts:
    """Makes the attempts of one client's calls, over `messages`. `until_s` is of `clock`, and bounds an attempt."""

    def __init__(
        self,
        messages: Messages,
        key: Key,
        server: Server,
        *,
        clock: Callable[[], float],
        random01: Callable[[], float],
    ) -> None:
        self._messages = messages
        self._key = key
        self._server = server
        self._clock = clock
        self._random01 = random01

    async def make(
        self, call: Call, admission: Admission, given: Pass, *, until_s: float | None
    ) -> ModelReply | Fault | None:
        """One attempt; what came of it is told to brake and breaker, also when it is cancelled.

        None: the circuit opened while the call waited for its turn, and nothing was sent.
        """
        permit, heard = None, Heard(signal=Signal.NOTHING)
        outcome: wire.Payload | Fault | None = None
        try:
            permit = await self._entered(call, admission.gate, until_s)
            if permit is None:
                return _too_late(call)
            if not admission.breaker.holds(given):
                return None
            sent = await self._send(call, until_s)
            heard = self._heard(sent)
            outcome = sent.outcome
            return self._booked(call, sent)
        finally:
            if permit is not None:
                admission.gate.leave(permit, heard)
            self._tell(admission.breaker, given, outcome)

    async def _entered(self, call: Call, gate: Gate, until_s: float | None) -> Permit | None:
        """Leave of the brake. None: the call may be with this model no longer, and another can be asked."""
        asked_s = self._clock()
        try:
            async with asyncio.timeout(None if until_s is None else until_s - asked_s):
                permit = await gate.enter()
        except TimeoutError:
            permit = None
        call.waited_s += self._clock() - asked_s
        return permit

    async def _send(self, call: Call, until_s: float | None) -> Sent:
        """One request. Cancelled on the way, it counts in full: the provider may finish and bill it all the same."""
        call.attempts += 1
        try:
            sent = await self._messages.send(
                call.body,
                stream=call.stream,
                output_tokens_max=call.request.output_tokens_max,
                traceparent=call.request.traceparent,
                timeout_s=None if until_s is None else max(SEND_S_MIN, until_s - self._clock()),
            )
        except asyncio.CancelledError:
            call.unseen_tokens += call.worst_tokens
            raise
        call.first_chunk_s = sent.first_chunk_s
        return sent

    def _booked(self, call: Call, sent: Sent) -> ModelReply | Fault:
        if isinstance(sent.outcome, Fault):
            call.lost(sent.outcome)
            return sent.outcome
        request_id = wire.label(self._key.scrub(sent.headers.get("request-id", "")))
        return call.replied(sent.outcome, self._server, request_id)

    def _heard(self, sent: Sent) -> Heard:
        told, outcome = told_limits(sent.headers, time.time()), sent.outcome
        if isinstance(outcome, Fault):
            return Heard(
                signal=signal_of(outcome), told=told, retry_after_s=outcome.retry_after_s, random01=self._random01()
            )
        used = outcome.usage
        tokens = used.input_tokens - used.cache_read_tokens  # cache reads do not count to rate limits
        return Heard(signal=Signal.FINE, told=told, input_tokens=tokens, output_tokens=used.output_tokens)

    def _tell(self, breaker: Breaker, given: Pass, outcome: wire.Payload | Fault | None) -> None:
        if isinstance(outcome, wire.Payload):
            breaker.succeeded(given, self._clock())
        elif outcome is not None and outcome.kind in TELLING:
            breaker.failed(given, self._clock(), self._key.scrub(outcome.message))
        else:
            breaker.abandoned(given)


def signal_of(fault: Fault) -> Signal:
    """What a fault tells about load. A 503 may be a proxy without a server, but one that asks to wait is overloaded:
    https://www.rfc-editor.org/rfc/rfc9110#name-503-service-unavailable
    """
    if fault.kind is FaultKind.SERVER_ERROR and fault.retry_after_s is not None:
        return Signal.OVERLOADED
    return SIGNALS.get(fault.kind, Signal.NOTHING)


def _too_late(call: Call) -> Fault:
    late = Fault(kind=FaultKind.TIMEOUT, message="its turn did not come", transient=True, billed_tokens=0)
    call.lost(late)
    return late
