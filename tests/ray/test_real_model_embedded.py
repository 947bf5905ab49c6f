"""The audit by a real-model client on an embedded Ray: one trace over all processes, and metrics as Ray's own."""

from __future__ import annotations

from pathlib import Path

from jobs.sample import write_estate
from support.audits import muster, summary_of
from support.collector import collecting
from support.messages_server import serving


def test_on_ray_the_bill_the_traces_and_the_answer_are_whole(tmp_path: Path) -> None:
    """Two hosts of each specialist: spent is what the provider billed, and every span has its parent in its trace."""
    write_estate(tmp_path / "estate", services=6, seed=3)
    with collecting() as collector, serving({"answer": "support.messages_audit:answer"}) as server:
        ended = muster(
            "audit", tmp_path / "estate" / "catalog-info.yaml", "--model", "claude-sonnet-5-5", "--base-url",
            server.url, "--run-dir", tmp_path / "run", "--concurrency", "16", "--hosts", "2", "--transcripts", "all",
            ANTHROPIC_API_KEY="sk-canary-embedded-1234", **collector.environment,
        )  # fmt: skip
        meter = server.meter()

    summary = summary_of(tmp_path / "run")
    spans = {span.span_id: span for span in collector.spans}
    chats = [span for span in spans.values() if span.name.startswith("chat ")]
    hosts = {span.attributes["host.id"] for span in spans.values() if span.name == "subagent.run"}
    assert ended.status == 0, ended.stderr
    assert summary["coverage"]["services"] == {"total": 6, "reported": 6}
    assert summary["budget"]["spent_tokens"] == meter["total_tokens"]
    assert len(chats) == meter["billed"]
    assert len(hosts) >= 4
    assert len({span.trace_id for span in spans.values() if span.name == "run"}) == 6
    assert all(spans[s.parent_id].trace_id == s.trace_id for s in spans.values() if s.parent_id)
    assert list((tmp_path / "run" / "transcripts").iterdir())
    assert "Traceback" not in ended.stderr
