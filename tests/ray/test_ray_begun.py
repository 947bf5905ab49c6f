"""Ray is begun before the input is read: what comes of it when the input is refused, or never comes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from orchestrator.reaper import family, processes
from support.left_processes import left_of


def muster(*arguments: str, folder: Path) -> subprocess.Popen[bytes]:
    path = os.pathsep.join(part for part in sys.path if part)
    return subprocess.Popen(
        [sys.executable, "-m", "jobs", *arguments],
        cwd=folder,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": path},
    )


def said_by(process: subprocess.Popen[bytes]) -> str:
    assert process.stderr is not None
    return process.stderr.read().decode()


def begun_by(process: subprocess.Popen[bytes]) -> dict[int, str]:
    """All processes (with their start times) that have belonged to this one until it ended."""
    seen: dict[int, str] = {}
    began = processes()[process.pid][1]
    while process.poll() is None:
        known = processes()
        seen |= {pid: known[pid][1] for pid in family({process.pid: began}) if pid in known}
        time.sleep(0.02)
    return seen


@pytest.mark.parametrize("command", [["audit", "nothing.yaml"], ["resume", "run"]])
def test_a_refusal_ends_the_ray_that_was_begun(command: list[str], tmp_path: Path) -> None:
    """The sentence and its status come as they do without Ray, and nothing that was started stays."""
    run = tmp_path / "run"
    run.mkdir()
    (run / "manifest.json").write_text('{"schema": "muster.run/1", "job": "audit", "settings": {"mode": "embedded"}}')
    process = muster(*command, folder=tmp_path)

    seen = begun_by(process)
    said = said_by(process)

    assert process.returncode == 2
    assert said.startswith("muster: ")
    assert said.count("\n") == 1
    assert len(seen) > 1, "Ray was begun"
    assert left_of(seen) == []


def test_an_interruption_while_the_input_is_read_ends_the_ray_that_was_begun(tmp_path: Path) -> None:
    """Here the input never comes: Ctrl-C ends the command as it ends a batch, and nothing stays."""
    os.mkfifo(tmp_path / "catalog.yaml")
    process = muster("audit", "catalog.yaml", folder=tmp_path)
    began = processes()[process.pid][1]
    while len(seen := family({process.pid: began})) < 3:
        time.sleep(0.02)
    known = processes()
    ours = {pid: known[pid][1] for pid in seen if pid in known}

    process.send_signal(signal.SIGINT)
    said = said_by(process)

    assert process.wait() == 130
    assert said == "muster: interrupted\n"
    assert left_of(ours) == []
