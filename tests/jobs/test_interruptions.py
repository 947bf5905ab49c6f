"""Ctrl-C before a batch has begun. What it does to one that runs, test_resume_command.py tells."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import pytest

AUDIT, SHOW, HELP = ["audit", "catalog.yaml", "--local"], ["show", "run"], ["--help"]


@pytest.mark.parametrize(
    ("module", "command"),
    [("click", HELP), ("yaml", HELP), ("click", AUDIT), ("yaml", AUDIT), ("pyarrow", AUDIT), ("pyarrow", SHOW)],
)
def test_an_interruption_during_the_imports_is_one_line(module: str, command: list[str], tmp_path: Path) -> None:
    """Here a library takes for ever to import, as it does on a slow disk."""
    process = importing(module, tmp_path, *command)

    with being_read(tmp_path / "never", process):
        process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)

    assert said == "muster: interrupted\n"
    assert process.returncode == 130


def test_what_a_shell_started_in_the_background_is_not_interrupted(tmp_path: Path) -> None:
    """A shell has such a command ignore Ctrl-C, and the command leaves it at that."""
    process = importing("click", tmp_path, "--help", before=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN))

    with being_read(tmp_path / "never", process):
        process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)

    assert said == ""
    assert process.returncode == 7


def importing(
    module: str, folder: Path, *command: str, before: Callable[[], object] | None = None
) -> subprocess.Popen[str]:
    """The command, with a library that reads from `never` while it is imported; then the process ends with 7."""
    os.mkfifo(folder / "never")
    (folder / f"{module}.py").write_text(f"open({str(folder / 'never')!r}).read()\nraise SystemExit(7)\n")
    return subprocess.Popen(
        [sys.executable, "-m", "jobs", *command],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"},
        preexec_fn=before,
    )


def being_read(fifo: Path, process: subprocess.Popen[str]) -> BinaryIO:
    """The other side of what this process reads."""
    while True:
        assert process.poll() is None, process.communicate()
        try:
            return os.fdopen(os.open(fifo, os.O_WRONLY | os.O_NONBLOCK), "wb")
        except OSError:  # it does not read yet
            time.sleep(0.005)
