"""Each option of each command does what it says, or is refused by name: none is taken and passed over."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jobs.sample import write_estate
from support.audits import Ended, muster, summary_of
from support.messages_server import Serving, serving

KEY = "sk-canary-options-3456"
WORKER, CHEAP = "claude-sonnet-5-5", "claude-haiku-4-5"


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("estate") / "sample"
    write_estate(folder, services=2, seed=3)
    return folder / "catalog-info.yaml"


@pytest.fixture(scope="module")
def provider() -> Iterator[Serving]:
    with serving() as server:
        yield server


@pytest.fixture
def service(manifest: Path) -> str:
    return next(line.split()[-1] for line in manifest.read_text().splitlines() if line.startswith("  name: "))


def ask(provider: Serving, manifest: Path, service: str, *options: object, **plan: Any) -> Ended:
    provider.play({"answer": "support.messages_audit:answer", "key": KEY, **plan})
    return muster(
        "ask", "incidents", manifest, service, "--local", "--base-url", provider.url, *options, ANTHROPIC_API_KEY=KEY
    )


def row_of(run_dir: Path, task: str) -> dict[str, Any]:
    (row,) = json.loads(muster("show", run_dir, task, "--json").stdout)
    return dict(row)


def test_who_is_asked_alone_answers_by_its_tier_at_the_price_that_was_given(manifest, provider, service, tmp_path):
    """The model, what it costs, the conversation and the alert: all as in an audit."""
    prices = tmp_path / "prices.yaml"
    prices.write_text(
        "rows:\n  - {models: [house-model], input: 1000, output: 1000, cache_read: 1, cache_write: 1, "
        "cache_write_1h: 1, source: our contract, read: 2026-11-20}\n"
    )
    ended = ask(
        provider, manifest, service, "--tier", "work=house-model", "--prices", prices, "--budget-dollars", "500",
        "--transcripts", "all", "--run-dir", tmp_path / "run", "--alert-at", "1", "--alert-command",
        f"touch {tmp_path / 'alerted'}",
    )  # fmt: skip

    assert ended.status == 0, ended.stderr
    row, meter = row_of(tmp_path / "run", f"{service}/incidents"), provider.meter()
    assert set(json.loads(ended.stdout)) == {"summary", "findings", "facts", "gaps"}
    assert set(meter["models"]) == {"house-model"}
    assert row["spent_tokens"] == meter["total_tokens"]
    assert row["cost_microusd"] == 1_000 * meter["total_tokens"]
    assert f"asked      {service}/incidents: incidents with house-model" in ended.stderr
    assert (tmp_path / "alerted").exists()
    page = muster("show", tmp_path / "run", f"{service}/incidents").stdout
    assert "=== turn 1" in page


def test_one_who_fails_alone_says_why_and_where_to_look(manifest, provider, service, tmp_path):
    """Nothing on stdout, status 4, and a command that shows the conversation."""
    ended = ask(
        provider, manifest, service, "--model", WORKER, "--run-dir", tmp_path / "run",
        faults=[{"kind": "refusal", "share": 1.0}],
    )  # fmt: skip

    assert (ended.status, ended.stdout) == (4, "")
    assert "failed     model_error: the model refused" in ended.stderr
    assert f"look       muster show {tmp_path / 'run'} {service}/incidents" in ended.stderr
    page = muster("show", tmp_path / "run", f"{service}/incidents").stdout
    assert "ended      model_error" in page
    assert "muster retry" not in page
    assert "state      finished" in muster("show", tmp_path / "run").stdout


def test_what_one_task_has_no_use_for_is_not_offered(manifest, service):
    """Quorum, hosts, drivers and the like are of many."""
    for option in ("--concurrency", "--hosts", "--drivers", "--min-fraction", "--synthesis", "--run-deadline"):
        ended = muster("ask", "incidents", manifest, service, "--local", option, "2")

        assert ended.status == 2
        assert f"No such option: {option}" in ended.stderr.replace("No such option '", "No such option: ")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--local", "--dashboard"], "--dashboard is of the embedded Ray, and this batch is local"),
        (["--local", "--watchdog-turns", "2"], "name a --watchdog-model"),
        (["--local", "--address", "10.0.0.1:6379"], "exclude each other"),
        (["--local", "--budget-dollars", "nan"], "--budget-dollars is nan"),
    ],
)
def test_an_option_that_could_have_no_effect_is_refused(manifest, tmp_path, options, said):
    """Before anything runs, with the way out."""
    ended = muster("audit", manifest, "--run-dir", tmp_path / "run", *options)

    assert ended.status == 2
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not (tmp_path / "run").exists()


def test_a_file_holds_options_under_the_names_of_the_command_line(manifest, tmp_path):
    """Also those that the program calls otherwise; what is no option of the command is refused."""
    good, wrong = tmp_path / "good.yaml", tmp_path / "wrong.yaml"
    good.write_text(f"json: true\nlocal: true\nalert-at: [90]\nrun-dir: {tmp_path / 'run'}\n")
    wrong.write_text(f"manifest: {manifest}\n")

    ended = muster("audit", manifest, "--config", good)
    refused = muster("audit", "--config", wrong)

    assert json.loads(ended.stdout)["schema"] == "muster.audit/1"
    assert refused.status == 2
    assert "'manifest' is no option of 'audit'" in refused.stderr


def test_a_model_that_a_run_goes_on_with_is_for_all_its_tiers(manifest, provider, tmp_path):
    """Else the tiers of before would leave it nobody to answer for."""
    plan = {"answer": "support.messages_audit:answer", "key": KEY}
    provider.play({**plan, "faults": [{"kind": "refusal", "share": 1.0}]})
    reached = ["--base-url", provider.url, "--local"]
    muster(
        "audit", manifest, *reached, "--tier", f"work={WORKER}", "--run-dir", tmp_path / "run", ANTHROPIC_API_KEY=KEY
    )
    provider.play(plan)
    refused = muster("retry", tmp_path / "run", "--failed-only", "--local", "--address", "x", ANTHROPIC_API_KEY=KEY)
    ended = muster(
        "retry", tmp_path / "run", "--failed-only", *reached, "--model", CHEAP, "--accept-changes",
        ANTHROPIC_API_KEY=KEY,
    )  # fmt: skip

    assert refused.status == 2
    assert "exclude each other" in refused.stderr
    assert ended.status == 0, ended.stderr
    assert set(provider.meter()["models"]) == {CHEAP}
    assert summary_of(tmp_path / "run")["model"] == CHEAP
