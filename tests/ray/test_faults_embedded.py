"""The whole audit on an embedded Ray against a provider at its worst: it ends, its bill holds, its gaps are named."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jobs.sample import write_estate
from support.audits import summary_of
from support.messages_server import Serving, serving

SERVICES = 5
KINDS = ["overloaded", "server_error", "bad_gateway", "reset", "reset_before", "reset_midway", "truncated", "not_json"]
KINDS += ["wrong_types", "no_usage", "bad_json", "refusal", "max_tokens", "pause_turn", "unknown_stop", "thinking"]
FAULTS: list[dict[str, Any]] = [
    {"kind": "rate_limited", "share": 0.06, "retry_after_s": 0.1},
    {"kind": "hang", "share": 0.02},
    {"kind": "hang_midway", "share": 0.02},
    {"kind": "huge", "share": 0.01, "bytes": 3_000_000},
    *({"kind": kind, "share": 0.02, "billed": True} for kind in KINDS),
]
REASONS = {"timeout", "model_error", "invalid_output", "circuit_open", "budget_skip", "watchdog"}


@pytest.fixture(scope="module")
def provider() -> Iterator[Serving]:
    with serving() as server:
        yield server


@pytest.mark.slow
@pytest.mark.parametrize("streamed", [False, True])
def test_on_ray_faults_of_all_kinds_end_in_named_gaps_and_a_bill_that_holds(
    provider: Serving, streamed: bool, tmp_path: Path
) -> None:
    """Four calls in ten go wrong. Billed at the provider's meter <= spent <= ceiling; each failure has its reason."""
    write_estate(tmp_path / "estate", services=SERVICES, seed=3)
    provider.play({"answer": "support.messages_audit:answer", "faults": FAULTS, "seed": 7, "latency_ms": 20})
    manifest, run_dir = tmp_path / "estate" / "catalog-info.yaml", tmp_path / "run"
    command = ["-m", "support.streaming_audit", manifest, provider.url, run_dir]
    if not streamed:
        options = ["--timeout", "8", "--concurrency", "16", "--min-fraction", "0.1", "--model", "claude-sonnet-5-5"]
        command = ["-m", "jobs", "audit", manifest, "--base-url", provider.url, "--run-dir", run_dir, *options]
    ended = subprocess.run(
        [sys.executable, *map(str, command)],
        capture_output=True,
        text=True,
        timeout=180,
        cwd=Path(__file__).parents[1],
        env={**os.environ, "ANTHROPIC_API_KEY": "sk-canary-faults-1234"},
    )

    summary, meter = summary_of(tmp_path / "run"), provider.meter()
    tasks, spent = summary["coverage"]["tasks"], summary["budget"]
    named = {(failure["service"], failure["agent"]) for failure in summary["failures"]}
    assert ended.returncode in (0, 3), ended.stderr
    assert len(meter["faults"]) >= 8
    assert meter["total_tokens"] <= spent["spent_tokens"] <= spent["limit_tokens"]
    assert tasks["succeeded"] + sum(tasks["failed"].values()) == tasks["planned"]
    assert len(named) == sum(tasks["failed"].values())
    assert set(tasks["failed"]) <= REASONS
    assert all(failure["message"] for failure in summary["failures"])
    assert len(summary["services"]) == SERVICES
    assert all(service["gaps"] for service in summary["services"] if service["name"] in {name for name, _ in named})
    assert "Traceback" not in ended.stderr
