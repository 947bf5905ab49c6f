"""What others see of a batch: one trace per run, four metrics, and a log line for each sub-agent.

Sessions only note times; spans are made here, from outcomes, so that hosts pay nothing for them and a run is one
trace whatever processes it went through. Ids are derived from names: a resumed run continues its own trace.
"""

from __future__ import annotations

import json
import logging
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from actors.accounts import run_account
from actors.contracts import Failure, Outcome, Reason, Result, Span, Task
from actors.tables import OK, OutcomeRows
from actors.traces import span_number, trace_number
from budget import Alert
from orchestrator.runs import Run, Runs, State

log = logging.getLogger("muster.subagent")

SUBAGENT_TOKENS = "subagent_tokens_total"
SUBAGENT_DURATION = "subagent_duration_seconds"
SUBAGENTS_PER_RUN = "orchestrator_subagents_per_run"
FAILURES = "orchestrator_failures_total"
ALERTS = "orchestrator_budget_alerts_total"
# Closed: a label that is not here would let texts into a metrics store.
LABELS: Mapping[str, tuple[str, ...]] = {
    SUBAGENT_TOKENS: ("agent_id", "status"),
    SUBAGENT_DURATION: ("agent_id",),
    SUBAGENTS_PER_RUN: (),
    FAILURES: ("agent_id", "reason"),
    ALERTS: ("unit", "percent"),
}
DESCRIPTIONS: Mapping[str, str] = {
    SUBAGENT_TOKENS: "Tokens that sub-agents spent, by whether they answered (ok) or not (failed)",
    SUBAGENT_DURATION: "Seconds from a sub-agent's start to its end",
    SUBAGENTS_PER_RUN: "Sub-agents that a run planned",
    FAILURES: "Sub-agents that came to nothing, by the reason",
    ALERTS: "Percentages of a ceiling that were passed",
}
DURATION_BUCKETS_S = (0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 51.2, 102.4, 204.8, 409.6)
SUBAGENTS_BUCKETS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0)
BUCKETS: Mapping[str, tuple[float, ...]] = {SUBAGENT_DURATION: DURATION_BUCKETS_S, SUBAGENTS_PER_RUN: SUBAGENTS_BUCKETS}
NANOSECONDS = 1_000_000_000


class Meter(Protocol):
    """Where metrics go: OpenTelemetry, Ray."""

    def count(self, name: str, value: float, labels: Mapping[str, str]) -> None: ...

    def observe(self, name: str, value: float, labels: Mapping[str, str]) -> None: ...

    def close(self) -> None: ...


