"""The report of a run that has not ended: over the services that are done, as if they were all."""

from __future__ import annotations

from pathlib import Path

import pyarrow.compute as pc

from jobs.sample import write_estate
from orchestrator.store import RunDirectory
from support.audits import muster, summary_of


def test_services_that_are_done_can_be_read_about_before_the_others_are(tmp_path: Path) -> None:
    """Their findings and citations are those of the end; of a service that is half done nothing is said yet."""
    write_estate(tmp_path / "estate", services=4, seed=7)
    assert muster("audit", tmp_path / "estate/catalog-info.yaml", "--local", "--run-dir", tmp_path / "run").status == 0
    whole = RunDirectory.look(tmp_path / "run")
    first, second, *_ = sorted(service["name"] for service in summary_of(tmp_path / "run")["services"])
    rows = whole.effective()
    done = rows.filter(pc.or_(pc.equal(rows["run_id"], first), pc.equal(rows["task_id"], f"{second}/incidents")))
    part = RunDirectory.create(tmp_path / "part", manifest=whole.manifest())
    part.keep_input(whole.kept_input())
    part.append_outcomes(done.to_batches())

    shown = muster("show", tmp_path / "part", "--report")
    part.close()
    ended = muster("show", tmp_path / "run", "--report")

    assert shown.status == 0, shown.stderr
    assert "so far: 1 of 4 services are done" in shown.stdout
    assert "1/1 services reported" in shown.stdout
    assert first in shown.stdout
    assert second not in shown.stdout
    assert ended.stdout == (tmp_path / "run" / "report.md").read_text()


def test_the_report_is_no_list_of_figures_and_of_no_single_task(tmp_path: Path) -> None:
    """What contradicts itself is refused."""
    RunDirectory.create(tmp_path / "run", manifest={"schema": "muster.run/1"}).close()

    assert muster("show", tmp_path / "run", "--report", "--json").status == 2
    by_a_program = muster("show", tmp_path / "run", "--report")
    assert by_a_program.status == 2
    assert "a program made it" in by_a_program.stderr
