"""What an OTLP collector sees of an audit by a real-model client: one trace per run, closed labels, nothing twice."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from actors.contracts import Reason
from jobs.sample import write_estate
from orchestrator.telemetry import LABELS
from support.audits import muster, summary_of
from support.collector import Collector, Seen, collecting
from support.messages_server import serving

SERVICES = 4
PLAN = {"answer": "support.messages_audit:answer", "faults": [{"kind": "refusal", "first": 1}]}
KEY = "sk-canary-telemetry-1234"


def audited(folder: Path, *options: str) -> tuple[Collector, dict, dict, str]:  # type: ignore[type-arg]
    """An audit with one refusal, told to a collector: that, the summary, the provider's meter, and the log."""
    write_estate(folder / "estate", services=SERVICES, seed=3)
    with collecting() as collector, serving(PLAN) as server:
        ended = muster(
            "--log-level", "info", "audit", folder / "estate" / "catalog-info.yaml", "--model", "claude-sonnet-5-5",
            "--base-url", server.url, "--run-dir", folder / "run", "--alert-at", "1", *options,
            ANTHROPIC_API_KEY=KEY, **collector.environment,
        )  # fmt: skip
        meter = server.meter()
    assert ended.status == 0, ended.stderr
    return collector, summary_of(folder / "run"), meter, ended.stderr


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> tuple[Collector, dict, dict, str]:  # type: ignore[type-arg]
    """One audit in this machine's own process, for all tests here."""
    return audited(tmp_path_factory.mktemp("traced"), "--local")


def check_traces(collector: Collector, summary: dict, meter: dict) -> None:  # type: ignore[type-arg]
    """One trace per run: run, then sub-agents, then their calls, each inside its parent, each model call once."""
    spans = {span.span_id: span for span in collector.spans if span.name != "batch"}
    assert len(spans) == len([span for span in collector.spans if span.name != "batch"]), "a span was sent twice"
    roots = [span for span in spans.values() if not span.parent_id]
    agents = [span for span in spans.values() if span.name == "subagent.run"]
    calls = [span for span in spans.values() if span.name.startswith(("chat ", "execute_tool "))]

    assert [root.name for root in roots] == ["run"] * SERVICES
    assert len({root.trace_id for root in roots}) == SERVICES
    assert len(agents) == summary["coverage"]["tasks"]["planned"]
    assert len(spans) == len(roots) + len(agents) + len(calls)
    for span in [*agents, *calls]:
        parent = spans[span.parent_id]
        assert span.trace_id == parent.trace_id
        assert parent.name == ("run" if span in agents else "subagent.run")
        assert parent.started_ns - 1_000 <= span.started_ns <= span.ended_ns <= parent.ended_ns + 1_000_000
    chats = [span for span in calls if span.name == "chat claude-sonnet-5-5"]
    assert len(chats) == meter["billed"]
    assert sum(tokens(span) for span in chats) == meter["total_tokens"]
    assert sum(span.attributes["tokens.spent"] for span in agents) == summary["budget"]["spent_tokens"]
    assert sum(span.attributes["run.tokens.total"] for span in roots) == summary["budget"]["spent_tokens"]


def tokens(span: Seen) -> int:
    return int(span.attributes["gen_ai.usage.input_tokens"] + span.attributes["gen_ai.usage.output_tokens"])


def test_a_run_is_one_trace_and_each_model_call_is_in_it_once(seen):
    """The tokens of the `chat` spans are those on the provider's meter: nothing is counted twice."""
    collector, summary, meter, _ = seen

    check_traces(collector, summary, meter)


def test_the_provider_is_told_which_span_its_call_belongs_to(seen):
    """W3C trace context: the trace is the run's, the parent is the model call's own span, and each call has told it."""
    collector, _, meter, _ = seen
    chats = {span.span_id: span for span in collector.spans if span.name.startswith("chat ")}
    told = [traceparent.split("-") for traceparent in meter["traceparents"]]

    assert len(told) == meter["requests"]
    assert {parent for _, _, parent, _ in told} == chats.keys()
    assert all(trace == chats[parent].trace_id for _, trace, parent, _ in told)
    assert {(version, flags) for version, _, _, flags in told} == {("00", "01")}


