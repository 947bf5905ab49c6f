"""What was said in a task's conversations, for people."""

from __future__ import annotations

from pathlib import Path

import pyarrow.compute as pc

from actors.transcripts import readable
from orchestrator.store import RunDirectory


def transcript_of(run_dir: Path | str | RunDirectory, task_id: str) -> str:
    """The conversations of a task that were kept, one for each attempt, the latest last; "" when there is none."""
    directory = run_dir if isinstance(run_dir, RunDirectory) else RunDirectory.look(run_dir)
    kept: dict[int, str] = {}
    for batch in directory.transcripts():
        rows = batch.filter(pc.equal(batch.column("task_id"), task_id)).to_pylist()
        kept.update((int(row["attempt"]), str(row["transcript"])) for row in rows)
    return "\n\n".join(f"--- attempt {attempt}\n{readable(kept[attempt])}" for attempt in sorted(kept))
