"""Standard streams that are closed, full, or that nobody reads: what a command does and comes to is the same."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jobs.sample import write_estate
from support.audits import muster, summary_of


@pytest.fixture(scope="module")
def estate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("estate") / "sample"
    write_estate(folder, services=4, seed=3)
    return folder / "catalog-info.yaml"


@pytest.fixture(scope="module")
def run_dir(estate: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of an audit that has ended as it should."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    assert muster("audit", estate, "--local", "--run-dir", folder).status == 0
    return folder


def shell(redirections: str, *arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """`muster` with these arguments, as a shell runs it with these redirections."""
    command = [sys.executable, "-m", "jobs", *map(str, arguments)]
    return subprocess.run(
        ["sh", "-c", f'exec "$@" {redirections}', "sh", *command],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, **environment},
    )


def unread_pipe() -> int:
    reading, writing = os.pipe()
    os.close(reading)
    return writing


def closed_terminal() -> int:
    controller, terminal = pty.openpty()
    os.close(controller)
    return terminal


def full_disk() -> int:
    return os.open("/dev/full", os.O_WRONLY)


@pytest.mark.parametrize("lost", [unread_pipe, closed_terminal, full_disk])
def test_a_batch_goes_on_when_nobody_can_be_told(lost: Callable[[], int], estate: Path, tmp_path: Path) -> None:
    """Progress, the log and the answer's headline are lost; the answer, its report and the status are not."""
    descriptor = lost()
    command: list[Any] = ["--log-level", "debug", "audit", estate, "--local", "--run-dir", tmp_path / "run"]

    ended = subprocess.run(
        [sys.executable, "-m", "jobs", *map(str, command)], stderr=descriptor, stdout=subprocess.PIPE, timeout=300
    )
    os.close(descriptor)

    assert ended.returncode == 0
    assert ended.stdout == b""
    assert (tmp_path / "run" / "report.md").exists()
    assert summary_of(tmp_path / "run")["status"] == "answered"


@pytest.mark.parametrize("closed", ["2>&-", ">&-", "<&- >&- 2>&-"])
def test_a_closed_stream_is_as_dev_null(closed: str, estate: Path, tmp_path: Path) -> None:
    """No file of the run is written over, and none takes the stream's place."""
    ended = shell(closed, "audit", estate, "--local", "--json", "--run-dir", tmp_path / "run")

    assert ended.returncode == 0, ended.stderr
    assert "Traceback" not in ended.stderr
    assert summary_of(tmp_path / "run")["status"] == "answered"
    assert (tmp_path / "run" / "report.md").read_text().startswith("#")


@pytest.mark.parametrize("closed", ["2>&-", ">&-"])
@pytest.mark.parametrize("more", [[], ["--json"]])
def test_other_commands_need_no_stream_either(closed: str, more: list[str], run_dir: Path) -> None:
    """What looks at runs says it to nobody, or says all of it."""
    commands = [["list", run_dir.parent, *more], ["show", run_dir, *more], ["compare", run_dir, run_dir, *more]]

    ended = [shell(closed, *command) for command in commands]

    assert [(one.returncode, one.stderr) for one in ended] == [(0, "")] * 3
    assert [bool(one.stdout) for one in ended] == [closed == "2>&-"] * 3


@pytest.mark.parametrize("closed", ["2>&-", ">&-"])
def test_a_sample_is_written_whoever_is_told(closed: str, tmp_path: Path) -> None:
    """It says its summary on the standard error, and nothing on the output."""
    ended = shell(closed, "sample", tmp_path / "estate", "--services", "2")

    assert ended.returncode == 0, ended.stderr
    assert (tmp_path / "estate" / "catalog-info.yaml").exists()
