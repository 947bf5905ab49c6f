"""`muster resume`, `retry`, `list` and `show`, on runs that were killed, interrupted, damaged and changed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jobs.sample import write_estate
from orchestrator.store import RunDirectory
from support.audits import Ended, muster, summary_of

SERVICES = 16
SPENT = ("elapsed_s", "run_id", "status", "budget", "mode")


@pytest.fixture(scope="module")
def estate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sample estate that takes seconds, so that there is time to interrupt."""
    folder = tmp_path_factory.mktemp("estate") / "sample"
    write_estate(folder, services=SERVICES, seed=3)
    return folder / "catalog-info.yaml"


@pytest.fixture(scope="module")
def calm(estate: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The summary of an undisturbed run."""
    run_dir = tmp_path_factory.mktemp("calm") / "run"
    assert audit(estate, run_dir).status == 0
    return summary_of(run_dir)


def audit(manifest: Path, run_dir: Path, *more: str) -> Ended:
    return muster("audit", manifest, "--local", "--concurrency", "1", "--run-dir", run_dir, *more)


def begun(manifest: Path, run_dir: Path, *, segments: int = 5) -> subprocess.Popen[str]:
    """An audit under way, that has made some outcomes durable."""
    command = ["audit", manifest, "--local", "--concurrency", "1", "--run-dir", run_dir]
    process = subprocess.Popen(
        [sys.executable, "-m", "jobs", *map(str, command)], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    while len(list((run_dir / "outcomes").glob("*.arrow"))) < segments:
        assert process.poll() is None, process.communicate()
        time.sleep(0.005)
    return process


def killed(manifest: Path, run_dir: Path) -> dict[str, Any]:
    """An audit that was killed under way, and its durable rows."""
    process = begun(manifest, run_dir)
    process.kill()
    process.communicate()
    return rows_of(run_dir)


def rows_of(run_dir: Path) -> dict[str, Any]:
    return {row["task_id"]: row for row in RunDirectory.look(run_dir).effective().to_pylist()}


def same(summary: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two summaries are equal but for times and spend."""
    return {k: v for k, v in summary.items() if k not in SPENT} == {k: v for k, v in other.items() if k not in SPENT}


def test_after_kill_9_the_rest_is_done_and_the_report_is_that_of_an_undisturbed_run(
    estate: Path, calm: dict[str, Any], tmp_path: Path
) -> None:
    """What was durable is kept as it was, and the spend goes on where it was."""
    before = killed(estate, tmp_path / "run")
    state = json.loads(muster("show", tmp_path / "run", "--json").stdout)

    ended = muster("resume", tmp_path / "run")

    assert ended.status == 0, ended.stderr
    assert state["state"] == "died"
    assert 0 < len(before) < len(rows_of(tmp_path / "run"))
    assert before.items() <= rows_of(tmp_path / "run").items()
    assert same(summary_of(tmp_path / "run"), calm)
    assert summary_of(tmp_path / "run")["budget"]["spent_tokens"] >= calm["budget"]["spent_tokens"]


def test_a_resumed_run_that_ends_at_once_reports_all_that_was_answered_before(estate: Path, tmp_path: Path) -> None:
    """What is known is told of, also of runs that this attempt had no time to go through."""
    before = killed(estate, tmp_path / "run")

    ended = muster("resume", tmp_path / "run", "--deadline", "0.001", "--json")

    coverage = json.loads(ended.stdout)["coverage"]["tasks"]
    assert ended.status in (3, 4), ended.stderr
    assert coverage["succeeded"] == sum(row["status"] == "ok" for row in before.values()) > 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_a_report_and_a_run_that_goes_on(
    number: signal.Signals, estate: Path, calm: dict[str, Any], tmp_path: Path
) -> None:
    """Exit 130, each planned task has its row, and resume does what was cancelled."""
    process = begun(estate, tmp_path / "run")
    process.send_signal(number)
    _, said = process.communicate(timeout=30)
    partial = summary_of(tmp_path / "run")
    listed = json.loads(muster("list", tmp_path, "--json").stdout)

    ended = muster("resume", tmp_path / "run")

    assert process.returncode == 130, said
    assert "Traceback" not in said
    assert partial["coverage"]["services"]["total"] == SERVICES
    assert partial["coverage"]["tasks"]["failed"].keys() <= {"cancelled"}
    assert [run["state"] for run in listed] == ["interrupted"]
    assert ended.status == 0, ended.stderr
    assert same(summary_of(tmp_path / "run"), calm)


def test_two_processes_cannot_work_on_one_run_and_a_third_may_look(estate: Path, tmp_path: Path) -> None:
    """The second is told; who looks sees a running run."""
    process = begun(estate, tmp_path / "run", segments=1)
    process.send_signal(signal.SIGSTOP)

    second = muster("resume", tmp_path / "run")
    state = json.loads(muster("show", tmp_path / "run", "--json").stdout)
    process.kill()
    process.communicate()

    assert second.status == 2
    assert "in use by another process" in second.stderr
    assert state["state"] == "running"
    assert state["statuses"]["ok"] > 0


def test_resume_refuses_what_changed_and_says_what(estate: Path, tmp_path: Path) -> None:
    """Inputs, settings, instructions, versions: each by name; with --accept-changes it goes on."""
    own = tmp_path / "estate"
    shutil.copytree(estate.parent, own)
    killed(own / "catalog-info.yaml", tmp_path / "run")
    with (own / "catalog-info.yaml").open("a") as file:
        file.write("\n# another line\n")
    kept = json.loads((tmp_path / "run" / "manifest.json").read_text())
    kept["specialists"]["code"] = "0123"
    kept["versions"]["muster"] = "0.0.9"
    (tmp_path / "run" / "manifest.json").write_text(json.dumps(kept))

    refused = muster("resume", tmp_path / "run", "--timeout", "7")
    accepted = muster("resume", tmp_path / "run", "--timeout", "7", "--accept-changes")
    again = muster("resume", tmp_path / "run")

    assert refused.status == 2
    for said in ("deadline_s was 30.0 and is 7.0", "schema of 'code'", "catalog-info.yaml has changed", "was 0.0.9"):
        assert said in refused.stderr
    assert accepted.status == 0, accepted.stderr
    assert again.status == 0, again.stderr


def torn(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def changed(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 0xFF
    file.write_bytes(bytes(data))


def emptied(file: Path) -> None:
    file.write_bytes(b"")


@pytest.mark.parametrize("damage", [torn, changed, emptied])
def test_damaged_and_foreign_segments_are_set_aside_by_name_and_their_tasks_run_again(
    damage: Callable[[Path], None], estate: Path, calm: dict[str, Any], tmp_path: Path
) -> None:
    """Nothing is removed, nothing is believed that cannot be checked, and the answer is whole."""
    before = killed(estate, tmp_path / "run")
    first = sorted((tmp_path / "run" / "outcomes").glob("*.arrow"))[0]
    damage(first)
    (tmp_path / "run" / "outcomes" / "notes.arrow").write_text("mine")

    ended = muster("resume", tmp_path / "run")

    assert ended.status == 0, ended.stderr
    aside = {file.name for file in (tmp_path / "run" / "set-aside").iterdir()}
    assert aside == {f"outcomes-{first.name}.torn", "outcomes-notes.arrow.torn"}
    assert first.name in ended.stderr
    assert same(summary_of(tmp_path / "run"), calm)
    assert before.keys() <= rows_of(tmp_path / "run").keys()


def test_a_lost_ledger_is_made_up_from_the_outcomes(estate: Path, tmp_path: Path) -> None:
    """What is known to be spent stays spent."""
    before = killed(estate, tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / "ledger")

    ended = muster("resume", tmp_path / "run")

    assert ended.status == 0, ended.stderr
    rows = rows_of(tmp_path / "run").values()
    assert summary_of(tmp_path / "run")["budget"]["spent_tokens"] >= sum(row["spent_tokens"] for row in rows)
    assert len(rows) > len(before)


@pytest.mark.parametrize("whole", [9_000_000, SERVICES * 200_000])
def test_another_ceiling_holds_until_another_is_given(
    whole: int, estate: Path, calm: dict[str, Any], tmp_path: Path
) -> None:
    """Also that of the beginning once more. What there was no room for goes again when that is asked."""
    killed(estate, tmp_path / "run")

    poor = json.loads(muster("resume", tmp_path / "run", "--budget-tokens", "1000", "--json").stdout)
    still = json.loads(muster("resume", tmp_path / "run", "--json").stdout)
    rich = json.loads(muster("retry", tmp_path / "run", "--failed-only", "--budget-tokens", whole, "--json").stdout)
    again = json.loads(muster("resume", tmp_path / "run", "--json").stdout)

    assert poor["coverage"]["tasks"]["failed"].keys() == {"budget_skip"}
    assert [one["budget"]["limit_tokens"] for one in (poor, still, rich, again)] == [1000, 1000, whole, whole]
    assert same(rich, calm)
    assert same(again, calm)


def test_retry_runs_failures_again_and_keeps_what_they_were(estate: Path, tmp_path: Path) -> None:
    """Only the reasons that were asked for; earlier attempts are shown beside the new ones."""
    own = tmp_path / "estate"
    shutil.copytree(estate.parent, own, symlinks=True)
    manifest = own / "catalog-info.yaml"
    moved = sorted(own.rglob("*.git"))[0]
    moved.rename(moved.with_suffix(".gone"))
    audit(manifest, tmp_path / "run")
    failed = [row for row in rows_of(tmp_path / "run").values() if row["status"] != "ok"]
    moved.with_suffix(".gone").rename(moved)

    other = muster("retry", tmp_path / "run", "--failed-only", "--reason", "timeout")
    still = [row for row in rows_of(tmp_path / "run").values() if row["status"] != "ok"]
    ended = muster("retry", tmp_path / "run", "--failed-only", "--reason", "tool_error")
    shown = json.loads(muster("show", tmp_path / "run", failed[0]["task_id"], "--json").stdout)

    assert failed
    assert other.status == 0, other.stderr
    assert still == failed
    assert ended.status == 0, ended.stderr
    assert all(row["status"] == "ok" for row in rows_of(tmp_path / "run").values())
    assert [(row["attempt"], row["status"]) for row in shown] == [(1, "tool_error"), (2, "ok")]


def test_a_second_signal_ends_the_process_at_once_and_the_run_still_goes_on(estate: Path, tmp_path: Path) -> None:
    """No report of that attempt is promised; what was durable is."""
    process = begun(estate, tmp_path / "run")
    os.kill(process.pid, signal.SIGINT)
    os.kill(process.pid, signal.SIGINT)
    process.communicate(timeout=30)

    ended = muster("resume", tmp_path / "run")

    assert process.returncode == 130
    assert ended.status == 0, ended.stderr


def test_what_is_no_run_directory_is_said_in_a_sentence(tmp_path: Path) -> None:
    """Each command names the folder."""
    for command in (["resume"], ["retry", "--failed-only"], ["show"]):
        ended = muster(command[0], tmp_path, *command[1:])
        assert ended.status == 2
        assert "no run directory" in ended.stderr
