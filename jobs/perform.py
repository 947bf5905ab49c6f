"""One job from its input to its files: plan, batch, answer, report."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import os
import platform
import secrets
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import IntEnum
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from typing import Any

from actors import prompts
from actors.assembly import role_of
from actors.contracts import JsonValue
from actors.specialists.base import Specialist
from budget import Alert
from budget.errors import RunDirectoryError
from jobs.job import Job, Plan
from jobs.models import ModelChoice
from jobs.progress import Ceilings, Progress
from jobs.sharded import JobWork
from orchestrator.batch import Batch, Ending
from orchestrator.batch_synthesis import Bounds
from orchestrator.exporters import exported
from orchestrator.known_outcomes import Earlier
from orchestrator.model_use import ModelUse
from orchestrator.rows import told
from orchestrator.runs import Run, State
from orchestrator.settings import Settings
from orchestrator.shards import Gathered
from orchestrator.shared_batch import run_work
from orchestrator.spend import Spend, spend_of
from orchestrator.store import RunDirectory
from orchestrator.synthesis import Head, Money, encoded
from orchestrator.tally import Tally
from orchestrator.telemetry import Telemetry

log = logging.getLogger("muster")


class ExitStatus(IntEnum):
    """What the command's exit status says."""

    ANSWERED = 0
    OUR_BUG = 1
    CALLERS_MISTAKE = 2
    BELOW_QUORUM = 3
    NOTHING_USABLE = 4
    INTERRUPTED = 130


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What the caller asks for."""

    job: Job
    source: Path
    question: str
    run_dir: Path | str  # a path, or a URI that pyarrow.fs knows
    settings: Settings
    model: ModelChoice
    access: Mapping[str, str] = field(default_factory=dict)  # how the model is reached; no secrets
    alerted: Callable[[Alert], None]


@dataclass(frozen=True, slots=True)
class Performed:
    """What came of it."""

    status: ExitStatus
    summary: Mapping[str, Any]
    report: str
    headline: str


def perform(request: Request) -> Performed:
    """Run a job to its report. Raises MusterError for a caller's mistake, before anything is spent."""
    began_s = time.time()
    batch_id = f"{_last_name(request.run_dir)}-{secrets.token_hex(4)}"
    plan = request.job.plan(
        request.source, question=request.question, batch_id=batch_id, settings=request.settings, now_s=began_s
    )
    settings = request.settings
    if settings.tokens_max is None:  # what the runs may spend together, so that a report can say "of how much"
        settings = replace(settings, tokens_max=max(1, plan.runs_total) * settings.tokens_per_run)
    request = replace(request, settings=settings)
    directory = RunDirectory.create(
        request.run_dir, manifest=manifest_of(request, plan, batch_id, began_s), durable=settings.durable
    )
    try:
        directory.keep_input(plan.kept())
        return carry_out(request, work_of(request, plan, batch_id, began_s), directory)
    finally:
        directory.close()


