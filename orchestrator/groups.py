"""What services have in common: causes, kinds of problems, owners. Each list in a fixed order, the weightiest first."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from orchestrator.briefs import Problem
from orchestrator.causes import Causes
from orchestrator.estate import Standing
from orchestrator.scoring import Verdict

SERVICES_MIN = 2  # what only one service has, nobody has in common


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Services that share a cause or a kind of problem, in the order of their rank, and what it weighs in points."""

    name: str
    services: tuple[str, ...]
    claims: int
    points: float


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnerShare:
    """What one owner has to do. Services are in the order of their rank; an empty owner is nobody."""

    owner: str
    services: int
    needs_work: tuple[str, ...]
    watch: tuple[str, ...]
    score_mean: float


def by_cause(standings: Sequence[Standing]) -> list[Group]:
    """Services whose problems have a cause in common; symptoms go under the name of the service that causes them."""
    return _groups(standings, Causes.of(standing.brief for standing in standings).name)


def by_kind(standings: Sequence[Standing]) -> list[Group]:
    """Services that have the same kind of problem."""
    return _groups(standings, lambda problem: problem.kind)


def by_owner(standings: Sequence[Standing]) -> list[OwnerShare]:
    """Every owner's services, those with the most to do first."""
    owned: dict[str, list[Standing]] = {}
    for standing in standings:
        owned.setdefault(standing.brief.owner, []).append(standing)
    shares = [_share(owner, its) for owner, its in owned.items()]
    return sorted(shares, key=lambda s: (-len(s.needs_work), -len(s.watch), -s.score_mean, s.owner))


def _share(owner: str, standings: Sequence[Standing]) -> OwnerShare:
    return OwnerShare(
        owner=owner,
        services=len(standings),
        needs_work=_names(s for s in standings if s.verdict is Verdict.NEEDS_WORK),
        watch=_names(s for s in standings if s.verdict is Verdict.WATCH),
        score_mean=math.fsum(s.score for s in standings) / len(standings),
    )


def _groups(standings: Sequence[Standing], name_of: Callable[[Problem], str]) -> list[Group]:
    found: dict[str, list[tuple[str, float]]] = {}
    for standing in standings:
        for problem in standing.brief.problems:
            name = name_of(problem) if problem.points > 0 else ""
            if name:
                found.setdefault(name, []).append((standing.brief.name, problem.points))
    groups = [
        Group(
            name=name,
            services=tuple(dict.fromkeys(service for service, _ in claims)),
            claims=len(claims),
            points=math.fsum(points for _, points in claims),
        )
        for name, claims in found.items()
    ]
    shared = [group for group in groups if len(group.services) >= SERVICES_MIN]
    return sorted(shared, key=lambda g: (-len(g.services), -g.points, g.name))


def _names(standings: Iterable[Standing]) -> tuple[str, ...]:
    return tuple(standing.brief.name for standing in standings)
