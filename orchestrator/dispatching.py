"""For programmers: a plan of tasks in, a report out."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from actors.assembly import ModelFactory
from actors.contracts import Task
from actors.models.base import ModelClient
from actors.models.offline import OfflineModel
from actors.specialists.base import Specialist
from budget import price_of
from budget.errors import AllFailedError
from orchestrator.batch import Batch, run_batch
from orchestrator.plan_report import Report, Scratch, report_of
from orchestrator.plans import checked, runs_of, warned_of_overlaps
from orchestrator.settings import Settings
from orchestrator.store import RunDirectory


def dispatch(
    plan: Iterable[Task],
    *,
    specialists: Sequence[Specialist],
    model: ModelClient | ModelFactory | None = None,
    settings: Settings | None = None,
    run_dir: Path | str | None = None,
) -> Report:
    """Carry out a plan: each task by the specialist that it names, tasks of one run_id under one account.

    A list is checked before anything runs. Of any other iterable tasks are taken as there is room for them, so that a
    plan of any length needs no more memory than what is under way; there the tasks of a run come one after the other.
    `model` is a client that all sessions share, or makes one for a specialist; without it the specialists' own rules
    answer. Files stay in `run_dir` when one is given, else as long as the report.
    Raises: TaskError for ids that are used twice; AllFailedError, with the report, when no task was answered.
    """
    if isinstance(plan, Sequence):
        plan = checked(plan)
    chosen = settings or Settings(mode="local")
    batch = Batch(
        id="batch",
        specialists=specialists,
        model=_factory(model),
        settings=chosen,
        price=price_of(chosen.model),
    )
    scratch = None if run_dir else Scratch()
    folder = scratch.path / "run" if scratch else run_dir or ""
    report = asyncio.run(
        _carry_out(batch, plan, RunDirectory.create(folder, manifest=MANIFEST, durable=chosen.durable), scratch)
    )
    if (report.tasks or report.not_begun) and not report.results:
        raise AllFailedError(f"all {report.tasks + report.not_begun} tasks failed, first: {_reason(report)}", report)
    return report


MANIFEST = {"schema": "muster.run/1"}


async def _carry_out(batch: Batch, plan: Iterable[Task], directory: RunDirectory, scratch: Scratch | None) -> Report:
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


def _factory(model: ModelClient | ModelFactory | None) -> ModelFactory:
    if model is None:
        return lambda specialist: OfflineModel(specialist.analyst)
    if isinstance(model, ModelClient):
        client = model
        return lambda _: client
    return model


def _reason(report: Report) -> str:
    return report.failures[0].message if report.failures else report.stopped