def carry_out(request: Request, work: JobWork, directory: RunDirectory, earlier: Earlier | None = None) -> Performed:
    """Run a planned batch to its report, in a directory that is open. `earlier`: what is left of it to go on from."""
    began_s = time.monotonic()
    job, settings, plan, batch_id = request.job, request.settings, work.plan, work.batch_id
    gathered = Gathered()
    concluded: list[tuple[Run, State]] = []
    telemetry = exported(batch_id, log_content=settings.log_content)
    tree = settings.synthesis == "tree" and bool(job.leads)
    progress = Progress(
        Ceilings(runs=plan.runs_total + tree, tokens=settings.tokens_max, microusd=settings.microusd_max)
    )

    def alerted(alert: Alert) -> None:
        telemetry.alerted(alert)
        request.alerted(alert)

    def last(tally: Tally) -> Run:
        return job.last_run(gathered.records, _bounds(settings, batch_id, tally))

    def ended(run: Run, state: State) -> None:
        gathered.use.add(state.outcomes.values())
        concluded.append((run, state))

    ending = asyncio.run(
        run_work(
            _batch(request, batch_id, telemetry),
            work,
            directory,
            run_dir=request.run_dir,
            runs_total=plan.runs_total,
            gathered=gathered,
            progress=progress,
            alerted=alerted,
            last=last if tree else None,
            concluded=ended,
            earlier=earlier,
        )
    )
    progress.close()
    telemetry.close()
    status = exit_status(ending, min_fraction=settings.min_fraction)
    spend = _spend_in(directory)
    elapsed_s = time.monotonic() - began_s
    head = _head(request, plan, batch_id, ending, spend=spend, use=gathered.use, elapsed_s=elapsed_s)
    if tree and not concluded:  # it never began: the report says so
        concluded.append((job.last_run({}, _bounds(settings, batch_id, ending.tally)), State()))

    def answer(status: ExitStatus, why: str) -> Mapping[str, Any]:
        said = status.name.lower()
        said_of = replace(head, status=f"{said}: {why}" if why else said)
        return job.summarize(said_of, gathered.records, concluded[0] if concluded else None)

    summary = answer(status, ending.stopped)
    try:
        report = _written(directory, job, summary, ending)
    except RunDirectoryError as error:  # what was answered is kept, and `muster resume` writes it
        status = ExitStatus.INTERRUPTED if ending.interrupted else ExitStatus.NOTHING_USABLE
        summary, report = answer(status, ending.stopped or str(error)), f"not written: {error}"
    return Performed(status, summary, report, job.headline(summary))


def work_of(request: Request, plan: Plan, batch_id: str, began_s: float) -> JobWork:
    """What drivers need to know of a planned batch."""
    return JobWork(
        job=request.job,
        source=request.source.resolve(),
        question=request.question,
        batch_id=batch_id,
        settings=request.settings,
        began_s=began_s,
        fingerprint=plan.fingerprint,
        read=plan,
    )


def _end_blocked(said: str) -> None:
    """Called from a thread: the event loop never comes back, so nothing can be written but what is kept already."""
    sys.stderr.write(f"\nmuster: {said}\n")
    sys.stderr.flush()
    os._exit(ExitStatus.INTERRUPTED)


def _batch(request: Request, batch_id: str, telemetry: Telemetry) -> Batch:
    return Batch(
        id=batch_id,
        specialists=request.job.specialists,
        leads=request.job.leads,
        model=request.model.factory,
        assigned=request.model.assigned,
        settings=request.settings,
        telemetry=telemetry,
        blocked=_end_blocked,
    )


def _head(
    request: Request,
    plan: Plan,
    batch_id: str,
    ending: Ending,
    *,
    spend: Spend,
    use: ModelUse,
    elapsed_s: float,
) -> Head:
    """What the batch was, for its summary; how it ended is said there."""
    return Head(
        run_id=batch_id,
        question=plan.question,
        model=request.settings.model,
        mode=request.settings.mode,
        status="",
        elapsed_s=elapsed_s,
        money=_money(ending, spend),
        models=use.models(request.model.price_of, _assigned(request)),
        cache=use.cache(),
    )


def _assigned(request: Request) -> dict[str, str]:
    """The model that each specialist was to work with."""
    everybody = (*request.job.specialists, *request.job.leads)
    return {specialist.name: request.model.assigned(specialist).model for specialist in everybody}


def _written(directory: RunDirectory, job: Job, summary: Mapping[str, Any], ending: Ending) -> str:
    """The answer's files, and Parquet of a batch that has come to its end. Gives the report's name.

    The summary comes last: where it is, the rest is. Raises RunDirectoryError when there is no room for them; without
    room for Parquet the segments stay.
    """
    report = directory.write_parts("report.md", (part.encode("utf-8", "replace") for part in job.report(summary)))
    directory.write_parts("summary.json", encoded(summary))
    if not ending.stopped:
        try:
            directory.compact()
        except RunDirectoryError as error:
            log.warning("the segments stay as they are: %s", error)
    return report


