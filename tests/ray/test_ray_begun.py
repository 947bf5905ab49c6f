"""Ray is begun before the input is read: what comes of it when the input is refused, and when hosts are many."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from orchestrator.reaper import family, processes


def begun_by(process: subprocess.Popen[bytes]) -> dict[int, str]:
    """All processes (with their start times) that have belonged to this one until it ended."""
    seen: dict[int, str] = {}
    began = processes()[process.pid][1]
    while process.poll() is None:
        known = processes()
        seen |= {pid: known[pid][1] for pid in family({process.pid: began}) if pid in known}
        time.sleep(0.02)
    return seen


def left_of(ours: dict[int, str]) -> list[int]:
    """Those that are still there after a moment."""
    give_up_s = time.monotonic() + 5.0
    while True:
        known = processes()
        left = [pid for pid, began in ours.items() if pid in known and known[pid][1] == began]
        if not left or time.monotonic() > give_up_s:
            return left
        time.sleep(0.05)


@pytest.mark.parametrize("command", [["audit", "nothing.yaml"], ["resume", "run"]])
def test_a_refusal_ends_the_ray_that_was_begun(command: list[str], tmp_path: Path) -> None:
    """The sentence and its status come as they do without Ray, and nothing that was started stays."""
    run = tmp_path / "run"
    run.mkdir()
    (run / "manifest.json").write_text('{"schema": "muster.run/1", "job": "audit", "settings": {"mode": "embedded"}}')
    path = os.pathsep.join(part for part in sys.path if part)
    process = subprocess.Popen(
        [sys.executable, "-m", "jobs", *command],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": path},
    )

    seen = begun_by(process)
    said = process.stderr.read().decode() if process.stderr else ""

    assert process.returncode == 2
    assert said.startswith("muster: ")
    assert said.count("\n") == 1
    assert len(seen) > 1, "Ray was begun"
    assert left_of(seen) == []
