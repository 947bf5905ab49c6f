"""The audit on an embedded Ray, as `make audit` runs it."""

from __future__ import annotations

from pathlib import Path

from jobs.sample import write_estate
from support.audits import muster, stable, summary_of


def test_embedded_ray_and_local_give_the_same_summary_but_for_times_and_ids(tmp_path: Path) -> None:
    """Three places to run, one code path."""
    write_estate(tmp_path / "estate", services=8, seed=5)
    manifest = tmp_path / "estate" / "catalog-info.yaml"

    local = muster("audit", manifest, "--local", "--run-dir", tmp_path / "local")
    embedded = muster("audit", manifest, "--run-dir", tmp_path / "embedded", "--concurrency", "16")

    assert (local.status, embedded.status) == (0, 0), embedded.stderr
    assert stable(summary_of(tmp_path / "local")) == stable(summary_of(tmp_path / "embedded"))
    assert summary_of(tmp_path / "embedded")["mode"] == "embedded"
    assert "Traceback" not in embedded.stderr
