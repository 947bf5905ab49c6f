"""For programmers: a plan of tasks in, a report out."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import cast

from actors.assembly import ModelFactory
from actors.contracts import JsonValue, Task
from actors.models.base import ModelClient
from actors.models.offline import OFFLINE
from actors.specialists.base import Specialist
from budget import Limit, PriceList, load_prices
from budget.errors import AllFailedError, MusterError, RunDirectoryError
from orchestrator.aside import aside
from orchestrator.batch import Batch
from orchestrator.batch_run import run_batch
from orchestrator.dispatch_arguments import assigned_by, factory_of, refuse, refuse_grants, warn_of_settings_of_jobs
from orchestrator.known_outcomes import Earlier, Known
from orchestrator.plan_report import Report, Scratch, kept, latest, report_of
from orchestrator.plans import checked, runs_of, tasks_of, warned_of_overlaps
from orchestrator.settings import Settings
from orchestrator.store import RunDirectory

SCHEMA = "muster.run/1"
CEILINGS = ("tokens_max", "microusd_max")  # as a program's manifest keeps them


def dispatch(
    plan: Iterable[Task],
    *,
    specialists: Sequence[Specialist],
    model: ModelClient | ModelFactory | None = None,
    settings: Settings | None = None,
    run_dir: Path | str | None = None,
    resume: bool = False,
    grants: Collection[str] = (),
    prices: PriceList | None = None,
) -> Report:
    """Carry out a plan: each task by the specialist that it names, tasks of one run_id under one account.

    A list is checked before anything runs. Of any other iterable tasks are taken as there is room for them, so that a
    plan of any length needs no more memory than what is under way; there the tasks of a run come one after the other.
    `model` is a client that all sessions share, or makes one for a specialist; without it the specialists' own rules
    answer. Without settings it runs in this process. Files stay in `run_dir` when one is given, else as long as the
    report. With `resume` a plan goes on where an earlier one with the same task ids, in the same `run_dir`, was
    interrupted or killed: what has an outcome is not run again, and what was spent counts. `grants` names the tools
    with `Effect.ACT` that may run; all others of that kind are denied.
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
    return _answered(asyncio.run(_carried_out(plan, specialists, model, settings, run_dir, resume, grants, prices)))


async def dispatch_async(
    plan: Iterable[Task],
    *,
    specialists: Sequence[Specialist],
    model: ModelClient | ModelFactory | None = None,
    settings: Settings | None = None,
    run_dir: Path | str | None = None,
    resume: bool = False,
    grants: Collection[str] = (),
    prices: PriceList | None = None,
) -> Report:
    """`dispatch` where an event loop is running (a server, a notebook), which goes on meanwhile.

    The batch has a loop and a thread of its own; there the plan is asked for tasks, and with `mode="local"` models and
    tools run there too: what they hold must not belong to the caller's loop. Cancelling it ends the batch.
    Raises: as `dispatch`.
    """
    return _answered(await aside(_carried_out(plan, specialists, model, settings, run_dir, resume, grants, prices)))


async def _carried_out(
    plan: Iterable[Task],
    specialists: Sequence[Specialist],
    model: ModelClient | ModelFactory | None,
    settings: Settings | None,
    run_dir: Path | str | None,
    resume: bool,
    grants: Collection[str],
    prices: PriceList | None,
) -> Report:
    chosen = settings or Settings(mode="local")
    refuse(plan, specialists, chosen)
    refuse_grants(grants, specialists)
    warn_of_settings_of_jobs(chosen)
    if isinstance(plan, Sequence):
        plan = checked(plan)
    batch = Batch(
        id="batch",
        specialists=specialists,
        model=factory_of(model),
        settings=chosen,
        assigned=assigned_by(chosen, prices or load_prices(), unnamed=model is not None and chosen.model == OFFLINE),
        grants=frozenset(grants),
    )
    scratch = None if run_dir else Scratch()
    directory, earlier = _opened(scratch.path / "run" if scratch else run_dir or "", chosen, resume=resume)
    return await _run(batch, plan, directory, earlier, scratch)


def _opened(path: Path | str, settings: Settings, *, resume: bool) -> tuple[RunDirectory, Earlier | None]:
    """A run to be, or one that was begun, with what it has left. Raises RunDirectoryError."""
    if not resume or not RunDirectory.holds(path):
        manifest: dict[str, JsonValue] = {"schema": SCHEMA, **{name: getattr(settings, name) for name in CEILINGS}}
        return RunDirectory.create(path, manifest=manifest, durable=settings.durable), None
    directory = RunDirectory.reopen(path, durable=settings.durable)
    try:
        opened = _opened_under(directory)
        return directory, Earlier(Known.of(directory.outcomes(), history=directory.history()), opened)
    except MusterError:
        directory.close()
        raise


def _opened_under(directory: RunDirectory) -> Limit:
    """The ceiling that a program's run was begun with. Raises RunDirectoryError where it is none of a program."""
    manifest = directory.manifest()
    if "job" in manifest:
        raise RunDirectoryError(f"run directory {directory.shown!r} is of job {manifest['job']!r}: say `muster resume`")
    ceilings = [manifest.get(name, "") for name in CEILINGS]
    if manifest.get("schema") != SCHEMA or not all(one is None or type(one) is int for one in ceilings):
        raise RunDirectoryError(
            f"run directory {directory.shown!r} cannot be gone on with: its manifest does not say under which "
            f"{' and '.join(CEILINGS)} it was begun; restore it, or choose another run_dir"
        )
    return Limit(*cast(list[int | None], ceilings))


async def _run(
    batch: Batch, plan: Iterable[Task], directory: RunDirectory, earlier: Earlier | None, scratch: Scratch | None
) -> Report:
    began_s = time.monotonic()
    runs = runs_of(warned_of_overlaps(tasks_of(plan)))
    try:
        ending = await run_batch(batch, runs, directory, finished=lambda *_: None, earlier=earlier)
        if scratch is None and not ending.interrupted:
            directory.compact_where_there_is_room()
    except Exception as error:  # of the plan, mostly, when much of it may have been answered
        if next(directory.outcomes(), None) is not None:
            error.add_note(f"What was answered until then is kept: go on with run_dir={directory.shown!r}, resume=True")
            if scratch is not None:
                scratch.keep()
        raise
    finally:
        directory.close()
    ended = sum(ending.tally.statuses.values())
    return report_of(
        partial(latest, directory) if earlier else partial(kept, directory, scratch),
        ending.tally.statuses,
        spent_tokens=ending.standing.spent.tokens,
        cost_microusd=ending.standing.spent.microusd,
        elapsed_s=time.monotonic() - began_s,
        stopped=ending.stopped,
        not_begun=len(plan) - ended if isinstance(plan, Sequence) else 0,
    )


def _answered(report: Report) -> Report:
    """The report of a batch that has an answer, or had nothing to answer."""
    if report.results or not (report.tasks or report.not_begun or report.stopped):
        return report
    if report.failures:
        raise AllFailedError(
            f"all {report.tasks + report.not_begun} tasks failed, first: {report.failures[0].message}", report
        )
    raise AllFailedError(f"no task was begun: {report.stopped}", report)


def _in_a_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
