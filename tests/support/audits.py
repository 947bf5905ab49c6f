"""Running the command as its users do, and reading what it left."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

# What may differ between two audits of the same thing: when, how long, where, and under which id.
VOLATILE = ("run_id", "mode", "elapsed_s", "status")


class Ended(NamedTuple):
    """A command that has ended."""

    status: int
    stdout: str
    stderr: str


def muster(*arguments: object, timeout_s: float = 300.0, **environment: str) -> Ended:
    """Run `muster` with these arguments in a process of its own."""
    import os

    ended = subprocess.run(
        [sys.executable, "-m", "jobs", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=timeout_s,
        env={**os.environ, **environment},
    )
    return Ended(ended.returncode, ended.stdout, ended.stderr)


def summary_of(run_dir: Path) -> dict[str, Any]:
    return dict(json.loads((run_dir / "summary.json").read_text()))


def stable(summary: dict[str, Any]) -> dict[str, Any]:
    """A summary without what times and ids change."""
    return {name: value for name, value in summary.items() if name not in VOLATILE}
