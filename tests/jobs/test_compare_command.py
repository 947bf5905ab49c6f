"""`muster compare` on what two audits left."""

from __future__ import annotations

import json
from pathlib import Path

from jobs.sample import write_estate
from orchestrator import dispatch
from support.audits import muster, summary_of
from support.crews import COUNTER


def test_two_batches_are_compared_from_their_directories(tmp_path: Path) -> None:
    """A service whose incidents vanished loses its findings; the others stay as they were."""
    write_estate(tmp_path / "estate", services=6, seed=3)
    manifest = tmp_path / "estate" / "catalog-info.yaml"
    muster("audit", manifest, "--local", "--run-dir", tmp_path / "a")
    worst = summary_of(tmp_path / "a")["services"][0]["name"]
    repositories = list((tmp_path / "estate").rglob("*.git"))
    for repository in repositories:
        repository.rename(repository.with_suffix(".gone"))
    muster("audit", manifest, "--local", "--run-dir", tmp_path / "b")

    told = json.loads(muster("compare", tmp_path / "a", tmp_path / "b", "--json").stdout)
    shown = muster("compare", tmp_path / "a", tmp_path / "b")

    assert told["services"]["compared"] == 6
    assert all("git" in service["sources"] for service in told["changed"])
    assert all(finding["source"] == "git" for service in told["changed"] for finding in service["gone"])
    assert shown.status == 0
    assert "compared   6 services" in shown.stdout
    assert worst in shown.stdout


def test_what_cannot_be_compared_is_said_in_a_sentence(tmp_path: Path) -> None:
    """No run, or one without an answer: exit status 2 and what to do."""
    (tmp_path / "begun").mkdir()
    (tmp_path / "begun" / "manifest.json").write_text('{"job": "audit"}')

    nothing = muster("compare", tmp_path / "none", tmp_path / "none")
    begun = muster("compare", tmp_path / "begun", tmp_path / "begun")

    assert [nothing.status, begun.status] == [2, 2]
    assert "is no run directory" in nothing.stderr
    assert "has no summary.json that can be compared: it has not ended: `muster resume`" in begun.stderr


def test_a_run_that_cannot_be_resumed_is_not_told_to_be(tmp_path: Path) -> None:
    """A program's run never has a summary, and one that cannot be read is there."""
    dispatch([], specialists=[COUNTER], run_dir=tmp_path / "program")
    (tmp_path / "shut" / "summary.json").mkdir(parents=True)
    (tmp_path / "shut" / "manifest.json").write_text('{"job": "audit"}')
    (tmp_path / "torn").mkdir()
    (tmp_path / "torn" / "summary.json").write_text("{")
    (tmp_path / "torn" / "manifest.json").write_text('{"job": "audit"}')

    said = {name: muster("compare", tmp_path / name, tmp_path / name).stderr for name in ("program", "shut", "torn")}

    assert "only batches of audit leave one, and this is a program's run" in said["program"]
    assert "resume" not in said["program"] + said["shut"]
    assert "the file is there and cannot be read (it is no regular file)" in said["shut"]
    assert "it is not as it was written: `muster resume` writes it anew" in said["torn"]