@dataclass(slots=True)
class Telemetry:
    """One batch's traces, metrics and log lines. Without a provider and meters it only logs."""

    batch_id: str
    tracer_provider: TracerProvider | None = None
    meters: Sequence[Meter] = ()
    log_content: bool = True
    _ids: _GivenIds = field(default_factory=lambda: _GivenIds())
    _tracer: trace.Tracer | None = None
    _alerts: list[tuple[float, Alert]] = field(default_factory=list)  # when, and which; no span has told of them yet

    def __post_init__(self) -> None:
        if self.tracer_provider is not None:
            self.tracer_provider.id_generator = self._ids  # type: ignore[assignment]
            self._tracer = self.tracer_provider.get_tracer("muster")

    @property
    def traces(self) -> bool:
        """Whether anybody sees spans: then providers are told which span their calls belong to."""
        return self._tracer is not None

    def add_meter(self, meter: Meter) -> None:
        """One more place for metrics, from now on."""
        self.meters = (*self.meters, meter)

    def alerted(self, alert: Alert) -> None:
        """Part of a ceiling is spent: a metric now, and an event of the next run's span that the account covers."""
        for meter in self.meters:
            meter.count(ALERTS, 1, {"unit": alert.unit, "percent": str(alert.percent)})
        if self._tracer is not None:
            self._alerts.append((time.time(), alert))

    def trace_id(self, run_id: str) -> str:
        """32 hexadecimal digits that join all that belongs to a run."""
        return f"{trace_number(self.batch_id, run_id):032x}"

    def outcomes(self, rows: OutcomeRows, runs: Runs) -> None:
        """Sub-agents ended: counted and logged, each with run, task and trace id."""
        if self.meters:
            self._measure(rows)
        every = log.isEnabledFor(logging.INFO)
        for row, status in enumerate(rows.column("status")):
            if status not in (OK, Reason.CANCELLED):  # what was stopped has not failed, and may be thousands
                log.warning("sub-agent failed %s", self._line(rows.outcome(row), runs))
            elif every:
                said = "answered" if status == OK else "cancelled"
                log.info("sub-agent %s %s", said, self._line(rows.outcome(row), runs))

    def run_ended(self, run: Run, state: State) -> None:
        """A run ended: its trace, from the run down to each model and tool call."""
        for meter in self.meters:
            meter.observe(SUBAGENTS_PER_RUN, len(state.planned), {})
        if self._tracer is None:
            return
        outcomes = state.outcomes
        works = [outcome.work for outcome in outcomes.values() if outcome.work.started_at_s]
        start_s = min((work.started_at_s for work in works), default=0.0)
        end_s = max((work.started_at_s + work.elapsed_ms / 1000 for work in works), default=start_s)
        self._ids.trace_id = trace_number(self.batch_id, run.id)
        attributes = {
            "gen_ai.operation.name": "invoke_workflow",
            "run.id": run.id,
            "run.tokens.total": sum(work.spent_tokens for work in works),
            "run.tasks": len(state.planned),
        }
        events = self._events_of(run_account(self.batch_id, run.id))
        root = self._emit("run", span_number(run.id), None, start_s, end_s, attributes, events=events)
        for task_id, outcome in outcomes.items():
            self._subagent(root, state.planned[task_id], outcome, start_s)

    def close(self) -> None:
        """Send what is still here."""
        if self._alerts and self._tracer is not None:
            self._ids.trace_id = trace_number(self.batch_id, "")
            now_s = time.time()
            self._emit("batch", span_number(self.batch_id), None, now_s, now_s, {}, events=self._events_of(None))
        for meter in self.meters:
            meter.close()
        if self.tracer_provider is not None:
            self.tracer_provider.shutdown()

    def _subagent(self, root: SpanContext, task: Task, outcome: Outcome, run_start_s: float) -> None:
        work = outcome.work
        start_s = work.started_at_s or run_start_s
        attributes = {
            "gen_ai.operation.name": "invoke_agent",
            "gen_ai.agent.name": outcome.agent,
            "agent.id": outcome.agent,
            "task.id": outcome.task_id,
            "task.attempt": outcome.attempt,
            "budget.max_tokens": task.tokens_max,
            "tokens.spent": work.spent_tokens,
            "host.id": work.host,
        }
        error = "" if isinstance(outcome, Result) else f"{outcome.reason.value}: {outcome.message}"
        span_id = span_number(outcome.task_id, str(outcome.attempt))
        own = self._emit("subagent.run", span_id, root, start_s, start_s + work.elapsed_ms / 1000, attributes, error)
        for n, span in enumerate(work.spans):
            self._call(own, span, span_number(outcome.task_id, str(outcome.attempt), str(n)))

    def _call(self, parent: SpanContext, span: Span, span_id: int) -> None:
        operation, _, name = span.name.partition(" ")
        named = {"gen_ai.operation.name": operation}
        if operation == "execute_tool":
            named["gen_ai.tool.name"] = name
        noted = json.loads(span.attributes) if span.attributes else {}
        attributes = {**named, **{key: value for key, value in noted.items() if value is not None}}
        kind = SpanKind.CLIENT if operation == "chat" else SpanKind.INTERNAL
        self._emit(span.name, span_id, parent, span.started_at_s, span.ended_at_s, attributes, span.error, kind)

    def _emit(
        self,
        name: str,
        span_id: int,
        parent: SpanContext | None,
        start_s: float,
        end_s: float,
        attributes: Mapping[str, object],
        error: str = "",
        kind: SpanKind = SpanKind.INTERNAL,
        events: Sequence[tuple[float, Alert]] = (),
    ) -> SpanContext:
        assert self._tracer is not None
        self._ids.span_id = span_id
        context = trace.set_span_in_context(NonRecordingSpan(parent)) if parent else Context()
        span = self._tracer.start_span(
            name,
            context=context,
            kind=kind,
            attributes=attributes,  # type: ignore[arg-type]
            start_time=int(start_s * NANOSECONDS),
        )
        for at_s, alert in events:
            told = {
                f"budget.{name}": getattr(alert, name) for name in ("account_id", "unit", "percent", "spent", "limit")
            }
            span.add_event("budget.alert", told, timestamp=int(at_s * NANOSECONDS))
        if error:
            span.set_status(Status(StatusCode.ERROR, error[:200]))
            span.set_attribute("error.type", error.partition(":")[0][:60])
        span.end(int(end_s * NANOSECONDS))
        made = span.get_span_context()
        return SpanContext(made.trace_id, made.span_id, is_remote=False, trace_flags=TraceFlags(made.trace_flags))

    def _events_of(self, account: str | None) -> list[tuple[float, Alert]]:
        """Alerts that no span has told of yet: the account's own, and those of no run at all. None: all of them."""
        runs = run_account(self.batch_id, "")
        mine = [
            told
            for told in self._alerts
            if account in (None, told[1].account_id) or not told[1].account_id.startswith(runs)
        ]
        self._alerts = [told for told in self._alerts if told not in mine]
        return mine

    def _measure(self, rows: OutcomeRows) -> None:
        tokens: Counter[tuple[str, str]] = Counter()
        failures: Counter[tuple[str, str]] = Counter()
        ended = zip(*map(rows.column, ("agent", "status", "spent_tokens", "elapsed_ms")), strict=True)
        for agent, status, spent_tokens, elapsed_ms in ended:
            tokens[agent, "ok" if status == OK else "failed"] += spent_tokens
            if status != OK:
                failures[agent, status] += 1
            for meter in self.meters:
                meter.observe(SUBAGENT_DURATION, elapsed_ms / 1000, {"agent_id": agent})
        for meter in self.meters:
            for (agent, status), count in tokens.items():
                meter.count(SUBAGENT_TOKENS, count, {"agent_id": agent, "status": status})
            for (agent, reason), count in failures.items():
                meter.count(FAILURES, count, {"agent_id": agent, "reason": reason})

    def _line(self, outcome: Outcome, runs: Runs) -> str:
        work, task = outcome.work, runs.task(outcome)
        fields: dict[str, object] = {
            "run": outcome.run_id,
            "task": outcome.task_id,
            "trace": self.trace_id(outcome.run_id),
            "agent": outcome.agent,
            "attempt": outcome.attempt,
            "model": work.model,
            "tokens": work.spent_tokens,
            "elapsed_ms": round(work.elapsed_ms),
        }
        if isinstance(outcome, Failure):
            fields |= {"reason": outcome.reason.value, "message": outcome.message}
        if self.log_content and log.isEnabledFor(logging.INFO):
            fields |= {"input": task.objective if task else None, "inputs": dict(task.inputs) if task else None}
            fields["output"] = outcome.output if isinstance(outcome, Result) else outcome.found
        return json.dumps(fields, ensure_ascii=False, separators=(",", ":"))


class _GivenIds(IdGenerator):
    """Hands out the ids that were put here: spans are made after the fact, under ids that names decide."""

    def __init__(self) -> None:
        self.trace_id = 1
        self.span_id = 1

    def generate_trace_id(self) -> int:
        return self.trace_id

    def generate_span_id(self) -> int:
        return self.span_id
