"""Deadlines of runs and of the batch, as somebody who types the command meets them."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobs.sample import write_estate
from support.audits import muster, summary_of


@pytest.mark.parametrize(
    ("option", "said"), [("--run-deadline", ""), ("--deadline", "the batch's deadline of 0.001 s has passed")]
)
def test_a_deadline_that_passes_is_a_normal_end_with_its_gaps_named(option: str, said: str, tmp_path: Path) -> None:
    """No interruption: the status is that of an answer below its quorum, and each service says what it lacks."""
    write_estate(tmp_path / "estate", services=4, seed=7)
    manifest, run_dir = tmp_path / "estate" / "catalog-info.yaml", tmp_path / "run"

    ended = muster("audit", manifest, "--local", "--run-dir", run_dir, option, "0.001", "--concurrency", "1")

    summary = summary_of(run_dir)
    failed = summary["coverage"]["tasks"]["failed"]
    assert ended.status in (3, 4), ended.stderr
    assert said in summary["status"]
    assert list(failed) == ["cancelled"]
    assert sum(len(service["gaps"]) for service in summary["services"]) >= failed["cancelled"]
    assert "cancelled" in (run_dir / "report.md").read_text()


def test_a_deadline_of_nothing_is_refused_by_its_name() -> None:
    """Before anything is begun."""
    ended = muster("audit", "nowhere.yaml", "--local", "--run-deadline", "0")

    assert ended.status == 2
    assert "--run-deadline is 0" in ended.stderr
