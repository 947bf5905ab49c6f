"""Small answers of the audit's specialists for tests."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from actors.contracts import Failure, Outcome, Reason, Result
from orchestrator.briefs import brief_of
from orchestrator.estate import Standing, rank
from orchestrator.evidence import Evidence, Subject, weigh
from orchestrator.synthesis import Head

AGENTS = ("incidents", "code", "metrics", "runbooks")
HEAD = Head(run_id="r-1", question="Which?", model="offline", mode="local", status="complete", elapsed_s=1.5)


def a_finding(claim: str = "It failed 3 times", **given: Any) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "kind": "incident_prone",
        "claim": claim,
        "severity": "high",
        "confidence": 1.0,
        "citations": ["incident:INC-1"],
    }
    return {**fields, **given}


def an_answer(
    *findings: dict[str, Any],
    service: str = "cart",
    agent: str = "incidents",
    unresolved: Sequence[str] = (),
    **also: Any,
) -> Result:
    """What `agent` answered about `service`; `also` are the answer's facts and gaps."""
    return Result(
        task_id=f"{service}/{agent}",
        run_id=service,
        agent=agent,
        attempt=1,
        answer=json.dumps({"summary": "", "findings": list(findings), **also}),
        unresolved=tuple(unresolved),
    )


def no_answer(
    *, service: str = "cart", agent: str = "incidents", reason: Reason = Reason.TIMEOUT, message: str = "late"
) -> Failure:
    return Failure(task_id=f"{service}/{agent}", run_id=service, agent=agent, attempt=1, reason=reason, message=message)


def by_name(*evidence: Evidence) -> dict[str, Evidence]:
    return {one.name: one for one in evidence}


def ranked(*evidence: Evidence) -> list[Standing]:
    return rank(map(brief_of, evidence))


def evidence_of(*outcomes: Outcome, service: str = "cart", agents: Sequence[str] = AGENTS, owner: str = "") -> Evidence:
    return weigh(Subject(name=service, agents=tuple(agents), owner=owner), outcomes)
