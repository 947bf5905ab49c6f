"""`muster audit --synthesis tree`: the last page is written by leads, under the same budget and in the same table."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobs.sample import write_estate
from orchestrator.store import RunDirectory
from support.audits import Ended, muster, stable, summary_of


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("estate")
    write_estate(folder, services=8, seed=3)
    return folder / "catalog-info.yaml"


def audit(manifest: Path, run_dir: Path, *arguments: object) -> Ended:
    given = ("--local", "--concurrency", "16", "--synthesis", "tree", "--run-dir", run_dir)
    return muster("audit", manifest, *given, *arguments)


def test_the_answer_comes_from_the_tree_and_its_cost_is_in_the_table(manifest: Path, tmp_path: Path) -> None:
    """A lead is a sub-agent like any other: one outcome row, and its tokens are in the batch's bill."""
    ended = audit(manifest, tmp_path / "run")

    summary = summary_of(tmp_path / "run")
    assert ended.status == 0, ended.stderr
    assert summary["synthesis"]["by"] == "lead"
    assert summary["answer"].endswith(f"In the words of the lead that read them all: {summary['synthesis']['summary']}")
    assert summary["synthesis"]["covered"]["services"] == 8
    assert "## Synthesis" in (tmp_path / "run" / "report.md").read_text()
    rows = RunDirectory.look(tmp_path / "run").effective().to_pylist()
    assert [row["agent"] for row in rows].count("lead") == len(summary["synthesis"]["nodes"]) == 1
    assert sum(row["spent_tokens"] for row in rows) == summary["budget"]["spent_tokens"]


def test_two_audits_of_the_same_thing_give_the_same_page(manifest: Path, tmp_path: Path) -> None:
    """Deterministic with the offline model, whatever finished first; only ids and times differ."""
    audit(manifest, tmp_path / "one")
    audit(manifest, tmp_path / "two", "--concurrency", "3")

    assert stable(summary_of(tmp_path / "one")) == stable(summary_of(tmp_path / "two"))


def test_the_ceiling_holds_for_leads_too_and_the_page_says_what_was_skipped(manifest: Path, tmp_path: Path) -> None:
    """A batch that ran out of money still has its page, with the failures counted in it."""
    audit(manifest, tmp_path / "run", "--budget-tokens", 120_000, "--on-exhausted", "skip", "--concurrency", 64)

    summary = summary_of(tmp_path / "run")
    covered = summary["synthesis"]["covered"]
    assert summary["budget"]["spent_tokens"] <= 120_000
    assert covered["tasks"] == summary["coverage"]["tasks"]
    assert covered["tasks"]["failed"]["budget_skip"] > 0
    assert "budget_skip" in (tmp_path / "run" / "report.md").read_text().partition("## Synthesis")[2].split("###")[0]


def test_a_batch_of_which_nothing_was_answered_has_the_page_of_the_rules(manifest: Path, tmp_path: Path) -> None:
    """Leads are not asked about nothing, and the report does not leave out what was asked for."""
    ended = audit(manifest, tmp_path / "run", "--budget-tokens", 1_000, "--on-exhausted", "skip")

    synthesis = summary_of(tmp_path / "run")["synthesis"]
    page = (tmp_path / "run" / "report.md").read_text().partition("## Synthesis")[2].partition("\n## ")[0]
    assert ended.status == 4
    assert (synthesis["by"], synthesis["trouble"].partition(",")[0]) == ("rules", "no task was answered")
    assert synthesis["covered"]["services"] == 8
    assert "Written by rules" in page
    assert "nothing was read: 8 services" in page


def test_a_batch_that_cannot_pay_its_leads_answers_for_all_services_as_rules_do(manifest: Path, tmp_path: Path) -> None:
    """What was read is counted, however little the sub-agents have left for those who would read it together."""
    small = ("--tokens-per-run", 60_000, "--concurrency", 1)  # of each sub-agent 15,000, below what a lead needs
    plain = audit(manifest, tmp_path / "rules", *small, "--synthesis", "rules")
    spent = summary_of(tmp_path / "rules")["budget"]["spent_tokens"]
    poor = audit(manifest, tmp_path / "poor", *small, "--budget-tokens", spent + 16_000)

    rules, leads = (summary_of(tmp_path / name) for name in ("rules", "poor"))
    assert (plain.status, poor.status) == (0, 0), poor.stderr
    assert leads["answer"] == rules["answer"]
    assert leads["services"] == rules["services"]
    assert (leads["synthesis"]["by"], leads["synthesis"]["nodes"]) == ("rules", [])


def test_without_the_option_rules_write_the_answer_as_ever(manifest: Path, tmp_path: Path) -> None:
    """No lead starts unless somebody asks for one."""
    audit(manifest, tmp_path / "run", "--synthesis", "rules")

    assert summary_of(tmp_path / "run")["synthesis"] == {"by": "rules"}
    assert "## Synthesis" not in (tmp_path / "run" / "report.md").read_text()
