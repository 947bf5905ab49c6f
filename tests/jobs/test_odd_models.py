"""Models that behave oddly, over HTTP, in the whole audit: each sub-agent has its defined end, and the bill holds."""

from __future__ import annotations

import re
from pathlib import Path

from jobs.sample import write_estate
from support.audits import muster, summary_of
from support.messages_server import serving

CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]")


def test_pauses_without_end_unknown_tools_full_windows_and_silence_each_have_their_end(tmp_path: Path) -> None:
    """Endless pauses end at the turn limit; a hundred refused calls cost one turn; nothing is no answer."""
    write_estate(tmp_path / "estate", services=2, seed=3)
    with serving({"answer": "support.messages_odd:answer"}) as server:
        ended = muster(
            "audit", tmp_path / "estate/catalog-info.yaml", "--model", "claude-sonnet-5-5", "--base-url", server.url,
            "--run-dir", tmp_path / "run", "--local", "--turns", "6",
            ANTHROPIC_API_KEY="sk-canary-odd-models-1234",
        )  # fmt: skip
        meter = server.meter()

    summary = summary_of(tmp_path / "run")
    failed = {failure["agent"]: (failure["reason"], failure["message"]) for failure in summary["failures"]}
    assert ended.status == 3, ended.stderr
    assert failed["incidents"] == ("watchdog", "no answer within 6 turns (turns_max of the task)")
    assert failed["metrics"][0] == "model_error"
    assert "no longer fits the model's window" in failed["metrics"][1]
    assert failed["runbooks"][0] == "invalid_output"
    assert {service["sources"]["git"] for service in summary["services"]} == {"read"}
    assert meter["total_tokens"] == summary["budget"]["spent_tokens"] <= summary["budget"]["limit_tokens"]
    assert all(service["gaps"] for service in summary["services"])
    assert "Traceback" not in ended.stderr


def test_names_that_are_markup_and_claims_that_a_terminal_would_obey_change_nothing(tmp_path: Path) -> None:
    """The bill is read beside them, and neither command nor report passes a control character on."""
    write_estate(tmp_path / "estate", services=1, seed=3)
    plan = {"answer": "support.messages_obeyed:answer", "faults": [{"kind": "odd_names", "share": 1.0}]}
    with serving(plan) as server:
        ended = muster(
            "audit", tmp_path / "estate/catalog-info.yaml", "--model", "claude-sonnet-5-5", "--base-url", server.url,
            "--run-dir", tmp_path / "run", "--local", "--transcripts", "all",
            ANTHROPIC_API_KEY="sk-canary-odd-models-1234",
        )  # fmt: skip
        meter = server.meter()

    summary = summary_of(tmp_path / "run")
    (service,) = summary["services"]
    shown = muster("show", tmp_path / "run", f"{service['name']}/incidents")
    assert ended.status == 0, ended.stderr
    assert "\x1b[2J" in service["findings"][0]["claim"]
    assert meter["total_tokens"] == summary["budget"]["spent_tokens"]
    assert "claude-sonnet-5-5" in shown.stdout
    assert "\\u001b[2J" in shown.stdout
    texts = (ended.stderr, shown.stdout, (tmp_path / "run" / "report.md").read_text())
    assert [bool(CONTROL.search(text)) for text in texts] == [False] * 3
