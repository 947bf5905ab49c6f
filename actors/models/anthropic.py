"""Real models: the Messages API through the official SDK, with our own retries, brake, breaker and bill around it."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import urlsplit

import anthropic
import httpx2

from actors.contracts import JsonValue, Usage
from actors.models import wire
from actors.models.base import ModelError, ModelReply, ModelRequest, Unseen
from actors.models.brake import Brake, BrakeLimits, Heard, Signal
from actors.models.breaker import Breaker, BreakerLimits, Pass, Refused
from actors.models.events import Assembly
from actors.models.faults import fault_of, said
from actors.models.gate import Gate
from actors.models.headers import told_limits
from actors.models.http import Answered, LeanClient, Prepared
from actors.models.key import Key, read_key
from actors.models.retry import CallState, Fault, FaultKind, GiveUp, RetryBudget, RetryPolicy, status_fault
from budget.errors import SettingsError

BASE_URL = "https://api.anthropic.com"
BASE_URL_VARIABLE = "ANTHROPIC_BASE_URL"
# Without streaming a call may take ten minutes; the SDK (2.11, _base_client) reckons 128,000 output tokens an hour.
STREAM_ABOVE_TOKENS = 21_333

SIGNALS = {FaultKind.RATE_LIMITED: Signal.RATE_LIMITED, FaultKind.OVERLOADED: Signal.OVERLOADED}
TELLING = frozenset({FaultKind.OVERLOADED, FaultKind.SERVER_ERROR, FaultKind.TIMEOUT, FaultKind.UNREACHABLE})
TELLING |= {FaultKind.LOST, FaultKind.MALFORMED}  # what counts against the provider; a 4xx counts against the request


@dataclass(frozen=True, slots=True, kw_only=True)
class AnthropicConfig:
    """What a host needs to build its client. Pickles; holds no key: each process reads its own.

    `fallbacks`: the model to call while a model's circuit is open. `timeout_s` bounds one attempt.
    """

    base_url: str = BASE_URL
    key_file: str | None = None
    timeout_s: float = 600.0
    cache_ttl: str | None = "5m"
    stream_above_tokens: int = STREAM_ABOVE_TOKENS
    fallbacks: Mapping[str, str] = field(default_factory=dict)
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    brake: BrakeLimits = field(default_factory=BrakeLimits)
    breaker: BreakerLimits = field(default_factory=BreakerLimits)

    def __post_init__(self) -> None:
        parts = urlsplit(self.base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
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
    """What all calls of one model in one host share."""

    gate: Gate
    breaker: Breaker


@dataclass(slots=True)
class _Call:
    """One call of `reply`, over all of its attempts."""

    request: ModelRequest
    model: str
    body: bytes
    worst_tokens: int
    stream: bool
    attempts: int = 0
    unseen_tokens: int = 0
    waited_s: float = 0.0
    faults: list[str] = field(default_factory=list)
    first_chunk_s: float | None = None

    def lost(self, fault: Fault) -> None:
        self.faults.append(fault.kind.value)
        self.unseen_tokens += self.worst_tokens if fault.billed_tokens is None else fault.billed_tokens


class AnthropicModel:
    """A `ModelClient` over the Messages API. One serves all sessions of a host; it belongs to one event loop.

    Clock and randomness are those of the process unless given, and the brake is that of the configuration.
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
        self._new_brake = brake or (lambda: Brake(config.brake))
        self._key = key
        self._clock = clock
        self._random01 = random01
        self._retries = RetryBudget(config.retry)
        self._models: dict[str, _Model] = {}
        self._http = LeanClient(config.base_url)
        self._prepared: Prepared | None = None
        self._sdk = anthropic.AsyncAnthropic(
            api_key=key.reveal(),
            base_url=config.base_url,
            max_retries=0,
            open_telemetry=False,  # our own spans are made from the reply's attributes
            http_client=self._http,
        )

    def __repr__(self) -> str:
        return f"AnthropicModel({self.config.base_url!r})"

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("a client does not travel: send its AnthropicConfig and build it where it is used")

    async def aclose(self) -> None:
        await self._sdk.close()

    async def reply(self, request: ModelRequest) -> ModelReply:
        """One call, over as many attempts as the policy, the ceiling and the breaker allow.

        Raises ModelError when no reply can be had. That, and the CancelledError of a cancelled call, says what may have
        been billed: see `unseen_tokens_of`.
        """
        call = self._begin(request, request.model)
        try:
            while True:
                shared, given = self._admitted(call)
                outcome = await self._attempt(call, shared, given)
                if isinstance(outcome, ModelReply):
                    self._retries.succeeded()
                    return outcome
                await asyncio.sleep(self._delay_s(call, outcome))
        except asyncio.CancelledError:
            raise asyncio.CancelledError(Unseen(call.unseen_tokens)) from None

    def _begin(self, request: ModelRequest, model: str) -> _Call:
        stream = request.output_tokens_max > self.config.stream_above_tokens
        body = wire.request_body(request, model, stream=stream, cache_ttl=self.config.cache_ttl)
        return _Call(request, model, body, wire.worst_tokens(request, len(body)), stream)

    def _shared(self, model: str) -> _Model:
        known = self._models.get(model)
        if known is None:
            gate = Gate(self._new_brake(), clock=self._clock, random01=self._random01)
            known = self._models[model] = _Model(gate, Breaker(self.config.breaker))
        return known

    def _admitted(self, call: _Call) -> tuple[_Model, Pass]:
        """Leave of the breaker, of the model asked for or of its fallback. Raises ModelError when neither gives it."""
        while True:
            shared = self._shared(call.model)
            given = shared.breaker.ask(self._clock())
            if not isinstance(given, Refused):
                return shared, given
            fallback = self.config.fallbacks.get(call.model)
            if fallback is None or fallback == call.request.model:
                message = f"circuit of model {call.model!r} is open for {given.retry_in_s:.1f} s more: {given.cause}"
                raise self._error(call, message, circuit_open=True)
            call.model = fallback
            call.body = self._begin(call.request, fallback).body

    async def _attempt(self, call: _Call, shared: _Model, given: Pass) -> ModelReply | Fault:
        """One attempt behind the brake; what came of it is told to brake and breaker, also when it is cancelled."""
        heard, fault, sent = Heard(signal=Signal.NOTHING), None, False
        permit = None
        asked_s = self._clock()
        try:
            permit = await shared.gate.enter()
            call.waited_s += self._clock() - asked_s
            call.attempts += 1
            sent = True
            outcome, headers = await self._send(call)
            sent = False
            heard = self._heard(outcome, headers)
            fault = outcome if isinstance(outcome, Fault) else None
            if fault is not None:
                call.lost(fault)
                return fault
            assert isinstance(outcome, wire.Payload)
            return self._reply(call, outcome, headers)
        finally:
            if sent:  # cancelled on the way: the provider may finish and bill it all the same
                call.unseen_tokens += call.worst_tokens
            if permit is not None:
                shared.gate.leave(permit, heard)
            self._tell(shared.breaker, given, fault, answered=heard.signal is Signal.FINE)

    def _tell(self, breaker: Breaker, given: Pass, fault: Fault | None, *, answered: bool) -> None:
        if answered:
            breaker.succeeded(given, self._clock())
        elif fault is not None and fault.kind in TELLING:
            breaker.failed(given, self._clock(), self._key.scrub(fault.message))
        else:
            breaker.abandoned(given)

    async def _send(self, call: _Call) -> tuple[wire.Payload | Fault, Mapping[str, str]]:
        """One request on the wire, within the limit of one attempt. Never raises but when cancelled."""
        headers: Mapping[str, str] = {}
        assembly = Assembly()
        try:
            async with asyncio.timeout(self.config.timeout_s):
                if call.stream:
                    response = await self._open_stream(call)
                    headers = response.headers
                    message = await self._streamed(call, response, assembly)
                else:
                    answered = await self._post(call)
                    headers = answered.headers
                    if answered.status >= 300:
                        return status_fault(answered.status, said(answered), headers), headers
                    message = wire.json_object(self._key.scrub_bytes(answered.body))
            return wire.payload(message), headers
        except Exception as error:
            fault = fault_of(error)
            if isinstance(error, anthropic.APIStatusError):
                headers = error.response.headers
        return _known_bill(fault, assembly.seen_usage, call.request), headers

    async def _post(self, call: _Call) -> Answered:
        """The SDK builds and sends the first request; the later ones differ from it in nothing but the body."""
        if self._prepared is not None:
            return await self._http.post_as(self._prepared, call.body)
        response = await self._sdk.post("/v1/messages", cast_to=httpx2.Response, content=call.body)
        self._prepared = Prepared.of(response.request)
        return Answered(response.status_code, response.headers, response.content)

    async def _open_stream(self, call: _Call) -> httpx2.Response:
        opened = await self._sdk.post(
            "/v1/messages",
            cast_to=httpx2.Response,
            content=call.body,
            stream=True,
            stream_cls=anthropic.AsyncStream[Any],
        )
        return cast(httpx2.Response, opened)  # with this cast_to the SDK hands the open response out as it is

    async def _streamed(self, call: _Call, response: httpx2.Response, assembly: Assembly) -> dict[str, Any]:
        started_s = self._clock()
        try:
            async for event in anthropic.AsyncStream.raw_events(response):
                if call.first_chunk_s is None:
                    call.first_chunk_s = self._clock() - started_s
                if event.data:
                    assembly.feed(wire.json_object(self._key.scrub_bytes(event.data.encode("utf-8", "replace"))))
                if assembly.done:
                    return assembly.message()
        finally:
            await response.aclose()
        raise wire.Malformed("the stream ended before its message")

    def _heard(self, outcome: wire.Payload | Fault, headers: Mapping[str, str]) -> Heard:
        told = told_limits(headers, time.time())
        if isinstance(outcome, Fault):
            signal = SIGNALS.get(outcome.kind, Signal.NOTHING)
            return Heard(signal=signal, told=told, retry_after_s=outcome.retry_after_s, random01=self._random01())
        tokens = (outcome.uncached_tokens, outcome.usage.output_tokens)
        return Heard(signal=Signal.FINE, told=told, input_tokens=tokens[0], output_tokens=tokens[1])

    def _delay_s(self, call: _Call, fault: Fault) -> float:
        """How long to wait before the next attempt. Raises ModelError when there shall be none."""
        state = CallState(
            attempts=call.attempts,
            unseen_tokens=call.unseen_tokens,
            worst_tokens=call.worst_tokens,
            tokens_left=call.request.tokens_left,
        )
        decision = self._retries.decide(fault, state, call.request.run_id, self._random01())
        if isinstance(decision, GiveUp):
            raise self._error(call, f"model {call.model!r}: {fault.message}; given up: {decision.why}")
        return decision.delay_s

    def _error(self, call: _Call, message: str, *, circuit_open: bool = False) -> ModelError:
        return ModelError(
            self._key.scrub(message),
            unseen_tokens=call.unseen_tokens,
            circuit_open=circuit_open,
            attributes=self._attributes(call),
        )

    def _attributes(self, call: _Call) -> dict[str, JsonValue]:
        """What a span of this call says, under the names of the GenAI conventions; our own begin with `muster`."""
        server = urlsplit(self.config.base_url)
        told: dict[str, JsonValue] = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "anthropic",
            "gen_ai.request.model": call.request.model,
            "gen_ai.request.max_tokens": call.request.output_tokens_max,
            "server.address": server.hostname or "",
            "server.port": server.port or (443 if server.scheme == "https" else 80),
            "muster.attempts": call.attempts,
            "muster.unseen_tokens": call.unseen_tokens,
            "muster.waited_ms": round(1e3 * call.waited_s, 3),
        }
        if call.faults:
            told["muster.faults"] = list(call.faults)
            told["error.type"] = call.faults[-1]
        if call.stream:
            told["gen_ai.request.stream"] = True
        return told

    def _reply(self, call: _Call, payload: wire.Payload, headers: Mapping[str, str]) -> ModelReply:
        attributes = self._attributes(call)
        attributes.pop("error.type", None)
        attributes["gen_ai.response.id"] = payload.id
        attributes["gen_ai.response.model"] = payload.model or call.model
        attributes["gen_ai.response.finish_reasons"] = [payload.stop_reason_told]
        attributes["muster.request_id"] = headers.get("request-id", "")
        if call.first_chunk_s is not None:
            attributes["gen_ai.response.time_to_first_chunk"] = call.first_chunk_s
        return ModelReply(
            blocks=payload.blocks,
            usage=payload.usage,
            model=payload.model or call.model,
            stop_reason=payload.stop_reason,
            unseen_tokens=call.unseen_tokens,
            attributes=attributes,
        )


def _known_bill(fault: Fault, seen: Usage | None, request: ModelRequest) -> Fault:
    """A stream that broke off had told its input already: only its output is then unknown."""
    if seen is None or fault.billed_tokens is not None:
        return fault
    return Fault(
        kind=fault.kind,
        message=fault.message,
        transient=fault.transient,
        billed_tokens=seen.input_tokens + request.output_tokens_max,
        retry_after_s=fault.retry_after_s,
    )


def _bare(url: str) -> str:
    """A URL without what may be a secret in it."""
    return url.split("?")[0].rsplit("@", 1)[-1]
