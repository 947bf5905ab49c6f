"""The command where models are down or run in circles: who answers, what ends, what it cost, what the report says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jobs.sample import write_estate
from support.audits import Ended, muster, summary_of
from support.messages_server import Serving, serving

SERVICES = 4
KEY = "sk-canary-fallback-9012"
WORKER, OTHER, SMALL = "claude-sonnet-5-5", "claude-haiku-4-5", "claude-haiku-5-5"


@pytest.fixture(scope="module")
def estate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("estate") / "sample"
    write_estate(folder, services=SERVICES, seed=3)
    return folder / "catalog-info.yaml"


@pytest.fixture(scope="module")
def provider() -> Iterator[Serving]:
    with serving() as server:
        yield server


def audit(estate: Path, provider: Serving, run_dir: Path, *options: object, **plan: Any) -> Ended:
    provider.play({"answer": "support.messages_audit:answer", "key": KEY, **plan})
    return muster(
        "audit", estate, "--base-url", provider.url, "--run-dir", run_dir, "--local", "--model", WORKER, *options,
        ANTHROPIC_API_KEY=KEY,
    )  # fmt: skip


def report_of(run_dir: Path) -> str:
    return (run_dir / "report.md").read_text()


def test_an_overloaded_models_calls_go_to_its_fallback_at_the_fallbacks_price(estate, provider, tmp_path):
    """Every service is reported, billed to the token at the other's price, and the report says by whom."""
    ended = audit(
        estate, provider, tmp_path / "run", "--fallback-model", OTHER, "--budget-dollars", "20",
        faults=[{"kind": "overloaded", "share": 1.0, "model": WORKER}],
    )  # fmt: skip

    summary, meter = summary_of(tmp_path / "run"), provider.meter()
    (used,) = summary["models"]["used"]
    assert ended.status == 0, ended.stderr
    assert summary["coverage"]["tasks"]["failed"] == {}
    assert used["model"] == OTHER
    assert {row["answered_by"] for row in summary["models"]["fallbacks"]} == {OTHER}
    assert sum(row["tasks"] for row in summary["models"]["fallbacks"]) == summary["coverage"]["tasks"]["planned"]
    assert summary["budget"]["spent_tokens"] == meter["total_tokens"]
    assert set(meter["models"]) == {OTHER}
    assert list(summary["budget"]["spend"]["by_model"]) == [OTHER]
    assert f"with {OTHER} instead of {WORKER}" in report_of(tmp_path / "run")


def test_a_model_that_hangs_leaves_the_deadline_to_its_fallbacks(estate, provider, tmp_path):
    """Each call of it would have taken all the time of its sub-agent: every service is reported all the same."""
    ended = audit(
        estate, provider, tmp_path / "run", "--fallback-model", f"{OTHER},offline", "--timeout", "6",
        "--concurrency", "16", faults=[{"kind": "hang", "share": 1.0, "model": WORKER}],
    )  # fmt: skip

    summary, meter = summary_of(tmp_path / "run"), provider.meter()
    assert ended.status == 0, ended.stderr
    assert summary["coverage"]["services"] == {"total": SERVICES, "reported": SERVICES}
    assert OTHER in {row["answered_by"] for row in summary["models"]["fallbacks"]}
    assert meter["total_tokens"] <= summary["budget"]["spent_tokens"] <= summary["budget"]["limit_tokens"]


def test_while_nothing_answers_the_specialists_own_rules_do(estate, provider, tmp_path):
    """An outage ends in a poorer report that says so, not in none."""
    ended = audit(
        estate, provider, tmp_path / "run", "--fallback-model", f"{OTHER},offline", "--timeout", "60",
        "--concurrency", "16", faults=[{"kind": "unavailable", "share": 1.0}],
    )  # fmt: skip

    summary = summary_of(tmp_path / "run")
    assert ended.status == 0, ended.stderr
    assert {row["answered_by"] for row in summary["models"]["fallbacks"]} == {"offline"}
    assert summary["coverage"]["services"] == {"total": SERVICES, "reported": SERVICES}
    assert summary["budget"]["spent_tokens"] <= summary["budget"]["limit_tokens"]
    assert "stated rules in place of a model" in report_of(tmp_path / "run")


def test_a_runaway_is_ended_and_its_siblings_answer(estate, provider, tmp_path):
    """The same call for ever, in every incidents specialist: named as such, and no other source is lost."""
    ended = audit(estate, provider, tmp_path / "run", "--turns", "50", answer="support.messages_runaway:answer")

    summary = summary_of(tmp_path / "run")
    assert ended.status in (0, 3), ended.stderr
    assert {(one["agent"], one["reason"]) for one in summary["failures"]} == {("incidents", "watchdog")}
    assert all(one["message"].startswith("the same call 5 times") for one in summary["failures"])
    assert summary["coverage"]["services"]["reported"] == SERVICES


def test_a_small_model_may_look_on_and_the_report_says_what_that_cost(estate, provider, tmp_path):
    """Its no ends a session; its tokens are part of the spend, told apart, at its own price."""
    ended = audit(
        estate, provider, tmp_path / "run", "--watchdog-model", SMALL, "--watchdog-turns", "1",
        "--budget-dollars", "20", answer="support.messages_runaway:doubtful",
    )  # fmt: skip

    summary, meter = summary_of(tmp_path / "run"), provider.meter()
    watchdog, small = summary["models"]["watchdog"], meter["models"][SMALL]
    used = summary["models"]["used"]
    assert ended.status in (0, 3), ended.stderr
    assert {(one["agent"], one["reason"]) for one in summary["failures"]} == {("code", "watchdog")}
    assert all("the same pages again" in one["message"] for one in summary["failures"])
    assert watchdog["looks"] > len(summary["failures"])
    assert watchdog["tokens"] == small["input_tokens"] + small["output_tokens"]
    assert summary["budget"]["spent_tokens"] == meter["total_tokens"]
    assert [row["model"] for row in used] == [WORKER]
    assert used[0]["cost_microusd"] + watchdog["cost_microusd"] == summary["budget"]["spent_microusd"]
    assert used[0]["unseen_tokens"] == 0
    assert "**Watchdog.**" in report_of(tmp_path / "run")


def test_a_resumed_run_keeps_its_fallbacks_and_its_watchdog(estate, provider, tmp_path):
    """The run directory knows them; another one is a change that must be accepted."""
    run = tmp_path / "run"
    options = ("--fallback-model", f"{OTHER},offline", "--watchdog-model", SMALL)
    audit(estate, provider, run, *options)
    settings = json.loads((run / "manifest.json").read_text())["settings"]
    again = muster("resume", run, ANTHROPIC_API_KEY=KEY)
    other = muster("resume", run, "--fallback-model", "offline", ANTHROPIC_API_KEY=KEY)

    assert (settings["fallback_model"], settings["watchdog_model"]) == (f"{OTHER},offline", SMALL)
    assert again.status == 0, again.stderr
    assert other.status == 2
    assert "fallback_model was" in other.stderr


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--model", "offline", "--fallback-model", "m"), "--fallback-model 'm' is for real models"),
        (("--fallback-model", "offline,m"), "nobody comes after offline"),
        (("--watchdog-model", SMALL, "--watchdog-turns", "0"), "--watchdog-turns is 0"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_spent(options, words, estate, provider, tmp_path):
    """One sentence and exit status 2."""
    ended = audit(estate, provider, tmp_path / "run", *options)

    assert ended.status == 2
    assert words in ended.stderr
    assert provider.meter()["total_tokens"] == 0
