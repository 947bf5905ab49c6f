"""Real models: the Messages API through the official SDK, with our own retries, brake, breaker and bill around it."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult, urlsplit

from actors.models import wire
from actors.models.base import ModelError, ModelReply, ModelRequest, Unseen
from actors.models.brake import Brake, BrakeLimits, Heard, Permit, Signal
from actors.models.breaker import Breaker, BreakerLimits, Pass, Refused
from actors.models.call import Call, Server
from actors.models.chain import Chain, had_its_part
from actors.models.gate import Gate
from actors.models.headers import told_limits
from actors.models.key import Key, read_key
from actors.models.messages import Messages, Sent
from actors.models.retry import Fault, FaultKind, GiveUp, RetryBudget, RetryPolicy
from actors.terminal import line
from budget.errors import SettingsError

BASE_URL = "https://api.anthropic.com"
BASE_URL_VARIABLE = "ANTHROPIC_BASE_URL"
# Without streaming a call may take ten minutes; the SDK (2.11, _base_client) reckons 128,000 output tokens an hour.
STREAM_ABOVE_TOKENS = 21_333
SEND_S_MIN = 0.05  # that an attempt has at least, however late its model is
SESSIONS_KNOWN_MAX = 10_000  # that were handed to a fallback; the first one is forgotten first

SIGNALS = {FaultKind.RATE_LIMITED: Signal.RATE_LIMITED, FaultKind.OVERLOADED: Signal.OVERLOADED}
TELLING = frozenset({FaultKind.OVERLOADED, FaultKind.SERVER_ERROR, FaultKind.TIMEOUT, FaultKind.UNREACHABLE})
TELLING |= {FaultKind.LOST, FaultKind.MALFORMED}  # what counts against the provider; a 4xx counts against the request


@dataclass(frozen=True, slots=True, kw_only=True)
class AnthropicConfig:
    """What a host needs to build its client. Pickles; holds no key: each process reads its own.

    `fallbacks`, `patience_s`, `rules_follow`: the chain of models, see `Chain`. `timeout_s` bounds one attempt.
    """

    base_url: str = BASE_URL
    key_file: str | None = None
    timeout_s: float = 600.0
    cache_ttl: str | None = "5m"
    stream_above_tokens: int = STREAM_ABOVE_TOKENS
    fallbacks: Mapping[str, str] = field(default_factory=dict)
    patience_s: float | None = None
    rules_follow: bool = False
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    brake: BrakeLimits = field(default_factory=BrakeLimits)
    breaker: BreakerLimits = field(default_factory=BreakerLimits)

    def __post_init__(self) -> None:
        parts = _parts(self.base_url)
        if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
            raise SettingsError(f"base URL {_bare(self.base_url)!r} is none: it must be http(s)://host[:port][/path]")
        if parts.username or parts.password or parts.query:
            raise SettingsError(f"base URL {_bare(self.base_url)!r} holds credentials or a query: use the key file")
        if not self.timeout_s > 0:
            raise SettingsError(f"the timeout of a model call is {self.timeout_s:g} s, and must be above 0")
        if self.cache_ttl not in (None, "5m", "1h"):
            raise SettingsError(f"the prompt cache's time is {self.cache_ttl!r}: the API knows 5m and 1h")

    @classmethod
    def of_environment(cls, environ: Mapping[str, str] = os.environ, **settings: Any) -> AnthropicConfig:
        """The configuration with the base URL of ANTHROPIC_BASE_URL, unless `settings` state one."""
        base_url = settings.pop("base_url", None) or environ.get(BASE_URL_VARIABLE) or BASE_URL
        return cls(base_url=base_url, **settings)

    def client(self, environ: Mapping[str, str] = os.environ) -> AnthropicModel:
        """The client of one host. Raises SettingsError when there is no key, or the key file is open to others."""
        return AnthropicModel(self, read_key(self.key_file, environ))


@dataclass(slots=True)
class _Model:
    """What all calls of one model in one process share."""

    gate: Gate
    breaker: Breaker


# Hosts of one process draw on one limit of the provider's: the clients of one event loop share brake and breaker for
# each server, key file and model.
_SHARED: dict[asyncio.AbstractEventLoop, dict[tuple[object, ...], _Model]] = {}


class AnthropicModel:
    """A `ModelClient` over the Messages API. One serves all sessions of a host; it belongs to one event loop.

    Clock and randomness are those of the process unless given, and the brake is that of the configuration: then it is
    shared with all clients of the loop that are configured alike.
    """

    def __init__(
        self,
        config: AnthropicConfig,
        key: Key,
        *,
        clock: Callable[[], float] = time.monotonic,
        random01: Callable[[], float] = random.random,
        brake: Callable[[], Brake] | None = None,
    ) -> None:
        self.config = config
        self._new_brake = brake or (lambda: Brake(config.brake, sharers=self._sharers))
        self._key = key
        self._clock = clock
        self._random01 = random01
        self._retries = RetryBudget(config.retry)
        self._chain = Chain(config.fallbacks, config.patience_s, config.rules_follow)
        self._turned: OrderedDict[tuple[str, str, str], str] = OrderedDict()  # sessions, and whom they were handed to
        self._sharers = 1
        own = brake is not None or clock is not time.monotonic or random01 is not random.random
        self._own: dict[tuple[object, ...], _Model] | None = {} if own else None
        self._server = _server_of(config.base_url)
        self._messages = Messages(config.base_url, key, timeout_s=config.timeout_s, clock=clock)

    def __repr__(self) -> str:
        return f"AnthropicModel({self.config.base_url!r})"

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("a client does not travel: send its AnthropicConfig and build it where it is used")

    def shared_by(self, processes: int) -> None:
        """So many processes, this one among them, draw on the same limits of the provider. To be said before calls."""
        self._sharers = processes

    async def aclose(self) -> None:
        await self._messages.aclose()

    async def reply(self, request: ModelRequest) -> ModelReply:
        """One call, over as many attempts as the policy, the ceiling and the breaker allow.

        Raises ModelError when no reply can be had. That, and the CancelledError of a cancelled call, says what may have
        been billed: see `unseen_tokens_of`.
        """
        call = self._begin(request, self._stays_with(request))
        why = wire.implausible(request, len(call.body))
        if why:
            raise self._error(call, f"model {call.model!r}: {why}")
        try:
            while True:
                shared, given = self._admitted(call)
                outcome = await self._attempt(call, shared, given)
                if isinstance(outcome, ModelReply):
                    self._retries.succeeded()
                    return outcome
                if outcome is not None:
                    await asyncio.sleep(self._delay_s(call, outcome))
        except asyncio.CancelledError:
            raise asyncio.CancelledError(Unseen(call.unseen_tokens, call.attributes(self._server))) from None

    def _begin(self, request: ModelRequest, model: str) -> Call:
        stream = request.output_tokens_max > self.config.stream_above_tokens
        body = wire.request_body(request, model, stream=stream, cache_ttl=self.config.cache_ttl)
        return Call(request, model, body, wire.worst_tokens(request, len(body)), stream, since_s=self._clock())

    def _shared(self, model: str) -> _Model:
        models = _of_this_loop() if self._own is None else self._own
        limited = (self.config.base_url, self.config.key_file, self.config.brake, self.config.breaker, model)
        known = models.get(limited)
        if known is None:
            gate = Gate(self._new_brake(), clock=self._clock, random01=self._random01)
            known = models[limited] = _Model(gate, Breaker(self.config.breaker))
        return known

    def _admitted(self, call: Call) -> tuple[_Model, Pass]:
        """Leave of the breaker, of the model asked for or of its fallback. Raises ModelError when neither gives it."""
        while True:
            shared = self._shared(call.model)
            given = shared.breaker.ask(self._clock())
            if not isinstance(given, Refused):
                return shared, given
            following = self._chain.after(call.model, first=call.request.model)
            if following is None:
                message = f"circuit of model {call.model!r} is open for {given.retry_in_s:.1f} s more: {given.cause}"
                raise self._error(call, message, circuit_open=True)
            self._turn(call, following)

    def _turn(self, call: Call, model: str) -> None:
        """Ask `model` from now on, and first of all in the later calls of the same session."""
        call.turn(model, self._begin(call.request, model).body, self._clock())
        if call.request.run_id:
            self._turned[_session_of(call.request)] = model
            if len(self._turned) > SESSIONS_KNOWN_MAX:
                self._turned.popitem(last=False)

    def _stays_with(self, request: ModelRequest) -> str:
        """Who is asked first: a session goes on with whom it was handed to, and a new one begins with its own model."""
        begun = self._turned and len(request.messages) > 1
        return self._turned.get(_session_of(request), request.model) if begun else request.model

    def _left_s(self, call: Call) -> float | None:
        """How long the call may still be with the model that is asked now. None: as long as it takes."""
        patience_s = self._chain.patience_of(call.model, first=call.request.model)
        return None if patience_s is None else call.since_s + patience_s - self._clock()

    async def _attempt(self, call: Call, shared: _Model, given: Pass) -> ModelReply | Fault | None:
        """One attempt behind the brake; what came of it is told to brake and breaker, also when it is cancelled.

        None: the circuit opened while the call waited for its turn, and nothing was sent.
        """
        heard, fault = Heard(signal=Signal.NOTHING), None
        asked_s = self._clock()
        permit = None
        try:
            permit = await self._entered(call, shared.gate)
            call.waited_s += self._clock() - asked_s
            if permit is None:
                late = Fault(kind=FaultKind.TIMEOUT, message="its turn did not come", transient=True, billed_tokens=0)
                call.lost(late)
                return late
            if not shared.breaker.holds(given):
                return None
            sent = await self._send(call)
            heard = self._heard(sent)
            if isinstance(sent.outcome, Fault):
                fault = sent.outcome
                call.lost(fault)
                return fault
            request_id = wire.label(self._key.scrub(sent.headers.get("request-id", "")))
            return call.replied(sent.outcome, self._server, request_id)
        finally:
            if permit is not None:
                shared.gate.leave(permit, heard)
            self._tell(shared.breaker, given, fault, answered=heard.signal is Signal.FINE)

    async def _entered(self, call: Call, gate: Gate) -> Permit | None:
        """Leave of the brake. None: the call may be with this model no longer, and another can be asked."""
        left_s = self._left_s(call)
        if left_s is None:
            return await gate.enter()
        try:
            async with asyncio.timeout(left_s):
                return await gate.enter()
        except TimeoutError:
            return None

    async def _send(self, call: Call) -> Sent:
        """One request. Cancelled on the way, it counts in full: the provider may finish and bill it all the same."""
        call.attempts += 1
        left_s = self._left_s(call)
        try:
            sent = await self._messages.send(
                call.body,
                stream=call.stream,
                output_tokens_max=call.request.output_tokens_max,
                traceparent=call.request.traceparent,
                timeout_s=None if left_s is None else max(SEND_S_MIN, left_s),
            )
        except asyncio.CancelledError:
            call.unseen_tokens += call.worst_tokens
            raise
        call.first_chunk_s = sent.first_chunk_s
        return sent

    def _tell(self, breaker: Breaker, given: Pass, fault: Fault | None, *, answered: bool) -> None:
        if answered:
            breaker.succeeded(given, self._clock())
        elif fault is not None and fault.kind in TELLING:
            breaker.failed(given, self._clock(), self._key.scrub(fault.message))
        else:
            breaker.abandoned(given)

    def _heard(self, sent: Sent) -> Heard:
        told, outcome = told_limits(sent.headers, time.time()), sent.outcome
        if isinstance(outcome, Fault):
            return Heard(
                signal=signal_of(outcome), told=told, retry_after_s=outcome.retry_after_s, random01=self._random01()
            )
        used = outcome.usage
        tokens = used.input_tokens - used.cache_read_tokens  # cache reads do not count to rate limits
        return Heard(signal=Signal.FINE, told=told, input_tokens=tokens, output_tokens=used.output_tokens)

    def _delay_s(self, call: Call, fault: Fault) -> float:
        """How long to wait before the next attempt, of this model or of the next. Raises ModelError when there is none.

        A model that is down and has had its part of the call hands it on at once.
        """
        first, failed = call.request.model, f"model {call.model!r}: {fault.message}; given up"
        call.overloads += fault.kind is FaultKind.OVERLOADED
        following = self._chain.after(call.model, first=first)
        left_s = self._left_s(call)
        made = call.attempts - call.attempts_before
        most = self._chain.attempts(call.model, first=first, left=self.config.retry.attempts_max - call.attempts_before)
        late = left_s is not None and left_s <= (fault.retry_after_s or 0.0)
        spent = late or (following is not None and call.is_last_but_one)
        if had_its_part(fault, attempts=made, attempts_max=most, overloads=call.overloads, spent=spent):
            if following is not None:
                why = self._retries.turn(call.state(made, most), call.request.run_id)
                if why:
                    raise self._error(call, f"{failed}: {why}")
                self._turn(call, following)
                return 0.0
            if late:
                raise self._error(call, f"{failed}: it has had {self._chain.patience_s:g} s, and rules stand in for it")
        decision = self._retries.decide(fault, call.state(made, most), call.request.run_id, self._random01())
        if isinstance(decision, GiveUp):
            raise self._error(call, f"{failed}: {decision.why}")
        return decision.delay_s

    def _error(self, call: Call, message: str, *, circuit_open: bool = False) -> ModelError:
        told = call.attributes(self._server)
        if call.faults:
            told["error.type"] = call.faults[-1]
        return ModelError(
            line(self._key.scrub(message)), unseen_tokens=call.unseen_tokens, circuit_open=circuit_open, attributes=told
        )


def signal_of(fault: Fault) -> Signal:
    """What a fault tells about load. A 503 may be a proxy without a server, but one that asks to wait is overloaded:
    https://www.rfc-editor.org/rfc/rfc9110#name-503-service-unavailable
    """
    if fault.kind is FaultKind.SERVER_ERROR and fault.retry_after_s is not None:
        return Signal.OVERLOADED
    return SIGNALS.get(fault.kind, Signal.NOTHING)


def _session_of(request: ModelRequest) -> tuple[str, str, str]:
    """Whose call it is, nearly: a specialist may have several sessions in a run, and they share what they learn."""
    return request.run_id, request.agent, request.model


def _server_of(base_url: str) -> Server:
    parts = urlsplit(base_url)
    return Server(parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80))


def _parts(url: str) -> SplitResult | None:
    """A URL taken apart; None for what is none."""
    try:
        parts = urlsplit(url)
        return parts if url.isprintable() and " " not in url and parts.port != 0 else None
    except ValueError:  # a port that is no number, half an IPv6 address
        return None


def _bare(url: str) -> str:
    """A URL without what may be a secret in it."""
    return url.split("?")[0].rsplit("@", 1)[-1]


def _of_this_loop() -> dict[tuple[object, ...], _Model]:
    known = _SHARED.get(asyncio.get_running_loop())
    if known is None:
        for loop in [loop for loop in _SHARED if loop.is_closed()]:
            del _SHARED[loop]
        known = _SHARED[asyncio.get_running_loop()] = {}
    return known
