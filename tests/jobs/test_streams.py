"""Standard streams that are closed, full, or that nobody reads: what a command does and comes to is the same."""

from __future__ import annotations

import json
import os
import pty
import re
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


@pytest.mark.parametrize("arguments", [["show"], ["show", "--json"], ["list"], ["list", "--json"], ["compare"]])
def test_an_answer_that_finds_no_room_is_said_in_one_sentence(arguments: list[str], run_dir: Path) -> None:
    """Never 0: not all that was asked for is there."""
    command, *more = arguments
    about = {"show": [run_dir], "list": [run_dir.parent], "compare": [run_dir, run_dir]}[command]

    ended = shell(">/dev/full", command, *about, *more)

    assert ended.returncode == 4
    assert ended.stderr.startswith("muster: cannot write to standard output: No space left on device: ")
    assert ended.stderr.count("\n") == 1


def test_a_summary_that_finds_no_room_leaves_a_run_that_has_ended(estate: Path, tmp_path: Path) -> None:
    """What was paid for is kept: only its copy on the standard output is missing."""
    ended = shell(">/dev/full", "audit", estate, "--local", "--json", "--run-dir", tmp_path / "run")

    assert ended.returncode == 4
    assert "Traceback" not in ended.stderr
    assert ended.stderr.splitlines()[-2].startswith("report     ")
    assert ended.stderr.splitlines()[-1].startswith("muster: cannot write to standard output: No space left")
    assert summary_of(tmp_path / "run")["status"] == "answered"


def test_a_reader_who_had_enough_is_no_trouble(run_dir: Path, estate: Path, tmp_path: Path) -> None:
    """The run's status is its own, and there is not a word about the pipe."""
    pipe = unread_pipe()
    audit = ["audit", estate, "--local", "--json", "--run-dir", tmp_path / "run"]

    for arguments in (audit, ["show", run_dir], ["list", run_dir.parent, "--json"], ["compare", run_dir, run_dir]):
        command = [sys.executable, "-m", "jobs", *map(str, arguments)]
        ended = subprocess.run(command, stdout=pipe, stderr=subprocess.PIPE, text=True, timeout=300)

        assert ended.returncode == 0, ended.stderr
        assert not re.search("Traceback|pipe|standard output", ended.stderr)
    os.close(pipe)
    assert summary_of(tmp_path / "run")["status"] == "answered"


def test_what_the_outputs_encoding_does_not_have_is_escaped_as_json_does(estate: Path, tmp_path: Path) -> None:
    """A program reads the same summary from it, byte for byte ASCII."""
    question = "Où est le mal 🩺, ou \udc80?"
    arguments = ["audit", estate, "--local", "--json", "--run-dir", tmp_path / "run", "--question", question]

    ended = shell("", *arguments, PYTHONIOENCODING="ascii")

    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.isascii()
    assert json.loads(ended.stdout)["question"] == question
