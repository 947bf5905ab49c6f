"""Which models a batch uses, as something that travels to its hosts, and what they cost."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from actors.assembly import Assigned, ModelFactory
from actors.models.base import ModelClient
from actors.models.cache import CachedModel
from actors.models.key import KEY_VARIABLE
from actors.models.offline import OFFLINE, OfflineModel
from actors.models.stand_in import StandIn
from actors.models.store import Store
from actors.models.tiers import DEFAULTS, EFFORTS, TIERS, Choice, TierMap
from actors.overseer import EVERY_TURNS, Overseer
from actors.specialists.base import DEADLINE_S, Specialist
from budget import Price, load_prices
from budget.errors import SettingsError
from budget.prices import PriceList

if TYPE_CHECKING:
    from actors.models.anthropic import AnthropicConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelChoice:
    """A batch's models: the one that most of its sub-agents work with, by name, and those of all tiers.

    `factory` makes a host's client. `tiers` is "" where one model does everything. `fallbacks` stand in for any of them
    that is down, one after the other; `overseer` looks on.
    """

    name: str
    tiers: str
    factory: ModelFactory
    prices: PriceList
    tier_map: TierMap
    fallbacks: tuple[str, ...] = ()
    overseer: Overseer | None = None

    def assigned(self, specialist: Specialist) -> Assigned:
        """The model for a specialist, by its tier, with its price and those of all that may be asked beside it."""
        choice = self.tier_map.of(specialist.tier, specialist.effort)
        others = [*self.fallbacks, *([self.overseer.model] if self.overseer else [])]
        return Assigned(
            model=choice.model,
            effort=choice.effort,
            price=self.price_of(choice.model),
            others={name: self.price_of(name) for name in others if name != choice.model},
            overseer=self.overseer,
        )

    def price_of(self, model: str) -> Price | None:
        return self.prices.price_of(model)


def choose_model(
    asked: str,
    *,
    base_url: str,
    key_file: str,
    prices: Path | None,
    priced: bool,
    tiers: str = "",
    fallback: str = "",
    watchdog: str = "",
    watchdog_turns: int = EVERY_TURNS,
    cache: str = "",
    deadline_s: float = DEADLINE_S,
    environment: Mapping[str, str] = os.environ,
) -> ModelChoice:
    """The models asked for: one for all, or by tier; without either, offline where there is no key.

    `fallback` names who stands in for a model that is down, `watchdog` the small model that looks on. `deadline_s` is
    what a sub-agent has: each of those who stand in for one another has an even part of it to fail a call in.
    `priced`: a dollar ceiling needs every model's price. Raises PriceError for a model without one, SettingsError for a
    key, an address, a tier, a fallback or a cache that cannot be used.
    """
    tier_map = _tier_map(asked, tiers, has_key=bool(key_file or environment.get(KEY_VARIABLE)))
    name, known, fallbacks = tier_map.of("work").model, load_prices(prices), _fallbacks(fallback)
    models = [choice.model for choice in tier_map.choices.values()]
    for model in (*models, *fallbacks, *([watchdog] if watchdog else [])):
        if priced:
            known.required(model)
    if cache:
        Store(cache)
    if name == OFFLINE:
        _refuse_beside_rules(fallback, watchdog)
        factory: ModelFactory = _offline
    else:
        rules = OFFLINE in fallbacks
        reached = {
            "base_url": base_url,
            "key_file": key_file or None,
            "fallbacks": _turns(models, fallbacks),
            "patience_s": deadline_s / (1 + len(fallbacks)) if fallbacks else None,
            "rules_follow": rules,
        }
        factory = _factory(reached, cache, rules, environment)
    return ModelChoice(
        name=name,
        tiers=_told(tier_map),
        factory=factory,
        prices=known,
        tier_map=tier_map,
        fallbacks=fallbacks,
        overseer=Overseer(model=watchdog, every_turns=watchdog_turns) if watchdog else None,
    )


def _factory(reached: Mapping[str, Any], cache: str, rules: bool, environment: Mapping[str, str]) -> ModelFactory:
    """What makes clients of real models. A missing key is the caller's mistake now, not each host's later."""
    from actors.models.anthropic import AnthropicConfig  # the SDK takes a second to import: only where it is used

    config = AnthropicConfig.of_environment(environment, **reached)
    config.client(environment)
    return partial(_anthropic, config, cache, rules)


def _refuse_beside_rules(fallback: str, watchdog: str) -> None:
    if fallback or watchdog:
        flag = f"--fallback-model {fallback!r}" if fallback else f"--watchdog-model {watchdog!r}"
        raise SettingsError(
            f"{flag} is for real models, and this run asks none: name one with --model, or leave it out"
        )


def _fallbacks(told: str) -> tuple[str, ...]:
    """Who stands in, in turn. Raises SettingsError where nobody could come after the rules, or one comes twice."""
    names = tuple(name.strip() for name in told.split(",")) if told else ()
    if "" in names or len(set(names)) < len(names):
        raise SettingsError(f"--fallback-model {told!r} names a model twice, or none: say M or M,M2")
    if OFFLINE in names[:-1]:
        raise SettingsError(f"--fallback-model {told!r}: nobody comes after {OFFLINE}, as rules are never down")
    return names


def _turns(models: Iterable[str], fallbacks: Sequence[str]) -> dict[str, str]:
    """Each model's fallback. One that is a fallback itself goes on with those after it."""
    chain = [name for name in fallbacks if name != OFFLINE]
    first = {model: chain[0] for model in models if chain and model not in chain}
    return first | dict(pairwise(chain))


