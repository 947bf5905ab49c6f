"""What a run has come to by now, for who cannot wait for its end: the report of those of its services that are done."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import pyarrow as pa
import pyarrow.compute as pc

from jobs.job import Job
from jobs.resume import job_of, stored_settings
from orchestrator.known_outcomes import Known
from orchestrator.shards import Shard, state_of
from orchestrator.spend import spend_of
from orchestrator.store import REPORT, RunDirectory
from orchestrator.synthesis import Head, Money


def report_of(directory: RunDirectory) -> str:
    """The report as it was written, or as it would be were the runs that have ended all that was asked.

    Raises RunDirectoryError where it cannot be read or a program made the run, ManifestError where its input is gone.
    """
    if directory.summary() is not None and not directory.in_use:
        with suppress(OSError):  # it was removed: it can be made again
            return bytes(directory.files.read(REPORT)).decode("utf-8", "replace")
    job, summary = so_far(directory)
    return "".join(job.report(summary))


def so_far(directory: RunDirectory) -> tuple[Job, Mapping[str, Any]]:
    """The summary over the runs of which all is known. Others are counted in its status, and are no gaps yet."""
    manifest = directory.manifest()
    job, began_s = job_of(manifest, directory.shown), float(cast(float, manifest["began_s"]))
    settings, _ = stored_settings(manifest, directory.shown)
    plan = job.plan(
        Path(str(manifest["source"])),
        question=str(manifest["question"]),
        batch_id=directory.run_id,
        settings=settings,
        now_s=began_s,
        kept=directory.kept_input(),
    )
    outcomes = list(directory.outcomes())  # once: more come while this looks
    known = Known.of(outcomes, history=directory.history())
    found = ((run, *state_of(run, known)) for run in plan.part(Shard()))
    records = {run.id: job.record(run, state) for run, state, ended in found if ended}
    spent = known.all_spent()
    head = Head(
        run_id=directory.run_id,
        question=plan.question,
        model=settings.model,
        mode=settings.mode,
        status=f"so far: {len(records):,} of {plan.runs_total:,} services are done",
        elapsed_s=max((_ended_s(batch) for batch in outcomes), default=began_s) - began_s,
        money=Money(
            limit_tokens=settings.tokens_max,
            spent_tokens=spent.tokens,
            limit_microusd=settings.microusd_max,
            spent_microusd=spent.microusd,
            spend=spend_of(outcomes),
        ),
    )
    return job, job.summarize(head, records)


def _ended_s(outcomes: pa.RecordBatch) -> float:
    """When the last of some outcomes came in, in Unix seconds."""
    ended = pc.add(outcomes.column("started_at_s"), pc.divide(outcomes.column("elapsed_ms"), 1e3))
    return float(pc.max(ended).as_py() or 0.0)
