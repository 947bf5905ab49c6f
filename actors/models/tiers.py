"""Which model does what: a cheap one to route, a good one to work, a strong one to lead. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, get_args

from actors.contracts import Usage
from actors.models.base import Effort
from budget.errors import SettingsError
from budget.price import Price

Tier: TypeAlias = Literal["route", "work", "lead"]
TIERS: tuple[Tier, ...] = get_args(Tier)
EFFORTS: tuple[Effort, ...] = get_args(Effort)


@dataclass(frozen=True, slots=True)
class Choice:
    """A model, and the effort that it is asked for (None: the provider's own default)."""

    model: str
    effort: Effort | None = None


# Names that budget/prices.yaml knows the prices of: tests/core/test_tiers.py checks it.
DEFAULTS: Mapping[Tier, Choice] = {
    "route": Choice("claude-haiku-5-5"),
    "work": Choice("claude-sonnet-5-5"),
    "lead": Choice("claude-opus-5-5"),
}


@dataclass(frozen=True, slots=True)
class TierMap:
    """The model of every tier."""

    choices: Mapping[Tier, Choice] = field(default_factory=lambda: dict(DEFAULTS))

    def of(self, tier: Tier, effort: Effort | None = None) -> Choice:
        """The choice for a specialist of `tier`; its own `effort` outweighs the tier's."""
        choice = self.choices[tier]
        return choice if effort is None else Choice(choice.model, effort)

    @classmethod
    def parsed(cls, text: str) -> TierMap:
        """From `MODEL[:EFFORT]` for all tiers, or `TIER=MODEL[:EFFORT]` pairs with commas over the defaults.

        Raises SettingsError naming the tier or effort that there is not.
        """
        if "=" not in text:
            one = _choice(text)
            return cls(dict.fromkeys(TIERS, one))
        choices = dict(DEFAULTS)
        for pair in text.split(","):
            name, _, model = pair.strip().partition("=")
            if name not in TIERS:
                raise SettingsError(f"{name!r} is no tier: there are {', '.join(TIERS)}")
            choices[name] = _choice(model)
        return cls(choices)


@dataclass(frozen=True, slots=True)
class Billed:
    """One model's part of the bill: what it counted, what it may have billed unseen, and what was charged for both."""

    usage: Usage
    unseen_tokens: int
    cost_microusd: int | None


@dataclass(frozen=True, slots=True)
class Saving:
    """What a run cost by model, and what it would have cost with one model for all. None: a price is unknown."""

    model: str
    cost_microusd: int | None
    one_model_microusd: int | None

    @property
    def share(self) -> float | None:
        """The part saved: 0.4 when the run cost 60 % of what the one model would have."""
        if self.cost_microusd is None or not self.one_model_microusd:
            return None
        return 1 - self.cost_microusd / self.one_model_microusd


def saving(
    billed: Iterable[Billed], price_of: Callable[[str], Price | None], *, one_model: str = DEFAULTS["lead"].model
) -> Saving:
    """What was charged, and the same tokens at the price of `one_model`: another model would have used other numbers
    of them, so this is a comparison of prices and says so in the report. Unseen ones count at their dearest in both."""
    parts, price = list(billed), price_of(one_model)
    other = [_cost(price, part) for part in parts]
    return Saving(one_model, _total([part.cost_microusd for part in parts]), _total(other))


def _choice(text: str) -> Choice:
    model, _, effort = text.strip().partition(":")
    if not model:
        raise SettingsError("a tier has no model: say TIER=MODEL or TIER=MODEL:EFFORT")
    for known in EFFORTS:
        if effort == known:
            return Choice(model, known)
    if effort:
        raise SettingsError(f"effort {effort!r} of model {model!r} is none: there are {', '.join(EFFORTS)}")
    return Choice(model)


def _cost(price: Price | None, part: Billed) -> int | None:
    if price is None:
        return None
    usage = part.usage
    counted = price.cost(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cache_read_tokens=usage.cache_read_tokens,
        cache_write_tokens=usage.cache_write_tokens,
        cache_write_1h_tokens=usage.cache_write_1h_tokens,
    )
    return counted + price.worst_case(part.unseen_tokens)


def _total(costs: list[int | None]) -> int | None:
    return None if None in costs else sum(cost for cost in costs if cost is not None)
