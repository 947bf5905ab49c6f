"""One job from its input to its files: plan, batch, answer, report."""

from __future__ import annotations

import asyncio
import os
import secrets
import sys
import time
from dataclasses import replace
from pathlib import Path

from budget import Alert
from jobs.closing import Closing, head_of, spend_in
from jobs.job import Plan
from jobs.last_run import LastRun
from jobs.performed import ExitStatus, Performed
from jobs.progress import Progress
from jobs.progress_line import Ceilings
from jobs.request import Request, manifest_of, work_of
from jobs.sharded import JobWork
from orchestrator.batch import Batch
from orchestrator.batch_run import Ending
from orchestrator.exporters import exported
from orchestrator.known_outcomes import Earlier
from orchestrator.settings import Settings
from orchestrator.shards import Gathered
from orchestrator.shared_batch import run_work
from orchestrator.store import RunDirectory
from orchestrator.telemetry import Telemetry


def perform(request: Request) -> Performed:
    """Run a job to its report. Raises MusterError for a caller's mistake, before anything is spent."""
    began_s = time.time()
    batch_id = f"{_last_name(request.run_dir)}-{secrets.token_hex(4)}"
    plan = request.job.plan(
        request.source, question=request.question, batch_id=batch_id, settings=request.settings, now_s=began_s
    )
    request = replace(request, settings=_with_ceiling(request.settings, plan))
    directory = RunDirectory.create(
        request.run_dir, manifest=manifest_of(request, plan, batch_id, began_s), durable=request.settings.durable
    )
    try:
        directory.keep_input(plan.kept())
        return carry_out(request, work_of(request, plan, batch_id, began_s), directory)
    finally:
        directory.close()


def carry_out(request: Request, work: JobWork, directory: RunDirectory, earlier: Earlier | None = None) -> Performed:
    """Run a planned batch to its report, in a directory that is open. `earlier`: what is left of it to go on from."""
    began_s = time.monotonic()
    gathered = Gathered()
    last = LastRun(work, gathered)
    ending = _run(request, work, directory, gathered, last, earlier)
    spend = spend_in(directory)
    elapsed_s = time.monotonic() - began_s
    last.conclude(ending.tally)
    closing = Closing(
        job=work.job,
        directory=directory,
        ending=ending,
        head=head_of(request, work, ending, spend=spend, use=gathered.use, elapsed_s=elapsed_s),
        records=gathered.records,
        last=last.concluded,
    )
    return closing.performed(min_fraction=work.settings.min_fraction)


def _run(
    request: Request,
    work: JobWork,
    directory: RunDirectory,
    gathered: Gathered,
    last: LastRun,
    earlier: Earlier | None,
) -> Ending:
    """The batch, with a person and the telemetry looking on. `gathered` has a record of every run then."""
    settings, runs_total = work.settings, work.plan.runs_total
    telemetry = exported(work.batch_id, log_content=settings.log_content)
    progress = Progress(
        Ceilings(runs=runs_total + last.wanted, tokens=settings.tokens_max, microusd=settings.microusd_max)
    )

    def alerted(alert: Alert) -> None:
        telemetry.alerted(alert)
        request.alerted(alert)

    try:
        return asyncio.run(
            run_work(
                _batch(request, work.batch_id, telemetry),
                work,
                directory,
                run_dir=request.run_dir,
                runs_total=runs_total,
                gathered=gathered,
                progress=progress,
                alerted=alerted,
                last=last.made if last.wanted else None,
                concluded=last.ended,
                earlier=earlier,
            )
        )
    finally:
        progress.close()
        telemetry.close()


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


def _end_blocked(said: str) -> None:
    """Called from a thread: the event loop never comes back, so nothing can be written but what is kept already."""
    sys.stderr.write(f"\nmuster: {said}\n")
    sys.stderr.flush()
    os._exit(ExitStatus.INTERRUPTED)


def _with_ceiling(settings: Settings, plan: Plan) -> Settings:
    """With what the runs may spend together where nobody states it, so that a report can say "of how much"."""
    if settings.tokens_max is not None:
        return settings
    return replace(settings, tokens_max=max(1, plan.runs_total) * settings.tokens_per_run)


def _last_name(place: Path | str) -> str:
    path = os.path.realpath(place) if isinstance(place, Path) else place.partition("?")[0].rstrip("/")
    return path.rpartition("/")[2] or "run"