def _spend_in(directory: RunDirectory) -> Spend:
    """Where the money went, as outcomes tell; nothing of it where they cannot be read just now."""
    try:
        return spend_of(chain(directory.outcomes(), directory.history()))
    except RunDirectoryError as error:
        log.warning("the report does not say where the money went: %s", error)
        return spend_of(())


def exit_status(ending: Ending, *, min_fraction: float) -> ExitStatus:
    """0 the answer meets its quorum, 3 below it, 4 nothing usable, 130 interrupted.

    A batch that a full disk has ended is below its quorum, whatever it has: it is not what was asked for.
    """
    ended = sum(ending.tally.statuses.values())
    if ending.interrupted:
        return ExitStatus.INTERRUPTED
    if not ending.tally.succeeded:
        return ExitStatus.NOTHING_USABLE
    met = ending.tally.succeeded >= min_fraction * ended and not ending.broken
    return ExitStatus.ANSWERED if met else ExitStatus.BELOW_QUORUM


def _bounds(settings: Settings, batch_id: str, tally: Tally) -> Bounds:
    """What the last run's tasks may take: as much as a run, out of what the batch has left."""
    return Bounds(
        batch_id=batch_id,
        tokens_per_task=settings.tokens_per_run,
        tokens_left=None if settings.tokens_max is None else max(0, settings.tokens_max - tally.spent_tokens),
        deadline_s=settings.deadline_s,
        priority=tally.runs_admitted,
    )


def _money(ending: Ending, spend: Spend) -> Money:
    return Money(
        limit_tokens=ending.standing.limit.tokens,
        spent_tokens=ending.standing.spent.tokens,
        limit_microusd=ending.standing.limit.microusd,
        spent_microusd=ending.standing.spent.microusd,
        charged_unseen_tokens=ending.standing.unseen.tokens,
        returned_tokens=ending.standing.returned.tokens,
        spend=spend,
    )


def manifest_of(request: Request, plan: Plan, batch_id: str, began_s: float) -> dict[str, JsonValue]:
    """What was asked, for whoever resumes or reads the run. No secrets are among it."""
    return {
        "schema": "muster.run/1",
        "run_id": batch_id,
        "job": request.job.name,
        "source": str(request.source.resolve()),
        "question": plan.question,
        "fingerprint": plan.fingerprint,
        "settings": request.settings.as_json(),
        "access": dict(request.access),
        "specialists": {specialist.name: _fingerprint(specialist) for specialist in request.job.specialists},
        "runs_total": plan.runs_total,
        "began_s": began_s,
        "versions": {
            "muster": version("muster"),
            "prompts": prompts.PROMPTS_VERSION,
            "python": platform.python_version(),
            **{name: version(name) for name in ("ray", "anthropic", "pyarrow")},
        },
    }


def _fingerprint(specialist: Specialist) -> str:
    """Of all that a model is told of a specialist: its instructions, its tools, and the schema of its answer."""
    role = role_of(specialist, "")
    told = [role.system, role.output_schema, [[tool.name, tool.description, tool.parameters] for tool in role.tools]]
    return hashlib.sha256(json.dumps(told, sort_keys=True, default=dict).encode()).hexdigest()[:16]


def _last_name(place: Path | str) -> str:
    path = os.path.realpath(place) if isinstance(place, Path) else place.partition("?")[0].rstrip("/")
    return path.rpartition("/")[2] or "run"


def print_summary(performed: Performed, *, as_json: bool, write: Callable[[str], object] = sys.stdout.write) -> None:
    """Human text to stderr, the summary to stdout when asked for."""
    sys.stderr.write(performed.headline + f"\nreport     {performed.report}\n")
    if as_json:
        for part in told(performed.summary):
            write(part)
        write("\n")
