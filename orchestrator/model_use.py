"""What each model of a batch was used for and billed, what one model for all would have cost, and what caches saved."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from actors.contracts import NOTHING, JsonValue, Outcome, Usage
from actors.models.offline import OFFLINE
from actors.models.tiers import DEFAULTS, saving
from budget import Price


@dataclass(slots=True)
class Used:
    """One model's part."""

    tasks: int = 0
    usage: Usage = NOTHING
    cost_microusd: int | None = 0


@dataclass(slots=True)
class ModelUse:
    """Sums over outcomes, by model. `add` each outcome that stands once."""

    by_model: dict[str, Used] = field(default_factory=dict)
    cached_replies: int = 0
    cached_results: int = 0
    saved_tokens: int = 0

    def add(self, outcomes: Iterable[Outcome]) -> None:
        for work in (outcome.work for outcome in outcomes):
            self.cached_replies += work.cached_replies
            self.cached_results += work.cached_results
            self.saved_tokens += work.saved_tokens
            if not work.model:
                continue
            used = self.by_model.setdefault(work.model, Used())
            used.tasks += 1
            used.usage += work.usage
            known = used.cost_microusd is not None and work.cost_microusd is not None
            used.cost_microusd = (used.cost_microusd or 0) + (work.cost_microusd or 0) if known else None

    def merge(self, other: ModelUse) -> None:
        """Count what another driver's outcomes came to as well."""
        self.cached_replies += other.cached_replies
        self.cached_results += other.cached_results
        self.saved_tokens += other.saved_tokens
        for model, more in other.by_model.items():
            used = self.by_model.setdefault(model, Used())
            used.tasks += more.tasks
            used.usage += more.usage
            known = used.cost_microusd is not None and more.cost_microusd is not None
            used.cost_microusd = (used.cost_microusd or 0) + (more.cost_microusd or 0) if known else None

    def models(self, price_of: Callable[[str], Price | None]) -> JsonValue:
        """For the summary: each model's use, and the same tokens at the price of the strongest model for all."""
        used: list[JsonValue] = [
            {
                "model": model,
                "tasks": one.tasks,
                "input_tokens": one.usage.input_tokens,
                "output_tokens": one.usage.output_tokens,
                "cache_read_tokens": one.usage.cache_read_tokens,
                "cache_write_tokens": one.usage.cache_write_tokens,
                "cost_microusd": one.cost_microusd,
            }
            for model, one in sorted(self.by_model.items())
        ]
        return {"used": used, "one_model": self._one_model(price_of)}

    def cache(self) -> JsonValue:
        """For the summary: how often nothing was asked, as the answer was known, and what that had cost before."""
        return {"replies": self.cached_replies, "results": self.cached_results, "saved_tokens": self.saved_tokens}

    def _one_model(self, price_of: Callable[[str], Price | None]) -> JsonValue:
        usage = {model: used.usage for model, used in self.by_model.items() if model != OFFLINE}
        if not usage:
            return None
        found = saving(usage, price_of, one_model=DEFAULTS["lead"].model)
        return {
            "model": found.model,
            "cost_microusd": found.one_model_microusd,
            "same_tokens_microusd": found.cost_microusd,  # at the prices of the models that were used
            "saved_share": None if found.share is None else round(found.share, 4),
        }
