"""For programmers: a plan of tasks in, a report out."""

from __future__ import annotations

import asyncio
import logging
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from actors.assembly import ModelFactory
from actors.contracts import Failure, Outcome, Result, Task
from actors.models.base import ModelClient
from actors.models.offline import OfflineModel
from actors.specialists.base import Specialist
from actors.tables import OK, outcomes_of
from budget import price_of
from budget.errors import AllFailedError, TaskError
from orchestrator.batch import Batch, run_batch
from orchestrator.patterns import FanOut
from orchestrator.runs import Run
from orchestrator.settings import Settings
from orchestrator.store import RunDirectory

log = logging.getLogger("muster.plan")


@dataclass(frozen=True)
class Report:
    """What a plan came to: always all five, also when it was cut short.

    `outcomes` has one row per planned task (columns and units: `actors.tables.OUTCOME_SCHEMA`).
    """

    outcomes: pa.Table
    spent_tokens: int
    cost_microusd: int | None
    elapsed_s: float
    stopped: str = ""

    @cached_property
    def _values(self) -> list[Outcome]:
        return sorted(outcomes_of(self.outcomes), key=lambda outcome: outcome.task_id)

    @property
    def results(self) -> list[Result]:
        """What was answered, by task id."""
        return [outcome for outcome in self._values if isinstance(outcome, Result)]

    @property
    def failures(self) -> list[Failure]:
        """What came to nothing, with reason and spend, by task id."""
        return [outcome for outcome in self._values if isinstance(outcome, Failure)]

    @property
    def synthesis(self) -> str:
        """The answers merged in the order of their ids, saying how many there are of how many."""
        lines = [f"synthesis from {len(self.results)}/{len(self._values)} sub-agents:"]
        lines += [f"- [{result.task_id}] {result.answer}" for result in self.results]
        if self.failures:
            lines.append(f"(degraded: {len(self.failures)} sub-agents unavailable)")
        return "\n".join(lines)


def dispatch(
    plan: Iterable[Task],
    *,
    specialists: Sequence[Specialist],
    model: ModelClient | ModelFactory | None = None,
    settings: Settings | None = None,
    run_dir: Path | None = None,
) -> Report:
    """Carry out a plan: each task by the specialist that it names, tasks of one run_id under one account.

    `model` is a client that all sessions share, or makes one for a specialist; without it the specialists' own rules
    answer. Files stay in `run_dir` when one is given.
    Raises: TaskError for ids that are used twice; AllFailedError, with the report, when no task was answered.
    """
    tasks = list(plan)
    twice = [task_id for task_id, count in Counter(task.id for task in tasks).items() if count > 1]
    if twice:
        raise TaskError(f"task id {twice[0]!r} is used twice: ids must be unique in a plan")
    for ids in overlaps(tasks):
        log.warning("tasks ask the same of the same agent: %s", ", ".join(ids))
    chosen = settings or Settings(mode="local")
    batch = Batch(
        id="batch",
        specialists=specialists,
        model=_factory(model),
        settings=chosen,
        price=price_of(chosen.model),
    )
    with tempfile.TemporaryDirectory(prefix="muster-") as scratch:
        report = asyncio.run(_carry_out(batch, tasks, run_dir or Path(scratch) / "run"))
    if tasks and OK not in pc.unique(report.outcomes["status"]).to_pylist():  # no row is made a value for this
        raise AllFailedError(f"all {len(tasks)} tasks failed, first: {_first_reason(report)}", report)
    return report


def overlaps(plan: Iterable[Task]) -> list[tuple[str, ...]]:
    """Ids of tasks that ask the same of the same agent with the same inputs: work that is paid for twice."""
    asked: dict[tuple[str, str, str], list[str]] = {}
    for task in plan:
        wording = " ".join(task.objective.lower().split())
        asked.setdefault((task.agent, wording, repr(task.inputs)), []).append(task.id)
    return [tuple(ids) for ids in asked.values() if len(ids) > 1]


async def _carry_out(batch: Batch, tasks: list[Task], folder: Path) -> Report:
    began_s = time.monotonic()
    directory = RunDirectory.create(folder, manifest={"schema": "muster.run/1"}, durable=batch.settings.durable)
    try:
        ending = await run_batch(batch, _runs(tasks), directory, finished=lambda *_: None)
        rows = directory.effective()
    finally:
        directory.close()
    return Report(rows, ending.standing.spent.tokens, ending.standing.spent.microusd, time.monotonic() - began_s,
                  ending.stopped)  # fmt: skip


def _runs(tasks: list[Task]) -> Iterator[Run]:
    by_run: dict[str, list[Task]] = {}
    for task in tasks:
        by_run.setdefault(task.run_id, []).append(task)
    return (Run(id=run_id, pattern=FanOut(tuple(of_run))) for run_id, of_run in by_run.items())


def _factory(model: ModelClient | ModelFactory | None) -> ModelFactory:
    if model is None:
        return lambda specialist: OfflineModel(specialist.analyst)
    if isinstance(model, ModelClient):
        client = model
        return lambda _: client
    return model


def _first_reason(report: Report) -> str:
    return report.failures[0].message if report.failures else report.stopped
