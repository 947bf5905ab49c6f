"""Progress as a person has it: on a pseudo-terminal, and in a log."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from jobs.sample import write_estate
from support.audits import muster

COLUMNS = 72


def test_a_terminal_shows_one_line_that_never_wraps_and_is_gone_at_the_end(tmp_path: Path) -> None:
    """Every frame is narrower than the terminal; what stays is the answer."""
    status, shown = _audited_on_a_terminal(tmp_path, TERM="xterm")

    assert status == 0
    frames = [frame for frame in re.split(r"\r\x1b\[2K", shown)[1:-1] if frame]
    assert frames
    assert all("runs" in frame and "\n" not in frame and len(frame) < COLUMNS for frame in frames)
    assert shown.rpartition("\x1b[2K")[2].lstrip().startswith("rank")


@pytest.mark.parametrize("kind", ["dumb", ""])
def test_a_terminal_that_can_do_nothing_has_no_control_characters(kind: str, tmp_path: Path) -> None:
    """Plain lines."""
    status, shown = _audited_on_a_terminal(tmp_path, TERM=kind)

    assert status == 0
    assert "report     " in shown
    assert not re.search(r"[\x00-\x09\x0b-\x1f]", shown.replace("\r\n", "\n"))


def test_a_log_has_no_control_characters(tmp_path: Path) -> None:
    """Plain lines, also where a name or a claim of the data holds an escape."""
    write_estate(tmp_path / "estate", services=4, seed=3)

    ended = muster("audit", tmp_path / "estate" / "catalog-info.yaml", "--local", "--run-dir", tmp_path / "run")

    assert ended.status == 0
    assert not re.search(r"[\x00-\x09\x0b-\x1f]", ended.stderr)


def _audited_on_a_terminal(folder: Path, **environment: str) -> tuple[int, str]:
    """The exit status of an audit, and what a terminal of so many columns was shown."""
    write_estate(folder / "estate", services=6, seed=3)
    controller, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, COLUMNS, 0, 0))
    command = [sys.executable, "-m", "jobs", "audit", str(folder / "estate" / "catalog-info.yaml"), "--local"]
    ended = subprocess.Popen(
        [*command, "--run-dir", str(folder / "run")],
        stderr=terminal,
        stdout=terminal,
        env={**os.environ, **environment},
    )
    os.close(terminal)
    shown = _read(controller)
    return ended.wait(timeout=60), shown


def _read(descriptor: int) -> str:
    """All that is written to a pseudo-terminal until its other side is closed."""
    found = b""
    try:
        while chunk := os.read(descriptor, 65_536):
            found += chunk
    except OSError:  # how Linux says that nobody has the other side open
        pass
    os.close(descriptor)
    return found.decode()