def _tier_map(asked: str, tiers: str, *, has_key: bool) -> TierMap:
    """`tiers` over the one model that is asked for, or over the defaults."""
    if asked == OFFLINE or not (asked or tiers or has_key):
        if tiers:
            raise SettingsError(f"--tier {tiers!r} names models, and --model is {OFFLINE!r}: leave one of them out")
        return TierMap(dict.fromkeys(TIERS, Choice(OFFLINE)))
    if tiers and "=" not in tiers:
        raise SettingsError(f"--tier {tiers!r} names no tier: say TIER=MODEL[:EFFORT], or use --model")
    base = dict.fromkeys(TIERS, _one(asked)) if asked else DEFAULTS
    named = {pair.partition("=")[0].strip() for pair in tiers.split(",")}
    over = TierMap.parsed(tiers).choices if tiers else {}
    choices = {tier: over[tier] if tier in named else base[tier] for tier in TIERS}
    models = {choice.model for choice in choices.values()}
    if OFFLINE in models and len(models) > 1:
        others = ", ".join(sorted(models - {OFFLINE}))
        raise SettingsError(
            f"--tier {tiers!r} has {OFFLINE!r} beside {others}: rules answer for all tiers or for none; "
            f"--fallback-model {OFFLINE} lets them stand in for a model that is down"
        )
    return TierMap(choices)


def _one(asked: str) -> Choice:
    """A model's name, with an effort behind it or none. Some names have colons of their own."""
    return next((Choice(asked.removesuffix(f":{e}"), e) for e in EFFORTS if asked.endswith(f":{e}")), Choice(asked))


def _told(tier_map: TierMap) -> str:
    """The tiers as an option says them; "" where one model without an effort of its own does everything."""
    if len(set(tier_map.choices.values())) == 1 and tier_map.choices["work"].effort is None:
        return ""
    return ",".join(
        f"{tier}={choice.model}" + (f":{choice.effort}" if choice.effort else "")
        for tier, choice in tier_map.choices.items()
    )


def _offline(specialist: Specialist) -> ModelClient:
    return OfflineModel(specialist.analyst)


def _anthropic(config: AnthropicConfig, cache: str, rules: bool, specialist: Specialist) -> ModelClient:
    """A host's client. `rules`: the specialist's own answer where no model can be reached."""
    model: ModelClient = config.client()
    if cache:
        model = CachedModel(model, Store(cache), scope=f"messages {config.base_url}")
    return StandIn(model, specialist.name, specialist.analyst) if rules and specialist.analyst else model
