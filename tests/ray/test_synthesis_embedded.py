"""The tree of leads on an embedded Ray: hosts of its own, once all runs are over."""

from __future__ import annotations

from pathlib import Path

from jobs.sample import write_estate
from orchestrator.store import RunDirectory
from support.audits import muster, stable, summary_of


def test_a_tree_on_embedded_ray_comes_to_the_page_that_it_comes_to_in_one_process(tmp_path: Path) -> None:
    """Several leads, and one above them: each a row of the table and a part of the bill."""
    write_estate(tmp_path / "estate", services=90, seed=3)
    manifest = tmp_path / "estate" / "catalog-info.yaml"
    given = ("--synthesis", "tree", "--tokens-per-run", 40_000, "--concurrency", 16)

    local = muster("audit", manifest, "--local", "--run-dir", tmp_path / "local", *given)
    embedded = muster("audit", manifest, "--run-dir", tmp_path / "embedded", *given)

    summary = summary_of(tmp_path / "embedded")
    assert (local.status, embedded.status) == (0, 0), embedded.stderr
    assert stable(summary_of(tmp_path / "local")) == stable(summary)
    assert (summary["mode"], summary["synthesis"]["by"]) == ("embedded", "lead")
    assert summary["synthesis"]["covered"]["services"] == 90
    rows = RunDirectory.look(tmp_path / "embedded").effective().to_pylist()
    assert [row["agent"] for row in rows].count("lead") == len(summary["synthesis"]["nodes"]) > 2
    assert sum(row["spent_tokens"] for row in rows) == summary["budget"]["spent_tokens"]
