"""The whole audit by a real-model client over HTTP: coverage, the provider's own meter, faults, tiers, cache, show."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jobs.sample import write_estate
from support.audits import Ended, muster, summary_of
from support.messages_server import Serving, serving

SERVICES = 6
KEY = "sk-canary-real-model-5678"
FAULTS = [
    {"kind": "rate_limited", "share": 0.08, "retry_after_s": 0.2},
    {"kind": "overloaded", "share": 0.05},
    {"kind": "server_error", "share": 0.05},
    {"kind": "reset", "share": 0.05},
    {"kind": "reset_before", "share": 0.03},
    {"kind": "truncated", "share": 0.05},
    {"kind": "hang", "share": 0.03},
    {"kind": "no_usage", "share": 0.03},
    {"kind": "bad_json", "share": 0.03},
]


@pytest.fixture(scope="module")
def estate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("estate") / "sample"
    write_estate(folder, services=SERVICES, seed=3)
    return folder / "catalog-info.yaml"


@pytest.fixture(scope="module")
def provider() -> Iterator[Serving]:
    with serving() as server:
        yield server


def play(provider: Serving, **plan: Any) -> Serving:
    return provider.play({"answer": "support.messages_audit:answer", "key": KEY, **plan})


def audit(estate: Path, provider: Serving, run_dir: Path, *options: object, key: str = KEY) -> Ended:
    return muster(
        "audit", estate, "--base-url", provider.url, "--run-dir", run_dir, "--local", *options, ANTHROPIC_API_KEY=key
    )


def test_every_service_is_reported_and_the_spend_is_the_providers_own_count(estate, provider, tmp_path):
    """No token more and none less, at the list price, with citations that hold."""
    ended = audit(estate, play(provider), tmp_path / "run", "--model", "claude-sonnet-5-5")

    summary, meter = summary_of(tmp_path / "run"), provider.meter()
    claims = [finding for service in summary["services"] for finding in service["findings"]]
    assert ended.status == 0, ended.stderr
    assert summary["coverage"]["services"] == {"total": SERVICES, "reported": SERVICES}
    assert summary["coverage"]["tasks"]["failed"] == {}
    assert summary["model"] == "claude-sonnet-5-5"
    assert summary["budget"]["spent_tokens"] == meter["total_tokens"]
    assert summary["budget"]["spent_microusd"] > 0
    assert len(claims) > SERVICES
    assert [service["struck"] for service in summary["services"]] == [[]] * SERVICES
    assert meter["cache_read_tokens"] > meter["cache_write_tokens"]
    assert "Unclosed" not in ended.stderr


def test_under_faults_of_all_kinds_billed_stays_below_spent_and_spent_below_the_ceiling(estate, provider, tmp_path):
    """A third of the calls goes wrong: each failure is named, and lost replies are paid for, not forgotten."""
    play(provider, faults=FAULTS, seed=4, latency_ms=5)
    ended = audit(
        estate, provider, tmp_path / "run", "--model", "claude-sonnet-5-5", "--timeout", "6", "--concurrency", "16"
    )

    summary, meter = summary_of(tmp_path / "run"), provider.meter()
    tasks, spent = summary["coverage"]["tasks"], summary["budget"]
    assert ended.status in (0, 3), ended.stderr
    assert len(meter["faults"]) >= 5
    assert meter["unseen_tokens"] > 0
    assert meter["total_tokens"] <= spent["spent_tokens"] <= spent["limit_tokens"]
    assert tasks["succeeded"] + sum(tasks["failed"].values()) == tasks["planned"]
    assert set(tasks["failed"]) <= {"timeout", "model_error", "invalid_output", "circuit_open"}
    assert tasks["succeeded"] >= tasks["planned"] // 2
    assert all(failure["message"] for failure in summary["failures"])
    assert "Traceback" not in ended.stderr


def test_a_ceiling_that_is_too_low_for_all_holds_at_the_providers_meter(estate, provider, tmp_path):
    """Sub-agents that did not fit are skipped and named; what was billed is below the ceiling, faults or not."""
    play(provider, faults=FAULTS[3:6], seed=5)
    ended = audit(
        estate, provider, tmp_path / "run", "--model", "claude-sonnet-5-5", "--budget-tokens", "120000",
        "--on-exhausted", "skip", "--timeout", "8",
    )  # fmt: skip

    summary, meter = summary_of(tmp_path / "run"), provider.meter()
    assert ended.status in (0, 3, 4)
    assert summary["coverage"]["tasks"]["failed"]["budget_skip"] > 0
    assert meter["total_tokens"] <= summary["budget"]["spent_tokens"] <= 120_000


def test_a_provider_that_is_down_leaves_a_report_of_failures(estate, provider, tmp_path):
    """Nothing usable: status 4, each failure with its reason, and the circuit spares the provider most calls."""
    play(provider, faults=[{"kind": "unavailable", "share": 1.0}])
    ended = audit(
        estate, provider, tmp_path / "run", "--model", "claude-sonnet-5-5", "--timeout", "5", "--concurrency", "24"
    )

    summary = summary_of(tmp_path / "run")
    assert ended.status == 4
    assert set(summary["coverage"]["tasks"]["failed"]) <= {"timeout", "model_error", "circuit_open"}
    assert len(summary["failures"]) == summary["coverage"]["tasks"]["planned"]
    assert summary["budget"]["spent_tokens"] <= summary["budget"]["limit_tokens"]


def test_a_wrong_key_ends_in_failures_that_do_not_say_it(estate, provider, tmp_path):
    """The server echoes the key that it refuses; neither log nor report repeats it."""
    play(provider, key="sk-another-one-12345678")
    ended = audit(estate, provider, tmp_path / "run", "--model", "claude-sonnet-5-5")

    texts = [path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()]
    assert ended.status == 4
    assert "401" in summary_of(tmp_path / "run")["failures"][0]["message"]
    assert KEY not in ended.stderr
    assert not any(KEY.encode() in text for text in texts)


def test_tiers_give_each_specialist_its_model_and_the_report_compares_them_with_one_for_all(estate, provider, tmp_path):
    """The work by one model, the last page by a stronger one, at the price of each."""
    play(provider)
    ended = audit(
        estate, provider, tmp_path / "run", "--tier", "work=claude-haiku-4-5:low,lead=claude-opus-5-5",
        "--synthesis", "tree", "--budget-dollars", "50",
    )  # fmt: skip

    summary, meter = summary_of(tmp_path / "run"), provider.meter()
    used = {row["model"]: row for row in summary["models"]["used"]}
    one = summary["models"]["one_model"]
    assert ended.status == 0, ended.stderr
    assert set(meter["models"]) == {"claude-haiku-4-5", "claude-opus-5-5"} == set(used)
    for model, row in used.items():
        assert row["input_tokens"] + row["output_tokens"] == sum(
            meter["models"][model][name] for name in ("input_tokens", "output_tokens")
        )
    assert sum(row["cost_microusd"] for row in used.values()) == summary["budget"]["spent_microusd"]
    assert one["model"] == "claude-opus-5-5"
    assert 0 < one["saved_share"] < 1
    assert "at the prices of claude-opus-5-5 for all" in (tmp_path / "run" / "report.md").read_text()


def test_with_a_cache_the_second_audit_asks_the_provider_nothing(estate, provider, tmp_path):
    """Same answers, no bill; the report says how many replies and results were known, and what they saved."""
    play(provider)
    options = ("--model", "claude-sonnet-5-5", "--cache", tmp_path / "cache")
    audit(estate, provider, tmp_path / "first", *options)
    paid = provider.meter()["total_tokens"]
    audit(estate, provider, tmp_path / "second", *options)

    first, second = summary_of(tmp_path / "first"), summary_of(tmp_path / "second")
    assert provider.meter()["total_tokens"] == paid
    assert (second["budget"]["spent_tokens"], second["cache"]["saved_tokens"]) == (0, paid)
    assert second["cache"]["replies"] > 0
    assert second["cache"]["results"] > 0
    assert first["cache"]["replies"] == 0
    assert [s["findings"] for s in first["services"]] == [s["findings"] for s in second["services"]]
    assert "tokens saved" in (tmp_path / "second" / "report.md").read_text()


def test_a_conversation_that_was_kept_is_shown(estate, provider, tmp_path):
    """Failures keep theirs by default, all or none on request; `show` prints who said what, and how it ended."""
    play(provider, faults=[{"kind": "refusal", "first": 1}])
    audit(estate, provider, tmp_path / "run", "--model", "claude-sonnet-5-5", "--concurrency", "1")
    (failed,) = summary_of(tmp_path / "run")["failures"]
    play(provider)
    audit(estate, provider, tmp_path / "all", "--model", "claude-sonnet-5-5", "--transcripts", "all")
    audit(estate, provider, tmp_path / "none", "--model", "claude-sonnet-5-5", "--transcripts", "none")
    answered = next(s["name"] for s in summary_of(tmp_path / "all")["services"] if s["sources"]["git"] == "read")

    shown = muster("show", tmp_path / "run", failed["task_id"]).stdout
    whole = muster("show", tmp_path / "all", f"{answered}/code").stdout
    page = muster("show", tmp_path / "run").stdout
    assert f"look       muster show {tmp_path / 'run'} {failed['task_id']}" in page
    assert f"again      muster retry {tmp_path / 'run'} --failed-only" in page
    assert "ended      model_error: the model refused" in shown
    assert f"then `muster retry {tmp_path / 'run'} --failed-only`" in shown
    assert "    0.00 s " in shown
    assert "the model: nothing" in shown
    assert "to the model\n    Audit the reliability" in shown
    assert "the model calls change_summary" in whole
    assert '<data from="change_summary">' in whole
    assert "ended   answered" in whole
    assert not (tmp_path / "none" / "transcripts").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--tier", "boss=m"], "boss"),
        (["--tier", "m"], "names no tier"),
        (["--model", "offline", "--tier", "work=m"], "leave one of them out"),
        (["--tier", "work=nobody-1", "--budget-dollars", "1"], "nobody-1"),
        (["--cache", "/dev/null/x"], "cannot be made"),
        (["--base-url", "ftp://x"], "base URL"),
    ],
)
def test_a_wrong_model_option_is_one_sentence_and_status_2(estate, provider, tmp_path, options, said):
    """Before anything is spent."""
    ended = audit(estate, provider, tmp_path / "run", *options)

    assert ended.status == 2
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr
