"""Real models: the Messages API through the official SDK, with our own retries, brake, breaker and bill around it."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from actors.models import wire
from actors.models.address import check_base_url, server_of
from actors.models.admission import Admission, Admissions
from actors.models.attempt import Attempts
from actors.models.base import ModelError, ModelReply, ModelRequest, Unseen
from actors.models.brake import Brake, BrakeLimits
from actors.models.breaker import Breaker, BreakerLimits, Pass, Refused
from actors.models.call import Call
from actors.models.chain import Chain
from actors.models.gate import Gate
from actors.models.handover import AskNext, Handover
from actors.models.key import Key, read_key
from actors.models.messages import Messages
from actors.models.retry import Fault, GiveUp, RetryPolicy
from actors.terminal import line
from budget.errors import SettingsError

BASE_URL = "https://api.anthropic.com"
BASE_URL_VARIABLE = "ANTHROPIC_BASE_URL"
# Without streaming a call may take ten minutes; the SDK (2.11, _base_client) reckons 128,000 output tokens an hour.
STREAM_ABOVE_TOKENS = 21_333


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
        check_base_url(self.base_url)
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
        self._sharers = 1
        own = brake is not None or clock is not time.monotonic or random01 is not random.random
        limited = None if own else (config.base_url, config.key_file, config.brake, config.breaker)
        self._admissions = Admissions(self._new_admission, limited=limited)
        self._handover = Handover(Chain(config.fallbacks, config.patience_s, config.rules_follow), config.retry)
        self._server = server_of(config.base_url)
        self._messages = Messages(config.base_url, key, timeout_s=config.timeout_s, clock=clock)
        self._attempts = Attempts(self._messages, key, self._server, clock=clock, random01=random01)

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
        call = self._begin(request)
        why = wire.implausible(request, len(call.body))
        if why:
            raise self._error(call, f"model {call.model!r}: {why}")
        try:
            return await self._replied(call)
        except asyncio.CancelledError:
            raise asyncio.CancelledError(Unseen(call.unseen_tokens, call.attributes(self._server))) from None

    async def _replied(self, call: Call) -> ModelReply:
        """The reply of the first attempt that brings one. Raises ModelError when there is none to be made any more."""
        while True:
            admission, given = await self._admitted(call)
            outcome = await self._attempts.make(call, admission, given, until_s=self._handover.until_s(call))
            if isinstance(outcome, ModelReply):
                self._handover.succeeded()
                return outcome
            if outcome is not None:
                await asyncio.sleep(self._delay_s(call, outcome))

    def _begin(self, request: ModelRequest) -> Call:
        model = self._handover.first(request)
        body = self._body(request, model)
        worst_tokens = wire.worst_tokens(request, len(body))
        return Call(request, model, body, worst_tokens, self._streams(request), since_s=self._clock())

    def _body(self, request: ModelRequest, model: str) -> bytes:
        return wire.request_body(request, model, stream=self._streams(request), cache_ttl=self.config.cache_ttl)

    def _streams(self, request: ModelRequest) -> bool:
        return request.output_tokens_max > self.config.stream_above_tokens

    def _new_admission(self) -> Admission:
        gate = Gate(self._new_brake(), clock=self._clock, random01=self._random01)
        return Admission(gate, Breaker(self.config.breaker))

    async def _admitted(self, call: Call) -> tuple[Admission, Pass]:
        """Leave of the breaker, of the model asked for or of its fallback. Raises ModelError when neither gives it.

        Where nobody stands in, the first seconds of an outage are waited for: a moment's trouble fails no task.
        """
        while True:
            admission = self._admissions.of(call.model)
            given = admission.breaker.ask(self._clock())
            if not isinstance(given, Refused):
                return admission, given
            following = self._handover.following(call)
            if following is not None:
                self._hand_over(call, following)
            elif given.soon and not self.config.rules_follow:
                pause_s = given.retry_in_s * (1 + 0.1 * self._random01())
                call.waited_s += pause_s
                await asyncio.sleep(pause_s)
            else:
                message = f"circuit of model {call.model!r} is open for {given.retry_in_s:.1f} s more: {given.cause}"
                raise self._error(call, message, circuit_open=True)

    def _hand_over(self, call: Call, model: str) -> None:
        call.turn(model, self._body(call.request, model), self._clock())
        self._handover.handed(call.request, model)

    def _delay_s(self, call: Call, fault: Fault) -> float:
        """Seconds to the next attempt, of this model or of the following one. Raises ModelError when there is none."""
        then = self._handover.after(call, fault, now_s=self._clock(), random01=self._random01())
        if isinstance(then, GiveUp):
            raise self._error(call, f"model {call.model!r}: {fault.message}; given up: {then.why}")
        if isinstance(then, AskNext):
            self._hand_over(call, then.model)
            return 0.0
        return then.delay_s

    def _error(self, call: Call, message: str, *, circuit_open: bool = False) -> ModelError:
        told = call.attributes(self._server)
        if call.faults:
            told["error.type"] = call.faults[-1]
        return ModelError(
            line(self._key.scrub(message)), unseen_tokens=call.unseen_tokens, circuit_open=circuit_open, attributes=told
        )
