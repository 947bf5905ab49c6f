"""What was said in a task's conversations, for people."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow.compute as pc

from actors.transcript_page import readable
from jobs.listing import attempts_at
from orchestrator.store import RunDirectory


def transcript_of(run_dir: Path | str | RunDirectory, task_id: str) -> str:
    """The conversations of a task that were kept, one for each attempt, the latest last; "" when there is none."""
    directory = run_dir if isinstance(run_dir, RunDirectory) else RunDirectory.look(run_dir)
    kept: dict[int, str] = {}
    for batch in directory.transcripts():
        rows = batch.filter(pc.equal(batch.column("task_id"), task_id)).to_pylist()
        kept.update((int(row["attempt"]), str(row["transcript"])) for row in rows)
    attempts = {int(row["attempt"]): row for row in attempts_at(directory, task_id)} if kept else {}
    return "\n\n".join(_attempt(number, kept[number], attempts.get(number, {})) for number in sorted(kept))


def _attempt(number: int, kept: str, outcome: Mapping[str, Any]) -> str:
    return f"--- attempt {number}\n{readable(kept, outcome.get('spans') or ())}"
