"""All that is kept of a task, for people: each attempt, and the conversation where it was kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow.compute as pc

from actors.contracts import Reason
from actors.transcript_page import readable
from jobs.listing import attempts_at
from jobs.registry import JOBS
from jobs.task_page import task_page
from orchestrator.store import RunDirectory

NO_CONVERSATION = "no conversation of it was kept: --transcripts all keeps each, failures those that failed"


def shown_task(directory: RunDirectory, task_id: str, *, run: str) -> str:
    """A task's attempts, the latest last. `run` is how the directory is named in a command.

    Raises RunDirectoryError for a task without an outcome.
    """
    kept, asked = _conversations(directory, task_id), _asked(directory, task_id)
    resumable = directory.manifest().get("job") in JOBS
    return "\n\n".join(
        _attempt(row, asked.get(row["attempt"]), kept.get(row["attempt"]), _again(row, run) if resumable else "")
        for row in attempts_at(directory, task_id)
    )


def _again(row: Mapping[str, Any], run: str) -> str:
    return f"muster resume {run}" if row["status"] == Reason.CANCELLED else f"muster retry {run} --failed-only"


def _attempt(row: Mapping[str, Any], asked: Mapping[str, Any] | None, kept: str | None, again: str) -> str:
    page = task_page(row, asked, again=again, conversation=kept is not None)
    if kept is None:
        return f"{page}\n\n{NO_CONVERSATION}" if row["model_calls"] else page
    time_s = (row["started_at_s"], row["started_at_s"] + row["elapsed_ms"] / 1e3)
    return f"{page}\n\n--- the conversation\n{readable(kept, row['spans'] or (), time_s=time_s)}"


def _conversations(directory: RunDirectory, task_id: str) -> dict[int, str]:
    """By attempt, those that were kept."""
    return {row["attempt"]: str(row["transcript"]) for row in _rows(directory.transcripts(), "task_id", task_id)}


def _asked(directory: RunDirectory, task_id: str) -> dict[int, Mapping[str, Any]]:
    """By attempt, the task as it was submitted."""
    return {row["attempt"]: row for row in _rows(directory.tasks(), "id", task_id)}


def _rows(batches: Any, column: str, task_id: str) -> list[dict[str, Any]]:
    return [row for batch in batches for row in batch.filter(pc.equal(batch.column(column), task_id)).to_pylist()]
