"""`muster audit` in this process, from manifest to report: what it answers, and what it says of bad input."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from jobs.sample import write_estate
from support.audits import muster, summary_of

SERVICES = 6


@pytest.fixture(scope="module")
def estate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small sample estate. Tests that break it work on their own."""
    folder = tmp_path_factory.mktemp("estate") / "sample"
    write_estate(folder, services=SERVICES, seed=3)
    return folder


@pytest.fixture
def own_estate(tmp_path: Path) -> Path:
    write_estate(tmp_path / "sample", services=SERVICES, seed=3)
    return tmp_path / "sample"


def entities(manifest: Path) -> list[dict]:  # type: ignore[type-arg]
    return [entity for entity in yaml.safe_load_all(manifest.read_text()) if entity]


def rewrite(manifest: Path, change: Callable[[list[dict]], None]) -> None:  # type: ignore[type-arg]
    """Load the manifest, let `change` break it, write it back."""
    loaded = entities(manifest)
    change(loaded)
    manifest.write_text(yaml.safe_dump_all(loaded))


def test_every_service_is_reported_ranked_and_cited(estate: Path, tmp_path: Path) -> None:
    """Coverage is n/N, each claim has citations, and both reports are there."""
    ended = muster("audit", estate / "catalog-info.yaml", "--local", "--run-dir", tmp_path / "run", "--json")

    assert ended.status == 0, ended.stderr
    summary = summary_of(tmp_path / "run")
    assert summary == json.loads(ended.stdout)
    assert summary["schema"] == "muster.audit/1"
    assert summary["coverage"]["services"] == {"total": SERVICES, "reported": SERVICES}
    assert [service["rank"] for service in summary["services"]] == list(range(1, SERVICES + 1))
    claims = [finding for service in summary["services"] for finding in service["findings"]]
    assert claims
    assert all(finding["citations"] for finding in claims)
    assert summary["budget"]["spent_tokens"] <= summary["budget"]["limit_tokens"]
    spend = summary["budget"]["spend"]
    assert sum(share["tokens"] for share in spend["by_agent"].values()) == summary["budget"]["spent_tokens"]
    assert set(spend["by_run"]) == {service["name"] for service in summary["services"]}
    report = (tmp_path / "run" / "report.md").read_text()
    assert all(service["name"] in report for service in summary["services"])
    assert "rules instead of a model" in report
    assert f"coverage   {SERVICES}/{SERVICES} services" in ended.stderr


def test_no_citation_of_the_offline_analyst_is_struck(estate: Path, tmp_path: Path) -> None:
    """Every citation resolves in its own source; the checker looked each of them up."""
    muster("audit", estate / "catalog-info.yaml", "--local", "--run-dir", tmp_path / "run")

    assert [service["struck"] for service in summary_of(tmp_path / "run")["services"]] == [[]] * SERVICES


def test_a_broken_source_is_failed_for_its_service_and_everything_else_goes_on(
    own_estate: Path, tmp_path: Path
) -> None:
    """Missing repository, unreachable server, broken line, wrong encoding: named in the report, with the reason."""
    manifest = own_estate / "catalog-info.yaml"
    prefix = "reliability-audit/"

    def break_four(loaded: list[dict]) -> None:  # type: ignore[type-arg]
        notes = [entity["metadata"]["annotations"] for entity in loaded]
        notes[0][f"{prefix}git"] = "git/nowhere.git"
        notes[1].pop(f"{prefix}metrics-file", None)
        notes[1][f"{prefix}prometheus-url"] = "http://127.0.0.1:9"
        notes[1][f"{prefix}prometheus-selector"] = '{service="x"}'
        (own_estate / "broken.jsonl").write_text('{"id": "A-1", "title": "x"}\nnot json\n')
        notes[2][f"{prefix}incidents"] = "broken.jsonl"
        notes[2][f"{prefix}incidents-format"] = "jsonl"
        (own_estate / "latin").mkdir()
        (own_estate / "latin" / "page.md").write_bytes("# Über alles\n".encode("latin-1"))
        notes[3][f"{prefix}runbooks"] = "latin"
        notes[4][f"{prefix}runbooks"] = "../outside"

    (tmp_path / "outside").mkdir()
    rewrite(manifest, break_four)
    names = [entity["metadata"]["name"] for entity in entities(manifest)]

    ended = muster("audit", manifest, "--local", "--run-dir", tmp_path / "run")

    summary = summary_of(tmp_path / "run")
    by_name = {service["name"]: service for service in summary["services"]}
    assert ended.status == 0
    assert summary["coverage"]["services"]["reported"] == SERVICES
    assert summary["coverage"]["tasks"]["failed"] == {"tool_error": 5}
    broken = zip(names, ("git", "metrics", "incidents", "runbooks", "runbooks"), strict=False)
    assert all(by_name[name]["sources"][source] == "failed" for name, source in broken)
    messages = {failure["service"]: failure["message"] for failure in summary["failures"]}
    assert "nowhere.git" in messages[names[0]]
    assert "127.0.0.1:9" in messages[names[1]]
    assert "broken.jsonl:2" in messages[names[2]] or "line 2" in messages[names[2]]
    assert "UTF-8" in messages[names[3]]
    assert "outside" in messages[names[4]]


def test_below_the_quorum_the_answer_is_written_and_the_status_is_3(own_estate: Path, tmp_path: Path) -> None:
    """A partial answer that names its gaps, and a status that a script can act on."""
    for file in (own_estate).rglob("*.git"):
        file.rename(file.with_suffix(".gone"))

    ended = muster(
        "audit", own_estate / "catalog-info.yaml", "--local", "--run-dir", tmp_path / "run", "--min-fraction", "0.9"
    )

    assert ended.status == 3
    assert summary_of(tmp_path / "run")["coverage"]["sources"]["git"]["failed"] > 0
    assert "failed" in (tmp_path / "run" / "report.md").read_text()


