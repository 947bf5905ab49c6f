"""What a session costs: each reply at the price of the model that gave it, a hold at the dearest that may be asked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from actors.contracts import NOTHING, Span
from actors.models.base import ModelReply, ModelRequest
from budget import Price

# Of a span: what a look of the small model cost, which is part of the session's spend and of no usage.
OVERSEER_TOKENS = "muster.watchdog.tokens"
OVERSEER_COST = "muster.watchdog.cost_microusd"


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """The price of a specialist's own model, and of `others` that may be asked in its sessions. None: unknown."""

    model: str
    own: Price | None
    others: Mapping[str, Price | None] = field(default_factory=dict)

    def worst_case(self, tokens: int) -> int | None:
        """The most that so many tokens can cost, whichever model is asked. None where the own price is unknown."""
        if self.own is None:
            return None
        most = self.own.worst_case(tokens)
        if self.others:
            most = max(most, *(price.worst_case(tokens) for price in self.others.values() if price is not None), 0)
        return most

    def called(self, request: ModelRequest, reply: ModelReply) -> str:
        """The model that was asked in the end: the request's, or one that stood in for it."""
        return reply.called or (reply.model if reply.model in self.others else request.model)

    def cost(self, model: str, reply: ModelReply) -> int | None:
        """What a reply of `model` costs in micro-dollars; None where its price is unknown."""
        price, usage = (self.own if model == self.model else self.others.get(model, self.own)), reply.usage
        if price is None:
            return 0 if usage is NOTHING else None
        return price.cost(
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            cache_read_tokens=usage.cache_read_tokens,
            cache_write_tokens=usage.cache_write_tokens,
            cache_write_1h_tokens=usage.cache_write_1h_tokens,
        )


@dataclass(slots=True)
class Bill:
    """What a session has cost so far. `cost_microusd` turns None, and stays so, where a price is unknown.

    `model` is the one that gave the last reply.
    """

    prices: Prices
    model: str
    cost_microusd: int | None = 0
    spans: list[Span] = field(default_factory=list)
    cached_replies: int = 0
    cached_results: int = 0
    saved_tokens: int = 0

    def replied(self, request: ModelRequest, reply: ModelReply) -> None:
        """Book a reply to the session itself."""
        self.model = self.prices.called(request, reply)
        if reply.saved is not NOTHING:
            self.cached_replies += 1
            self.saved_tokens += reply.saved.total_tokens
        self.add(self.prices.cost(self.model, reply))

    def overseen(self, request: ModelRequest, reply: ModelReply | None, unseen_tokens: int) -> str:
        """Book a look of the small model. Gives what its span says of it, its own cost included."""
        tokens, cost_microusd = unseen_tokens, self.unseen(unseen_tokens + (reply.unseen_tokens if reply else 0))
        noted = {}
        if reply is not None:
            answered = self.prices.cost(request.model, reply)
            self.add(answered)
            tokens += reply.usage.total_tokens + reply.unseen_tokens
            cost_microusd = None if answered is None or cost_microusd is None else answered + cost_microusd
            noted = json.loads(counted(request.model, request, reply))
        return json.dumps({**noted, OVERSEER_TOKENS: tokens, OVERSEER_COST: cost_microusd})

    def unseen(self, tokens: int) -> int | None:
        """Book what may have been billed though no bill was seen, at its dearest. Gives what that is."""
        cost_microusd = self.prices.worst_case(tokens) if tokens else 0
        self.add(cost_microusd)
        return cost_microusd

    def add(self, cost_microusd: int | None) -> None:
        if self.cost_microusd is not None:
            self.cost_microusd = None if cost_microusd is None else self.cost_microusd + cost_microusd


def counted(called: str, request: ModelRequest, reply: ModelReply) -> str:
    """What a span says of a model call, under the GenAI names; written out, since every call needs it."""
    usage = reply.usage
    text = (
        f'"gen_ai.request.model":"{called}","gen_ai.request.max_tokens":{request.output_tokens_max},'
        f'"gen_ai.response.model":"{reply.model}","gen_ai.response.finish_reasons":["{reply.stop_reason}"],'
        f'"gen_ai.usage.input_tokens":{usage.input_tokens},"gen_ai.usage.output_tokens":{usage.output_tokens},'
        f'"gen_ai.usage.cache_read.input_tokens":{usage.cache_read_tokens},'
        f'"gen_ai.usage.cache_write.input_tokens":{usage.cache_write_tokens}'
    )
    return f"{{{text},{json.dumps(dict(reply.attributes))[1:-1]}}}" if reply.attributes else f"{{{text}}}"
