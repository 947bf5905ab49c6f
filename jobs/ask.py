"""One specialist, one service: the same contract as in an audit, alone."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from actors.contracts import Failure, JsonValue, Outcome, Reason, Task, failure
from actors.specialists.registry import AUDIT_SPECIALISTS
from actors.tables import outcomes_of
from budget import Alert
from budget.errors import TaskError
from budget.money import dollars
from jobs.audit import AGENTS, PlanSettings, plan
from jobs.manifest import load_manifest
from jobs.models import ModelChoice
from orchestrator.batch import Batch
from orchestrator.batch_run import run_batch
from orchestrator.exporters import exported
from orchestrator.plans import runs_of
from orchestrator.settings import Settings
from orchestrator.store import RunDirectory

JOB = "ask"  # in the manifest of its run directory: such a run has one task, and is asked again rather than resumed


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Who is asked about what, under which limits. `blocked` is as in `Batch`."""

    agent: str
    manifest: Path
    service: str
    settings: Settings
    model: ModelChoice
    run_dir: Path | str
    alerted: Callable[[Alert], None]
    blocked: Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Asked:
    """What came of it. `interrupted`: it was ended from outside."""

    outcome: Outcome
    interrupted: bool


def ask_specialist(question: Question) -> Asked:
    """What one specialist says of one service of a manifest.

    Raises: TaskError for a service or a source that the manifest does not have, before anything is spent.
    """
    task, settings = _task(question), question.settings
    batch_id = f"{JOB}-{secrets.token_hex(4)}"
    telemetry = exported(batch_id, log_content=settings.log_content)
    batch = Batch(
        id=batch_id,
        specialists=[specialist for specialist in AUDIT_SPECIALISTS if specialist.name == question.agent],
        model=question.model.factory,
        assigned=question.model.assigned,
        settings=settings,
        telemetry=telemetry,
        blocked=question.blocked,
    )
    directory = RunDirectory.create(question.run_dir, manifest=_manifest(batch_id), durable=settings.durable)
    try:
        runs = runs_of([task])
        ending = asyncio.run(run_batch(batch, runs, directory, finished=lambda *_: None, alerted=question.alerted))
        return Asked(_outcome(directory, task, ending.stopped), ending.interrupted)
    finally:
        directory.close()
        telemetry.close()


def told(outcome: Outcome, *, look: str) -> str:
    """Who said it, what it took, and what of it does not hold: a few lines for people. `look` is a command."""
    work = outcome.work
    cost = "" if work.cost_microusd is None else f", {dollars(work.cost_microusd)}"
    lines = [f"asked      {outcome.task_id}: {outcome.agent} with {work.model or 'nobody'}"]
    if isinstance(outcome, Failure):
        lines.append(f"failed     {outcome.reason.value}: {outcome.message}")
    elif outcome.unresolved:
        lines.append(f"not found  citations that their source does not hold: {', '.join(outcome.unresolved)}")
    lines += [f"budget     {work.spent_tokens:,} tokens{cost}", f"time       {work.elapsed_ms / 1e3:.1f} s"]
    return "\n".join([*lines, f"look       {look}"])


def _manifest(batch_id: str) -> dict[str, JsonValue]:
    return {"schema": "muster.run/1", "run_id": batch_id, "job": JOB, "runs_total": 1, "began_s": time.time()}


def _outcome(directory: RunDirectory, task: Task, stopped: str) -> Outcome:
    found = outcomes_of(directory.effective())
    return found[0] if found else failure(task, Reason.CANCELLED, f"it did not begin: {stopped or 'its batch ended'}")


def _task(question: Question) -> Task:
    manifest, settings = question.manifest, question.settings
    catalog = load_manifest(manifest, now_s=time.time())
    found = next((one for one in catalog.services if one.name == question.service), None)
    if found is None:
        raise TaskError(f"{manifest}: no service is named {question.service!r}; it has {len(catalog.services)} others")
    limits = PlanSettings(
        batch_id=JOB,
        tokens_max=max(1, settings.tokens_per_run // len(AGENTS)),
        deadline_s=settings.deadline_s,
        turns_max=settings.turns_max,
    )
    tasks = {task.agent: task for task in plan(found, catalog, limits)}
    if question.agent not in tasks:
        raise TaskError(
            f"{manifest}: service {question.service!r} names no source for {question.agent!r}, "
            f"only for {', '.join(tasks)}"
        )
    return tasks[question.agent]
