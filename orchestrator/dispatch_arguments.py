"""What a program gives to `dispatch`: refused in a sentence where it makes no sense, before anything is spent."""

from __future__ import annotations

import inspect
import logging
from collections.abc import AsyncIterable, Callable, Collection, Iterable, Mapping, Sequence

from actors.assembly import Assigned, ModelFactory
from actors.contracts import Task
from actors.models.base import ModelClient
from actors.models.offline import OfflineModel
from actors.specialists.base import Specialist
from actors.tools.base import Effect
from budget import Price, PriceList
from budget.errors import SettingsError, TaskError
from orchestrator.settings import Settings

UNNAMED = "custom"  # a program's model that the settings do not name

# Of settings: what jobs make tasks and answers with. A program's tasks have limits of their own, and its model its own.
OF_JOBS = ("deadline_s", "turns_max", "tokens_per_run", "tiers", "fallback_model", "min_fraction", "synthesis")

log = logging.getLogger("muster.plan")


def warn_of_settings_of_jobs(settings: Settings) -> None:
    """Say which of the settings change nothing here."""
    plain = Settings()
    changed = [name for name in OF_JOBS if getattr(settings, name) != getattr(plain, name)]
    if changed:
        log.warning(
            "settings that change nothing for a program's tasks: %s; say a task's own limits where it is made: "
            "specialist.task(…, deadline_s=…, turns_max=…, tokens_max=…)",
            ", ".join(changed),
        )


def refuse(plan: object, specialists: object, settings: object) -> None:
    """What is no plan, no list of specialists or no settings. What is in a plan is looked at on its way."""
    if isinstance(plan, AsyncIterable):
        raise TaskError("the plan is asynchronous, and is asked for one task after the other: gather a list first")
    if isinstance(plan, Task | str | Mapping) or not isinstance(plan, Iterable):
        raise TaskError(f"the plan is a {type(plan).__name__}: give a list of tasks, or any iterable of them")
    if not isinstance(specialists, Sequence) or not all(isinstance(one, Specialist) for one in specialists):
        raise TaskError(f"specialists is {specialists!r:.100}: give a list of them")
    names = [one.name for one in specialists]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice or not names:
        raise TaskError(f"two specialists are named {twice[0]!r}: rename one" if twice else "specialists is empty")
    if not isinstance(settings, Settings):
        raise SettingsError(f"settings is a {type(settings).__name__}: give Settings(…)")


def refuse_grants(grants: object, specialists: Sequence[Specialist]) -> None:
    """What grants nothing. Raises SettingsError, with the tools that wait for a grant."""
    if isinstance(grants, str) or not isinstance(grants, Collection):
        raise SettingsError(f"grants is {grants!r:.100}: give a list of tools' names")
    acting = sorted({one.name for specialist in specialists for one in specialist.tools if one.effect is Effect.ACT})
    for name in grants:
        if name not in acting:
            known = f"there are {', '.join(acting)}" if acting else "no specialist has one"
            raise SettingsError(f"grants names {name!r:.100}, which is no tool with Effect.ACT: {known}")


def assigned_by(settings: Settings, prices: PriceList, *, unnamed: bool) -> Callable[[Specialist], Assigned]:
    """The model of every specialist, with its price; `unnamed` costs what the models cost that its replies name.

    Raises SettingsError for a ceiling in dollars over a model that has no price.
    """
    name = UNNAMED if unnamed else settings.model
    unknown = [one for one in (name, *settings.other_models) if prices.price_of(one) is None]
    if settings.microusd_max is not None and unknown:
        raise SettingsError(
            f"microusd_max is {settings.microusd_max}, and nobody knows what model {unknown[0]!r} costs: name one "
            "with a price in Settings(model=…), give prices=load_prices(PATH), or limit tokens instead (tokens_max)"
        )
    others: dict[str, Price | None] = {one: prices.price_of(one) for one in settings.other_models}

    if unnamed:
        others = {**prices.known, **others}

    def assigned(specialist: Specialist) -> Assigned:
        price = prices.price_of(name)
        return Assigned(model=name, price=price, effort=specialist.effort, others=others, overseer=settings.overseer)

    return assigned


def factory_of(model: object) -> ModelFactory:
    """What makes the client of each host. Raises TaskError for what is no model."""
    if model is None:
        return lambda specialist: OfflineModel(specialist.analyst)
    if isinstance(model, type) and hasattr(model, "reply"):
        raise TaskError(f"the model is the class {model.__name__}: give an object of it, {model.__name__}(…)")
    if inspect.iscoroutinefunction(model):
        raise TaskError("the model is an async function: give ScriptedModel(function), or what has such a `reply`")
    if isinstance(model, ModelClient):
        client = model
        return lambda _: client
    if not callable(model):
        raise TaskError(f"the model is a {type(model).__name__}: it needs `async def reply(request)`")
    return model
