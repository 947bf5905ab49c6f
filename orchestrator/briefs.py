"""What is held of each service while all are compared: enough to rank and to group, and no text of its findings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from sys import intern

from orchestrator.claims import Claim
from orchestrator.evidence import Evidence, State


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A claim as groups count it: what kind it is, what causes it, and what it weighs in points."""

    kind: str
    cause: str
    role: str
    points: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Brief:
    """One service. `weights` are the points of each source that was read, `failed` the reasons of its failures.

    `problems` are the claims that weigh something, and symptoms that name their cause.
    """

    name: str
    owner: str
    states: Mapping[str, State]
    weights: Mapping[str, float]
    problems: tuple[Problem, ...]
    failed: tuple[str, ...]
    tasks_planned: int
    tasks_succeeded: int


def brief_of(evidence: Evidence) -> Brief:
    """About a kilobyte of the evidence. Words that many services share are held once."""
    return Brief(
        name=evidence.name,
        owner=intern(evidence.owner),
        states=_states(tuple(evidence.states.items())),
        weights=evidence.weights,
        problems=tuple(_problem(claim) for claim in evidence.claims if _counts(claim)),
        failed=tuple(intern(failure.reason) for failure in evidence.failures),
        tasks_planned=evidence.tasks_planned,
        tasks_succeeded=evidence.tasks_succeeded,
    )


def _counts(claim: Claim) -> bool:
    return claim.points > 0 or (claim.role == "symptom" and bool(claim.cause))


def _problem(claim: Claim) -> Problem:
    return Problem(kind=intern(claim.kind), cause=intern(claim.cause), role=intern(claim.role), points=claim.points)


@lru_cache(maxsize=128)  # three states of four sources are 81
def _states(pairs: tuple[tuple[str, State], ...]) -> Mapping[str, State]:
    return dict(pairs)
