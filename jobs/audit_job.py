"""The reliability audit as a job: from a manifest to a ranked answer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

from actors.contracts import JsonValue, Task
from actors.specialists.base import Specialist
from actors.specialists.registry import AUDIT_SPECIALISTS, LEAD
from actors.terminal import line
from budget import Limit
from jobs.audit import AGENTS, QUESTION, PlanSettings, plan, subject
from jobs.catalog import Catalog, Service
from jobs.job import Plan
from jobs.kept_catalog import kept as kept_of
from jobs.manifest import base_of, load_manifest
from orchestrator.batch_synthesis import Bounds, synthesis_page, synthesis_run
from orchestrator.briefs import brief_of
from orchestrator.estate import rank
from orchestrator.evidence import Subject, weigh
from orchestrator.packing import Unpacked, packed
from orchestrator.patterns import FanOut
from orchestrator.report import report
from orchestrator.runs import Run, State
from orchestrator.settings import Settings
from orchestrator.shards import Shard
from orchestrator.synthesis import Head, summarize

HEADLINE_SERVICES_MAX = 15


@dataclass(frozen=True, slots=True)
class AuditJob:
    """Which of our services need reliability work? One run per service, one task for each of its sources."""

    name: str = "audit"
    specialists: Sequence[Specialist] = AUDIT_SPECIALISTS
    leads: Sequence[Specialist] = (LEAD,)

    def plan(
        self, source: Path, *, question: str, batch_id: str, settings: Settings, now_s: float, kept: bytes = b""
    ) -> Plan:
        catalog = load_manifest(source, now_s=now_s, kept=kept)
        limits = PlanSettings(
            batch_id=batch_id,
            tokens_max=max(1, settings.tokens_per_run // len(AGENTS)),
            deadline_s=settings.deadline_s,
            turns_max=settings.turns_max,
        )
        return Plan(
            question=question or QUESTION,
            part=lambda shard: _runs(catalog, limits, settings.tokens_per_run, shard),
            runs_total=len(catalog.services),
            fingerprint=catalog.fingerprint,
            kept=lambda: kept_of(catalog, base=base_of(source), now_s=now_s),
        )

    def record(self, run: Run, state: State) -> bytes:
        subject = Subject(
            name=run.id,
            agents=tuple(cast(list[str], run.context["agents"])),
            owner=str(run.context["owner"]),
            system=str(run.context["system"]),
        )
        return packed(weigh(subject, state.outcomes.values()))

    def last_run(self, records: Mapping[str, Any], bounds: Bounds) -> Run:
        evidence = Unpacked(records)
        return synthesis_run(rank(map(brief_of, evidence.values())), evidence, bounds)

    def summarize(
        self, head: Head, records: Mapping[str, Any], last: tuple[Run, State] | None = None
    ) -> Mapping[str, Any]:
        page = (lambda standings: synthesis_page(*last, standings)) if last else None
        return summarize(head, Unpacked(records), page)

    def report(self, summary: Mapping[str, Any]) -> Iterable[str]:
        return report(summary)

    def headline(self, summary: Mapping[str, Any]) -> str:
        return headline(summary)


def headline(summary: Mapping[str, Any]) -> str:
    """The ranked services, coverage and cost, as plain lines."""
    services, coverage, budget = summary["services"], summary["coverage"], summary["budget"]
    lines = ["rank  score  verdict      service"]
    lines += [
        f"{s['rank']:>4}  {s['score']:>5.1f}  {s['verdict']:<11}  {s['name']}" + _first(s)
        for s in services[:HEADLINE_SERVICES_MAX]
    ]
    if len(services) > HEADLINE_SERVICES_MAX:
        lines.append(f"      … and {len(services) - HEADLINE_SERVICES_MAX} more in the report")
    tasks, reported = coverage["tasks"], coverage["services"]
    failed = ", ".join(f"{count} {reason}" for reason, count in tasks["failed"].items())
    cost = "unknown" if budget["spent_microusd"] is None else f"${budget['spent_microusd'] / 1e6:,.4f}"
    limit = "" if budget["limit_microusd"] is None else f" of ${budget['limit_microusd'] / 1e6:,.2f}"
    lines += [
        f"coverage   {reported['reported']}/{reported['total']} services, "
        f"{tasks['succeeded']}/{tasks['planned']} sub-agents" + (f" (failed: {failed})" if failed else ""),
        f"budget     {budget['spent_tokens']:,} of {budget['limit_tokens'] or 0:,} tokens, {cost}{limit}",
        f"model      {summary['model']}",
        f"time       {summary['elapsed_s']:.1f} s ({summary['status']})",
    ]
    return "\n".join(lines)


def _first(service: Mapping[str, Any]) -> str:
    findings = service["findings"]
    return f": {line(findings[0]['claim'])[:90]}" if findings else ""


def _runs(catalog: Catalog, limits: PlanSettings, tokens_per_run: int, shard: Shard) -> Iterator[Run]:
    for priority, service in shard.pick(enumerate(catalog.services)):
        agents: list[JsonValue] = [*subject(service).agents]
        yield Run(
            id=service.name,
            pattern=FanOut(partial(_tasks, service, catalog, limits, priority)),
            limit=Limit(tokens_per_run, None),
            tasks_total=len(agents),
            context={"owner": service.owner, "system": service.system, "agents": agents},
        )


def _tasks(service: Service, catalog: Catalog, limits: PlanSettings, priority: int) -> tuple[Task, ...]:
    return tuple(plan(service, catalog, limits, priority=priority))
