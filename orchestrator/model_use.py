"""What each model of a batch was used for and billed, what one model for all would have cost, and what caches saved."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from actors.bill import OVERSEER_COST, OVERSEER_TOKENS
from actors.contracts import NOTHING, JsonValue, Outcome, Span, Usage, Work
from actors.models.offline import OFFLINE
from actors.models.tiers import DEFAULTS, Billed, saving
from budget import Price


@dataclass(slots=True)
class Looks:
    """What the small model that looks on was asked and billed."""

    looks: int = 0
    tokens: int = 0
    cost_microusd: int | None = 0

    def add(self, more: Looks) -> None:
        self.looks += more.looks
        self.tokens += more.tokens
        self.cost_microusd = _sum(self.cost_microusd, more.cost_microusd)


NONE = Looks()


@dataclass(slots=True)
class Used:
    """One model's part. `unseen_tokens` may have been billed without a bill that anybody saw.

    `cost_microusd` is of both, not of the looks at it.
    """

    tasks: int = 0
    usage: Usage = NOTHING
    unseen_tokens: int = 0
    cost_microusd: int | None = 0

    def count(self, work: Work, looks: Looks) -> None:
        """One more task, without what looking on cost."""
        cost_microusd = work.cost_microusd
        if cost_microusd is not None and looks.cost_microusd is not None:
            cost_microusd -= looks.cost_microusd
        self.tasks += 1
        self.usage += work.usage
        self.unseen_tokens += max(0, work.spent_tokens - work.usage.total_tokens - looks.tokens)
        self.cost_microusd = _sum(self.cost_microusd, cost_microusd)

    def add(self, more: Used) -> None:
        self.tasks += more.tasks
        self.usage += more.usage
        self.unseen_tokens += more.unseen_tokens
        self.cost_microusd = _sum(self.cost_microusd, more.cost_microusd)


@dataclass(slots=True)
class ModelUse:
    """Sums over outcomes, by specialist and the model that answered it. `add` each outcome that stands once."""

    by_agent: dict[tuple[str, str], Used] = field(default_factory=dict)
    looks: Looks = field(default_factory=Looks)
    cached_replies: int = 0
    cached_results: int = 0
    saved_tokens: int = 0

    def add(self, outcomes: Iterable[Outcome]) -> None:
        for outcome in outcomes:
            work = outcome.work
            self.cached_replies += work.cached_replies
            self.cached_results += work.cached_results
            self.saved_tokens += work.saved_tokens
            if not work.model:
                continue
            used = self.by_agent.get((outcome.agent, work.model))
            if used is None:
                used = self.by_agent[outcome.agent, work.model] = Used()
            looks = _looks(work.spans)
            used.count(work, looks)
            if looks is not NONE:
                self.looks.add(looks)

    def merge(self, other: ModelUse) -> None:
        """Count what another driver's outcomes came to as well."""
        self.cached_replies += other.cached_replies
        self.cached_results += other.cached_results
        self.saved_tokens += other.saved_tokens
        self.looks.add(other.looks)
        for key, more in other.by_agent.items():
            self.by_agent.setdefault(key, Used()).add(more)

    def by_model(self) -> dict[str, Used]:
        """The same by model alone, names in their order."""
        sums: dict[str, Used] = {}
        for (_, model), used in sorted(self.by_agent.items()):
            sums.setdefault(model, Used()).add(used)
        return dict(sorted(sums.items()))

    def models(self, price_of: Callable[[str], Price | None], assigned: Mapping[str, str]) -> JsonValue:
        """For the summary: each model's use, who stood in for whom, what looking on cost, and a comparison of prices.

        `assigned` is the model that each specialist was to work with.
        """
        used: list[JsonValue] = [
            {
                "model": model,
                "tasks": one.tasks,
                "input_tokens": one.usage.input_tokens,
                "output_tokens": one.usage.output_tokens,
                "cache_read_tokens": one.usage.cache_read_tokens,
                "cache_write_tokens": one.usage.cache_write_tokens,
                "unseen_tokens": one.unseen_tokens,
                "cost_microusd": one.cost_microusd,
            }
            for model, one in self.by_model().items()
        ]
        fallbacks: list[JsonValue] = [
            {"agent": agent, "model": assigned[agent], "answered_by": model, "tasks": one.tasks}
            for (agent, model), one in sorted(self.by_agent.items())
            if assigned.get(agent, model) != model
        ]
        looks: JsonValue = {
            "looks": self.looks.looks,
            "tokens": self.looks.tokens,
            "cost_microusd": self.looks.cost_microusd,
        }
        return {"used": used, "fallbacks": fallbacks, "watchdog": looks, "one_model": self._one_model(price_of)}

    def cache(self) -> JsonValue:
        """For the summary: how often nothing was asked, as the answer was known, and what that had cost before."""
        return {"replies": self.cached_replies, "results": self.cached_results, "saved_tokens": self.saved_tokens}

    def _one_model(self, price_of: Callable[[str], Price | None]) -> JsonValue:
        billed = [
            Billed(used.usage, used.unseen_tokens, used.cost_microusd)
            for model, used in self.by_model().items()
            if model != OFFLINE
        ]
        if not billed:
            return None
        found = saving(billed, price_of, one_model=DEFAULTS["lead"].model)
        return {
            "model": found.model,
            "cost_microusd": found.one_model_microusd,
            "same_tokens_microusd": found.cost_microusd,  # as it was charged, by the models that were used
            "saved_share": None if found.share is None else round(found.share, 4),
        }


def _looks(spans: Iterable[Span]) -> Looks:
    """The looks among a session's spans; mostly NONE, and cheap then."""
    looks = NONE
    for span in spans:
        if OVERSEER_TOKENS in span.attributes:
            told = json.loads(span.attributes)
            looks = Looks() if looks is NONE else looks
            looks.add(Looks(1, told[OVERSEER_TOKENS], told[OVERSEER_COST]))
    return looks


def _sum(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else one + other
