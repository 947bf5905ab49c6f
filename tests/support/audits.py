"""Running the command as its users do, and reading what it left."""

from __future__ import annotations

import json
import subprocess
import sys
import time
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


def answer_of(summary: dict[str, Any]) -> dict[str, Any]:
    """What a summary answers: without times, ids and spend."""
    return {name: value for name, value in stable(summary).items() if name not in ("budget", "status")}


def begun_audit(manifest: Path, run_dir: Path, *more: str, segments: int = 5) -> subprocess.Popen[str]:
    """An audit under way, that has made some outcomes durable."""
    command = ["audit", manifest, "--local", "--concurrency", "1", "--run-dir", run_dir, *more]
    process = subprocess.Popen(
        [sys.executable, "-m", "jobs", *map(str, command)], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    while len(list((run_dir / "outcomes").glob("*.arrow"))) < segments:
        assert process.poll() is None, process.communicate()
        time.sleep(0.005)
    return process


def killed_audit(manifest: Path, run_dir: Path, *more: str, segments: int = 5) -> None:
    """An audit that was killed under way."""
    process = begun_audit(manifest, run_dir, *more, segments=segments)
    process.kill()
    process.communicate()
