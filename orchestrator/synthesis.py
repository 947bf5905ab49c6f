"""The answer for programs: `summary.json` (schema muster.audit/1) from every service's evidence.

Deterministic: but for ids and times, the same outcomes give the same bytes, whichever came first. Of all services at
once only briefs are held; what a service's entry says is taken from its evidence when the entry is looked at.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, TypeAlias

from actors.contracts import JsonValue
from orchestrator import groups
from orchestrator.answer import answer
from orchestrator.briefs import brief_of
from orchestrator.citations import Struck
from orchestrator.claims import SOURCES, Claim
from orchestrator.estate import Standing, rank
from orchestrator.evidence import Evidence, Failed, State
from orchestrator.rows import Rows, told
from orchestrator.spend import Spend
from orchestrator.unread import not_known

SCHEMA = "muster.audit/1"
Json: TypeAlias = "dict[str, Any]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Money:
    """What the batch may cost and what it cost. A limit of None is none, a cost of None is unknown.

    `charged_unseen_tokens` are charged because they may have been billed, though no bill was seen.
    `returned_tokens` were held for tasks that did not need them: held, and never spent.
    """

    limit_tokens: int | None = None
    spent_tokens: int = 0
    limit_microusd: int | None = None
    spent_microusd: int | None = 0
    charged_unseen_tokens: int = 0
    returned_tokens: int = 0
    spend: Spend = field(default_factory=Spend)


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What the run was, as only its driver knows it. `mode` is local, embedded or cluster."""

    run_id: str
    question: str
    model: str
    mode: str
    status: str
    elapsed_s: float
    money: Money = Money()
    models: JsonValue = None  # both as orchestrator/model_use.py says it
    cache: JsonValue = None


def summarize(
    head: Head, evidence: Mapping[str, Evidence], page: Callable[[Sequence[Standing]], Json] | None = None
) -> Json:
    """The summary of a batch, ready for `encoded`. Services come worst first.

    `evidence` is kept by name, and looked up whenever a service's entry is. `page` is what leads made of all services;
    where they came to one, its words end the answer.
    """
    standings = rank(map(brief_of, evidence.values()))
    synthesis: Json = page(standings) if page else {"by": "rules"}
    return {
        "schema": SCHEMA,
        "run_id": head.run_id,
        "question": head.question,
        "answer": answer(standings, synthesis),
        "model": head.model,
        "mode": head.mode,
        "status": head.status,
        "elapsed_s": round(head.elapsed_s, 3),
        "coverage": _coverage(standings),
        "budget": asdict(head.money),
        "models": head.models,
        "cache": head.cache,
        "services": Rows(standings, lambda standing: _service(standing, evidence[standing.brief.name])),
        "groups": {
            "causes": [_group(group) for group in groups.by_cause(standings)],
            "kinds": [_group(group) for group in groups.by_kind(standings)],
            "owners": [_owner(share) for share in groups.by_owner(standings)],
        },
        "synthesis": synthesis,
        "not_known": not_known(standings),
        "failures": Rows(
            [(standing.brief.name, place) for standing in standings for place in range(len(standing.brief.failed))],
            lambda failed: _failure(failed[0], evidence[failed[0]].failures[failed[1]]),
        ),
    }


def encoded(summary: Mapping[str, Any]) -> Iterator[bytes]:
    """The summary as the bytes of summary.json, a service at a time."""
    yield from (part.encode("utf-8", "replace") for part in told(summary, indent=1))
    yield b"\n"


def _coverage(standings: Sequence[Standing]) -> Json:
    """How much was read. A service is reported when at least one of its sources was."""
    briefs = [standing.brief for standing in standings]
    failed = Counter(reason for brief in briefs for reason in brief.failed)
    states = {source: Counter(brief.states[source].value for brief in briefs) for source in SOURCES.values()}
    return {
        "services": {"total": len(briefs), "reported": sum(bool(brief.weights) for brief in briefs)},
        "tasks": {
            "planned": sum(brief.tasks_planned for brief in briefs),
            "succeeded": sum(brief.tasks_succeeded for brief in briefs),
            "failed": dict(sorted(failed.items())),
        },
        "sources": {source: {state.value: states[source][state.value] for state in State} for source in states},
    }


def _service(standing: Standing, evidence: Evidence) -> Json:
    return {
        "name": evidence.name,
        "rank": standing.rank,
        "score": round(standing.score, 2),
        "verdict": standing.verdict.value,
        "owner": evidence.owner,
        "system": evidence.system,
        "sources": {source: state.value for source, state in evidence.states.items()},
        "points": {
            "evidence_score": round(standing.evidence_score, 2),
            "read": {source: round(points, 2) for source, points in evidence.weights.items()},
            "imputed": {source: round(points, 2) for source, points in standing.imputed.items()},
            "lent": round(standing.lent_points, 2),
        },
        "pointed_at_by": list(standing.pointed_at_by),
        "findings": [_finding(claim) for claim in evidence.claims],
        "conflicts": [*evidence.conflicts, *standing.doubts],
        "gaps": list(evidence.gaps),
        "struck": [_struck(struck) for struck in evidence.struck],
    }


def _finding(claim: Claim) -> Json:
    return {
        "claim": claim.claim,
        "severity": claim.severity,
        "source": claim.source,
        "citations": list(claim.citations),
        "kind": claim.kind,
        "confidence": claim.confidence,
        "role": claim.role,
        "cause": claim.cause,
        "points": round(claim.points, 2),
    }


def _struck(struck: Struck) -> Json:
    return {
        "claim": struck.claim,
        "source": struck.source,
        "whole": struck.whole,
        "citations": [{"citation": citation, "reason": reason} for citation, reason in struck.citations],
    }


def _group(group: groups.Group) -> Json:
    return {
        "name": group.name,
        "services": list(group.services),
        "findings": group.claims,
        "points": round(group.points, 2),
    }


def _owner(share: groups.OwnerShare) -> Json:
    return {
        "owner": share.owner,
        "services": share.services,
        "needs_work": list(share.needs_work),
        "watch": list(share.watch),
        "score_mean": round(share.score_mean, 2),
    }


def _failure(service: str, failed: Failed) -> Json:
    return {
        "task_id": failed.task_id,
        "service": service,
        "agent": failed.agent,
        "reason": failed.reason,
        "message": failed.message,
        "spent_tokens": failed.spent_tokens,
    }
