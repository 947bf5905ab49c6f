"""One model call over all of its attempts: what was asked, what it may have cost, what a span says of it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from actors.contracts import JsonValue
from actors.models.base import ModelReply, ModelRequest
from actors.models.retry import CallState, Fault, FaultKind
from actors.models.wire import Payload


@dataclass(frozen=True, slots=True)
class Server:
    """Whom the calls go to, for spans."""

    address: str
    port: int


@dataclass(slots=True)
class Call:
    """`worst_tokens` is what one attempt may cost, `unseen_tokens` what those without a reply may have cost so far.

    `since_s` is when the model that is asked now was turned to, on the caller's clock, and `attempts_before` how many
    attempts others had made by then.
    """

    request: ModelRequest
    model: str
    body: bytes
    worst_tokens: int
    stream: bool
    attempts: int = 0
    unseen_tokens: int = 0
    overloads: int = 0  # of the model that is asked now
    waited_s: float = 0.0
    faults: list[str] = field(default_factory=list)
    first_chunk_s: float | None = None
    since_s: float = 0.0
    attempts_before: int = 0

    def state(self, attempts: int, attempts_max: int) -> CallState:
        """So many attempts were made by the model that is asked now, of so many that it has."""
        return CallState(
            attempts=attempts,
            attempts_max=attempts_max,
            unseen_tokens=self.unseen_tokens,
            worst_tokens=self.worst_tokens,
            tokens_left=self.request.tokens_left,
        )

    @property
    def is_last_but_one(self) -> bool:
        """Whether the ceiling has room for one more attempt that is lost, and for none behind it."""
        left = self.request.tokens_left
        return left is not None and self.unseen_tokens + 2 * self.worst_tokens > left

    def turn(self, model: str, body: bytes, now_s: float) -> None:
        """Ask another model from now on."""
        self.model, self.body, self.overloads, self.since_s = model, body, 0, now_s
        self.attempts_before = self.attempts

    @property
    def stood_in(self) -> bool:
        """Whether another model is asked than the one that the request names."""
        return self.model != self.request.model

    def lost(self, fault: Fault) -> None:
        """Book an attempt that brought no reply."""
        self.faults.append(fault.kind.value)
        self.overloads += fault.kind is FaultKind.OVERLOADED
        self.unseen_tokens += self.worst_tokens if fault.billed_tokens is None else fault.billed_tokens

    def attributes(self, server: Server) -> dict[str, JsonValue]:
        """What a span of this call says, under the names of the GenAI conventions; our own begin with `muster`."""
        told: dict[str, JsonValue] = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "anthropic",
            "gen_ai.request.model": self.model,
            "gen_ai.request.max_tokens": self.request.output_tokens_max,
            "server.address": server.address,
            "server.port": server.port,
            "muster.attempts": self.attempts,
            "muster.unseen_tokens": self.unseen_tokens,
            "muster.waited_ms": round(1e3 * self.waited_s, 3),
        }
        if self.stood_in:
            told["muster.fallback_for"] = self.request.model
        if self.faults:
            told["muster.faults"] = list[JsonValue](self.faults)
        if self.stream:
            told["gen_ai.request.stream"] = True
        return told

    def replied(self, payload: Payload, server: Server, request_id: str) -> ModelReply:
        """The reply that ends this call."""
        model = payload.model or self.model
        told: Mapping[str, JsonValue] = {
            "gen_ai.response.id": payload.id,
            "gen_ai.response.model": model,
            "gen_ai.response.finish_reasons": [payload.stop_reason_told],
            "muster.request_id": request_id,
        }
        first = {} if self.first_chunk_s is None else {"gen_ai.response.time_to_first_chunk": self.first_chunk_s}
        return ModelReply(
            blocks=payload.blocks,
            usage=payload.usage,
            model=model,
            stop_reason=payload.stop_reason,
            unseen_tokens=self.unseen_tokens,
            attributes={**self.attributes(server), **told, **first},
            called=self.model if self.stood_in else "",
        )
