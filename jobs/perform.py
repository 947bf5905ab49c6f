"""One job from its input to its files: plan, batch, answer, report."""

from __future__ import annotations

import asyncio
import json
import logging
import platform
import secrets
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import IntEnum
from importlib.metadata import version
from pathlib import Path
from typing import Any

from actors import prompts
from actors.assembly import ModelFactory
from actors.contracts import JsonValue
from budget import Alert, Price
from jobs.progress import Progress
from jobs.registry import Job, Plan
from orchestrator.batch import Batch, Ending, run_batch
from orchestrator.runs import Run, State
from orchestrator.settings import Settings
from orchestrator.store import RunDirectory
from orchestrator.synthesis import Head, Money, encode
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
    run_dir: Path
    settings: Settings
    model: ModelFactory
    price: Price | None
    alerted: Callable[[Alert], None]


@dataclass(frozen=True, slots=True)
class Performed:
    """What came of it."""

    status: ExitStatus
    summary: Mapping[str, JsonValue]
    report: Path
    headline: str


def perform(request: Request) -> Performed:
    """Run a job to its report. Raises MusterError for a caller's mistake, before anything is spent."""
    began_s = time.time()
    batch_id = f"{request.run_dir.resolve().name}-{secrets.token_hex(4)}"
    plan = request.job.plan(
        request.source, question=request.question, batch_id=batch_id, settings=request.settings, now_s=began_s
    )
    settings = request.settings
    if settings.tokens_max is None:  # what the runs may spend together, so that a report can say "of how much"
        settings = replace(settings, tokens_max=max(1, plan.runs_total) * settings.tokens_per_run)
    request = replace(request, settings=settings)
    directory = RunDirectory.create(
        request.run_dir, manifest=_manifest(request, plan, batch_id, began_s), durable=settings.durable
    )
    try:
        return _in_directory(request, plan, batch_id, directory)
    finally:
        directory.close()


def _in_directory(request: Request, plan: Plan, batch_id: str, directory: RunDirectory) -> Performed:
    began_s = time.monotonic()
    job, settings = request.job, request.settings
    records: list[Any] = []
    runs = plan.runs()
    batch = Batch(
        id=batch_id,
        specialists=job.specialists,
        model=request.model,
        settings=settings,
        price=request.price,
        telemetry=Telemetry(batch_id, log_content=settings.log_content),
    )
    progress = Progress(runs=plan.runs_total, tokens_max=settings.tokens_max)

    def finished(run: Run, state: State) -> None:
        records.append(job.record(run, state))

    ending = asyncio.run(
        run_batch(batch, runs, directory, finished=finished, progress=progress, alerted=request.alerted)
    )
    progress.close()
    records += [job.record(run, State()) for run in runs]  # those that never began are named as gaps
    status = exit_status(ending, min_fraction=settings.min_fraction)
    head = Head(
        run_id=batch_id,
        question=plan.question,
        model=settings.model,
        mode=settings.mode,
        status=status.name.lower() if not ending.stopped else f"{status.name.lower()}: {ending.stopped}",
        elapsed_s=time.monotonic() - began_s,
        money=_money(settings, ending),
    )
    summary = job.summarize(head, records)
    directory.write_bytes("summary.json", encode(dict(summary)))
    report = directory.write_bytes("report.md", job.report(summary).encode("utf-8", "replace"))
    return Performed(status, summary, report, job.headline(summary))


def exit_status(ending: Ending, *, min_fraction: float) -> ExitStatus:
    """0 the answer meets its quorum, 3 below it, 4 nothing usable, 130 interrupted."""
    ended = sum(ending.tally.statuses.values())
    if ending.interrupted:
        return ExitStatus.INTERRUPTED
    if not ending.tally.succeeded:
        return ExitStatus.NOTHING_USABLE
    return ExitStatus.ANSWERED if ending.tally.succeeded >= min_fraction * ended else ExitStatus.BELOW_QUORUM


def _money(settings: Settings, ending: Ending) -> Money:
    return Money(
        limit_tokens=settings.tokens_max,
        spent_tokens=ending.standing.spent.tokens,
        limit_microusd=settings.microusd_max,
        spent_microusd=ending.standing.spent.microusd,
        charged_unseen_tokens=ending.standing.unseen.tokens,
    )


def _manifest(request: Request, plan: Plan, batch_id: str, began_s: float) -> dict[str, JsonValue]:
    """What was asked, for whoever resumes or reads the run. No secrets are among it."""
    return {
        "schema": "muster.run/1",
        "run_id": batch_id,
        "job": request.job.name,
        "source": str(request.source.resolve()),
        "question": plan.question,
        "fingerprint": plan.fingerprint,
        "settings": request.settings.as_json(),
        "runs_total": plan.runs_total,
        "began_s": began_s,
        "versions": {
            "muster": version("muster"),
            "prompts": prompts.PROMPTS_VERSION,
            "python": platform.python_version(),
            **{name: version(name) for name in ("ray", "anthropic", "pyarrow")},
        },
    }


def print_summary(performed: Performed, *, as_json: bool, write: Callable[[str], object] = sys.stdout.write) -> None:
    """Human text to stderr, the summary to stdout when asked for."""
    sys.stderr.write(performed.headline + f"\nreport     {performed.report}\n")
    if as_json:
        write(json.dumps(performed.summary, ensure_ascii=False) + "\n")
