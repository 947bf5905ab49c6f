"""For programmers: a plan of tasks in, a report out."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import AsyncIterable, Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path

from actors.assembly import Assigned, ModelFactory
from actors.contracts import Task
from actors.models.base import ModelClient
from actors.models.offline import OFFLINE, OfflineModel
from actors.specialists.base import Specialist
from actors.tools.base import Effect
from budget import PriceList, load_prices
from budget.errors import AllFailedError, MusterError, SettingsError, TaskError
from orchestrator.aside import aside
from orchestrator.batch import Batch
from orchestrator.batch_run import run_batch
from orchestrator.plan_report import Report, Scratch, report_of
from orchestrator.plans import checked, runs_of, warned_of_overlaps
from orchestrator.settings import Settings
from orchestrator.store import RunDirectory

UNNAMED = "custom"  # a program's model that the settings do not name
MANIFEST = {"schema": "muster.run/1"}


def dispatch(
    plan: Iterable[Task],
    *,
    specialists: Sequence[Specialist],
    model: ModelClient | ModelFactory | None = None,
    settings: Settings | None = None,
    run_dir: Path | str | None = None,
    grants: Collection[str] = (),
    prices: PriceList | None = None,
) -> Report:
    """Carry out a plan: each task by the specialist that it names, tasks of one run_id under one account.

    A list is checked before anything runs. Of any other iterable tasks are taken as there is room for them, so that a
    plan of any length needs no more memory than what is under way; there the tasks of a run come one after the other.
    `model` is a client that all sessions share, or makes one for a specialist; without it the specialists' own rules
    answer. Without settings it runs in this process. Files stay in `run_dir` when one is given, else as long as the
    report. `grants` names the tools with `Effect.ACT` that may run; all others of that kind are denied.
    `prices` are those of `settings.model`, which has to name the model under a ceiling in dollars. A model that it does
    not name costs what the replies' own models do, where those are known.
    Raises: TaskError for what is no plan, and for ids that are used twice; SettingsError; MusterError where an event
    loop is running, which this would block; AllFailedError, with the report, when no task was answered.
    """
    if _in_a_loop():
        raise MusterError(
            "dispatch() waits for its batch, and would block the event loop that runs here: "
            "say `await dispatch_async(...)` with the same arguments"
        )
    return _answered(asyncio.run(_carried_out(plan, specialists, model, settings, run_dir, grants, prices)))


async def dispatch_async(
    plan: Iterable[Task],
    *,
    specialists: Sequence[Specialist],
    model: ModelClient | ModelFactory | None = None,
    settings: Settings | None = None,
    run_dir: Path | str | None = None,
    grants: Collection[str] = (),
    prices: PriceList | None = None,
) -> Report:
    """`dispatch` where an event loop is running (a server, a notebook), which goes on meanwhile.

    The batch has a loop and a thread of its own; there the plan is asked for tasks, and with `mode="local"` models and
    tools run there too: what they hold must not belong to the caller's loop. Cancelling it ends the batch.
    Raises: as `dispatch`.
    """
    return _answered(await aside(_carried_out(plan, specialists, model, settings, run_dir, grants, prices)))


async def _carried_out(
    plan: Iterable[Task],
    specialists: Sequence[Specialist],
    model: ModelClient | ModelFactory | None,
    settings: Settings | None,
    run_dir: Path | str | None,
    grants: Collection[str],
    prices: PriceList | None,
) -> Report:
    chosen = settings or Settings(mode="local")
    _refuse(plan, specialists, chosen)
    _refuse_grants(grants, specialists)
    if isinstance(plan, Sequence):
        plan = checked(plan)
    batch = Batch(
        id="batch",
        specialists=specialists,
        model=_factory(model),
        settings=chosen,
        assigned=_assigned(chosen, prices or load_prices(), named=model is None or chosen.model != OFFLINE),
        grants=frozenset(grants),
    )
    scratch = None if run_dir else Scratch()
    folder = scratch.path / "run" if scratch else run_dir or ""
    return await _run(batch, plan, RunDirectory.create(folder, manifest=MANIFEST, durable=chosen.durable), scratch)


async def _run(batch: Batch, plan: Iterable[Task], directory: RunDirectory, scratch: Scratch | None) -> Report:
    began_s = time.monotonic()
    try:
        ending = await run_batch(batch, runs_of(warned_of_overlaps(plan)), directory, finished=lambda *_: None)
    finally:
        directory.close()
    ended = sum(ending.tally.statuses.values())
    return report_of(
        directory,
        scratch,
        ending.tally.statuses,
        spent_tokens=ending.standing.spent.tokens,
        cost_microusd=ending.standing.spent.microusd,
        elapsed_s=time.monotonic() - began_s,
        stopped=ending.stopped,
        not_begun=len(plan) - ended if isinstance(plan, Sequence) else 0,
    )


def _answered(report: Report) -> Report:
    """The report of a batch that has an answer, or had nothing to answer."""
    if (report.tasks or report.not_begun) and not report.results:
        first = report.failures[0].message if report.failures else report.stopped
        raise AllFailedError(f"all {report.tasks + report.not_begun} tasks failed, first: {first}", report)
    return report


def _in_a_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _refuse(plan: object, specialists: object, settings: object) -> None:
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


def _refuse_grants(grants: object, specialists: Sequence[Specialist]) -> None:
    if isinstance(grants, str) or not isinstance(grants, Collection):
        raise SettingsError(f"grants is {grants!r:.100}: give a list of tools' names")
    acting = sorted({one.name for specialist in specialists for one in specialist.tools if one.effect is Effect.ACT})
    for name in grants:
        if name not in acting:
            known = f"there are {', '.join(acting)}" if acting else "no specialist has one"
            raise SettingsError(f"grants names {name!r:.100}, which is no tool with Effect.ACT: {known}")


def _assigned(settings: Settings, prices: PriceList, *, named: bool) -> Callable[[Specialist], Assigned]:
    name = settings.model if named else UNNAMED
    unknown = [one for one in (name, *settings.other_models) if prices.price_of(one) is None]
    if settings.microusd_max is not None and unknown:
        raise SettingsError(
            f"microusd_max is {settings.microusd_max}, and nobody knows what model {unknown[0]!r} costs: name one "
            "with a price in Settings(model=…), give prices=load_prices(PATH), or limit tokens instead (tokens_max)"
        )
    others = {one: prices.price_of(one) for one in settings.other_models} if named else dict(prices.known)

    def assigned(specialist: Specialist) -> Assigned:
        price = prices.price_of(name)
        return Assigned(model=name, price=price, effort=specialist.effort, others=others, overseer=settings.overseer)

    return assigned


def _factory(model: object) -> ModelFactory:
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