def test_when_nothing_is_usable_the_status_is_4_and_the_failures_are_listed(own_estate: Path, tmp_path: Path) -> None:
    """All sub-agents failed: the report says so, service by service."""

    def lose_all(loaded: list[dict]) -> None:  # type: ignore[type-arg]
        for entity in loaded:
            entity["metadata"]["annotations"] = {
                "reliability-audit/git": "git/nowhere.git",
                "reliability-audit/as-of": "2026-01-01T00:00:00Z",
            }

    rewrite(own_estate / "catalog-info.yaml", lose_all)

    ended = muster("audit", own_estate / "catalog-info.yaml", "--local", "--run-dir", tmp_path / "run")

    assert ended.status == 4
    assert len(summary_of(tmp_path / "run")["failures"]) == SERVICES


def test_a_ceiling_that_runs_out_skips_the_rest_and_names_it(estate: Path, tmp_path: Path) -> None:
    """What did not fit is a budget_skip in the report; the spend stays below the ceiling."""
    ended = muster(
        "audit", estate / "catalog-info.yaml", "--local", "--run-dir", tmp_path / "run", "--budget-tokens", "120000",
        "--on-exhausted", "skip", "--concurrency", "64",
    )  # fmt: skip

    summary = summary_of(tmp_path / "run")
    assert ended.status in (3, 0)
    assert summary["coverage"]["tasks"]["failed"]["budget_skip"] > 0
    assert summary["budget"]["spent_tokens"] <= summary["budget"]["limit_tokens"] == 120_000


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--concurrency", "0"], "--concurrency is 0"),
        (["--min-fraction", "1.5"], "--min-fraction is 1.5"),
        (["--local", "--address", "127.0.0.1:1"], "exclude each other"),
        (["--budget-dollars", "1", "--model", "nobody-1"], "nobody-1"),
        (["--budget-dollars", "nan"], "--budget-dollars is nan"),
        (["--timeout", "inf"], "--timeout is inf, and must be a number above 0"),
        (["--timeout", "nan"], "--timeout is nan"),
        (["--deadline", "inf"], "--deadline is inf"),
        (["--prices", "/nowhere.yaml"], "--prices '/nowhere.yaml' cannot be read (No such file or directory)"),
        (["--config", "/nowhere.yaml"], "--config '/nowhere.yaml' cannot be read (No such file or directory)"),
        (["--key-file", "/nowhere.key"], "/nowhere.key"),
    ],
)
def test_a_wrong_option_is_one_sentence_and_status_2(
    estate: Path, tmp_path: Path, arguments: list[str], said: str
) -> None:
    """Before anything starts, and without a traceback."""
    ended = muster("audit", estate / "catalog-info.yaml", "--local", "--run-dir", tmp_path / "run", *arguments)

    assert ended.status == 2
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr
    assert "Errno" not in ended.stderr
    assert not (tmp_path / "run" / "outcomes").exists() or not list((tmp_path / "run" / "outcomes").iterdir())


def test_a_missing_manifest_an_empty_one_and_a_used_run_directory_are_the_callers_mistake(
    estate: Path, tmp_path: Path
) -> None:
    """Each is told by name, with what to do."""
    (tmp_path / "empty.yaml").write_text("")
    muster("audit", estate / "catalog-info.yaml", "--local", "--run-dir", tmp_path / "run")

    missing = muster("audit", tmp_path / "none.yaml", "--local", "--run-dir", tmp_path / "a")
    empty = muster("audit", tmp_path / "empty.yaml", "--local", "--run-dir", tmp_path / "b")
    again = muster("audit", estate / "catalog-info.yaml", "--local", "--run-dir", tmp_path / "run")

    assert [missing.status, empty.status, again.status] == [2, 2, 2]
    assert "none.yaml" in missing.stderr
    assert "empty.yaml" in empty.stderr
    assert "holds a run already" in again.stderr


def test_options_come_from_variables_and_a_file_as_well(estate: Path, tmp_path: Path) -> None:
    """One name, three ways to say it; what is said on the command line wins."""
    config = tmp_path / "muster.yaml"
    config.write_text(f"local: true\nconcurrency: 0\nrun-dir: {tmp_path / 'run'}\n")

    from_file = muster("audit", estate / "catalog-info.yaml", "--config", config)
    from_variable = muster("audit", estate / "catalog-info.yaml", "--config", config, MUSTER_CONCURRENCY="-3")
    from_line = muster("audit", estate / "catalog-info.yaml", "--config", config, "--concurrency", "8")

    assert "'concurrency' of --config" in from_file.stderr
    assert "MUSTER_CONCURRENCY in the environment is -3" in from_variable.stderr
    assert from_line.status == 0


def test_one_specialist_answers_alone_about_one_service(estate: Path, tmp_path: Path) -> None:
    """The same task as in an audit; what the manifest does not have is told before anything starts."""
    manifest = estate / "catalog-info.yaml"
    name = next(
        entity["metadata"]["name"]
        for entity in entities(manifest)
        if "reliability-audit/git" in entity["metadata"]["annotations"]
    )

    answered = muster("ask", "code", manifest, name, "--local", "--run-dir", tmp_path / "run")
    unknown = muster("ask", "code", manifest, "nobody", "--local", "--run-dir", tmp_path / "none")

    assert answered.status == 0, answered.stderr
    assert set(json.loads(answered.stdout)) == {"summary", "findings", "facts", "gaps"}
    assert unknown.status == 2
    assert "'nobody'" in unknown.stderr
    assert not (tmp_path / "none").exists()