def test_spans_say_what_the_conventions_name(seen):
    """GenAI names on calls, the ceiling and the spend on sub-agents; an error where there was one."""
    collector, *_ = seen
    agent = next(span for span in collector.spans if span.name == "subagent.run" and not span.failed)
    chat = next(s for s in collector.spans if s.name.startswith("chat ") and s.parent_id == agent.span_id)
    tool = next(s for s in collector.spans if s.name.startswith("execute_tool ") and s.parent_id == agent.span_id)
    refused = [span for span in collector.spans if span.name == "subagent.run" and span.failed]

    assert agent.attributes["agent.id"] == agent.attributes["gen_ai.agent.name"]
    assert agent.attributes["gen_ai.operation.name"] == "invoke_agent"
    assert agent.attributes["budget.max_tokens"] >= agent.attributes["tokens.spent"] > 0
    assert chat.kind == 3  # CLIENT
    assert chat.attributes["gen_ai.operation.name"] == "chat"
    assert chat.attributes["gen_ai.provider.name"] == "anthropic"
    assert chat.attributes["gen_ai.request.model"] == chat.attributes["gen_ai.response.model"] == "claude-sonnet-5-5"
    assert chat.attributes["gen_ai.response.finish_reasons"] == ["tool_use"]
    assert "gen_ai.usage.cache_read.input_tokens" in chat.attributes
    assert chat.attributes["server.address"] == "127.0.0.1"
    assert tool.attributes["gen_ai.tool.name"] == tool.name.removeprefix("execute_tool ")
    assert [span.attributes["error.type"] for span in refused] == ["model_error"]


def test_metrics_have_the_four_names_and_closed_labels(seen):
    """No label but those on the list, and no value that is a text of somebody's."""
    collector, summary, *_ = seen
    last = {(name, tuple(sorted(labels.items()))): value for name, labels, value in collector.points}
    values = {name: set() for name in ("agent_id", "status", "reason", "unit", "percent")}
    for (name, labels), _ in last.items():
        assert {key for key, _ in labels} <= set(LABELS[name]), name
        for key, value in labels:
            values[key].add(value)
    by_name = Counter()
    for (name, _), value in last.items():
        by_name[name] += value

    assert by_name["subagent_tokens_total"] == summary["budget"]["spent_tokens"]
    assert by_name["subagent_duration_seconds"] == summary["coverage"]["tasks"]["planned"]
    assert by_name["orchestrator_subagents_per_run"] == SERVICES
    assert by_name["orchestrator_failures_total"] == 1
    assert values["agent_id"] <= {"incidents", "code", "metrics", "runbooks"}
    assert values["status"] == {"ok", "failed"}
    assert values["reason"] <= {reason.value for reason in Reason}


def test_a_budget_alert_is_an_event_and_a_metric(seen):
    """Of a run's own ceiling or of the batch's: on a span, with the account and the percentage."""
    collector, *_ = seen
    alerts = [told for span in collector.spans for name, told in span.events if name == "budget.alert"]

    assert alerts
    assert {"budget.account_id", "budget.percent", "budget.spent", "budget.limit", "budget.unit"} <= alerts[0].keys()
    assert any(name == "orchestrator_budget_alerts_total" for name, *_ in collector.points)


def test_each_sub_agent_has_a_line_with_input_and_output_under_its_trace(seen):
    """INFO for answers, WARNING for failures; the trace id is that of its spans."""
    collector, summary, _, stderr = seen
    lines = [line for line in stderr.splitlines() if "muster.subagent" in line and "{" in line]
    told = [json.loads(line[line.index("{") :]) for line in lines]
    traces = {span.trace_id for span in collector.spans if span.name == "run"}

    assert len(told) == summary["coverage"]["tasks"]["planned"]
    assert {line["trace"] for line in told} == traces
    assert all(line["input"] and line["run"] and line["task"] for line in told)
    assert sum("findings" in (line["output"] or {}) for line in told if "reason" not in line) == len(told) - 1
    assert [line.split()[0] for line in lines].count("WARNING") == 1


def test_the_export_is_off_unless_the_environment_asks_for_it(tmp_path):
    """No collector, no variable: no attempt, and no complaint."""
    write_estate(tmp_path / "estate", services=2, seed=3)
    with collecting() as collector:
        manifest = tmp_path / "estate" / "catalog-info.yaml"
        off = {"OTEL_TRACES_EXPORTER": "none", "OTEL_METRICS_EXPORTER": "none", **collector.environment}
        ended = muster("audit", manifest, "--local", "--run-dir", tmp_path / "run", **off)

    assert (ended.status, collector.bodies) == (0, [])
    assert "OTEL" not in ended.stderr


def test_a_collector_that_is_gone_costs_no_answer(tmp_path):
    """Telemetry is for who looks on; the audit does not need it."""
    write_estate(tmp_path / "estate", services=2, seed=3)
    gone = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_EXPORTER_OTLP_TIMEOUT": "1"}
    ended = muster("audit", tmp_path / "estate" / "catalog-info.yaml", "--local", "--run-dir", tmp_path / "run", **gone)

    assert ended.status == 0
    assert summary_of(tmp_path / "run")["coverage"]["services"]["reported"] == 2
