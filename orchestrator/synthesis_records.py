"""What the lead reads: one small record per service, and figures that code adds up on the way to the top."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from actors import prompts
from actors.session import byte_length
from orchestrator.causes import Causes
from orchestrator.claims import Claim
from orchestrator.estate import Standing
from orchestrator.evidence import Evidence, State
from orchestrator.scoring import Verdict

Json: TypeAlias = "dict[str, Any]"
CLAIM_CHARACTERS_MAX = 240  # of one finding: two sentences with figures
OWNERS_SHOWN_MAX = 30  # to one lead; the figures of all are carried


@dataclass(frozen=True, slots=True, kw_only=True)
class Covered:
    """What a part of the estate rests on: counts that add up. `owners` has services, needing work, to watch."""

    services: int = 0
    reported: int = 0
    tasks_planned: int = 0
    tasks_succeeded: int = 0
    verdicts: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    owners: Mapping[str, tuple[int, int, int]] = field(default_factory=dict)

    def as_json(self) -> Json:
        shares = sorted(self.owners.items(), key=lambda item: (-item[1][1], -item[1][2], item[0]))
        return {
            "services": self.services,
            "reported": self.reported,
            "tasks": {
                "planned": self.tasks_planned,
                "succeeded": self.tasks_succeeded,
                "failed": dict(sorted(self.failed.items())),
            },
            "verdicts": {verdict.value: self.verdicts[verdict.value] for verdict in Verdict},
            "owners": [
                {"owner": owner, "services": services, "needs_work": needy, "watch": watched}
                for owner, (services, needy, watched) in shares[:OWNERS_SHOWN_MAX]
            ],
        }


def total(parts: Sequence[Covered]) -> Covered:
    """The counts of all parts together."""
    verdicts: Counter[str] = Counter()
    failed: Counter[str] = Counter()
    owners: dict[str, tuple[int, int, int]] = {}
    for part in parts:
        verdicts.update(part.verdicts)
        failed.update(part.failed)
        for owner, (services, needy, watched) in part.owners.items():
            before = owners.get(owner, (0, 0, 0))
            owners[owner] = (before[0] + services, before[1] + needy, before[2] + watched)
    return Covered(
        services=sum(part.services for part in parts),
        reported=sum(part.reported for part in parts),
        tasks_planned=sum(part.tasks_planned for part in parts),
        tasks_succeeded=sum(part.tasks_succeeded for part in parts),
        verdicts=verdicts,
        failed=failed,
        owners=owners,
    )


def covered_by(standing: Standing) -> Covered:
    """The counts of one service."""
    brief, verdict = standing.brief, standing.verdict
    return Covered(
        services=1,
        reported=int(bool(brief.weights)),
        tasks_planned=brief.tasks_planned,
        tasks_succeeded=brief.tasks_succeeded,
        verdicts=Counter({verdict.value: 1}),
        failed=Counter(brief.failed),
        owners={brief.owner: (1, int(verdict is Verdict.NEEDS_WORK), int(verdict is Verdict.WATCH))},
    )


def facts(standing: Standing) -> Json:
    """What a lead is told of a service that a part names."""
    return {
        "rank": standing.rank,
        "score": round(standing.score, 2),  # as in summary.json: who rounds it again writes the same
        "verdict": standing.verdict.value,
        "owner": standing.brief.owner,
    }


def record(standing: Standing, evidence: Evidence, causes: Causes, *, findings_max: int) -> Json:
    """One service as the lead reads it: its weightiest findings, and what was not read."""
    claims = [claim for claim in evidence.claims if claim.points > 0][:findings_max]
    return {
        "service": evidence.name,
        **facts(standing),
        "findings": [_finding(evidence, claim, causes) for claim in claims],
        "not_known": _not_read(evidence),
    }


def finding_id(service: str, number: int) -> str:
    """How a finding is cited: its service and its place in summary.json, from 1."""
    return f"{service}#{number}"


def size_bytes(body: Json) -> int:
    """Bytes of a body as a lead is given it: at least as many as its tokens."""
    text = prompts.compact(body)
    return byte_length(text) + 5 * (text.count("<") + text.count(">"))  # angle brackets are written as escapes


def by_cause(standings: Sequence[Standing], causes: Causes) -> list[Standing]:
    """Services that share a cause side by side, the widest cause first, so that one lead sees them together."""
    named = {s.brief.name: _causes(s, causes) for s in standings}
    counts = Counter(cause for of_one in named.values() for cause in of_one)

    def place(standing: Standing) -> tuple[int, str, int]:
        widest = max(((counts[c], c) for c in named[standing.brief.name] if counts[c] > 1), default=(0, ""))
        return -widest[0], widest[1], standing.rank

    return sorted(standings, key=place)


def _causes(standing: Standing, causes: Causes) -> set[str]:
    return {causes.name(problem) for problem in standing.brief.problems if problem.points > 0} - {""}


def _finding(evidence: Evidence, claim: Claim, causes: Causes) -> Json:
    return {
        "id": finding_id(evidence.name, 1 + evidence.claims.index(claim)),
        "severity": claim.severity,
        "source": claim.source,
        "role": claim.role,
        "cause": causes.name(claim),
        "claim": claim.claim[:CLAIM_CHARACTERS_MAX],
    }


def _not_read(evidence: Evidence) -> list[str]:
    """The sources that were not read, and why."""
    return [f"{source} {state.value}" for source, state in evidence.states.items() if state is not State.READ]
