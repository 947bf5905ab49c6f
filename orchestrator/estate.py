"""All services together: who ranks where, and who causes whose symptoms."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from orchestrator import scoring
from orchestrator.briefs import Brief
from orchestrator.claims import SOURCES
from orchestrator.evidence import State
from orchestrator.scoring import Verdict

# A cause that starts with a service's name: "cart", "component:cart", "'cart' restarts", "cart: out of memory".
_HEAD = re.compile(r"(?:component:)?['\"`]?([^\s:,;'\"`]+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One service among the others. Scores are 0 to 100; `evidence_score` leaves out what was imputed.

    `imputed` are the points of the sources that were not read, `lent_points` those of the services in `pointed_at_by`.
    `doubts` are conflicts that only show when services are compared.
    """

    brief: Brief
    rank: int
    score: float
    evidence_score: float
    verdict: Verdict
    imputed: Mapping[str, float]
    lent_points: float
    pointed_at_by: tuple[str, ...]
    doubts: tuple[str, ...]


def rank(briefs: Iterable[Brief]) -> list[Standing]:
    """Every service's standing, worst first; equal scores go by name. The same services in any order rank alike."""
    known = sorted(briefs, key=lambda b: b.name)
    names = names_of(known)
    causes = {b.name: blamed(b, names) for b in known}
    pointing: dict[str, list[str]] = {}
    for name, blames in causes.items():
        for cause in blames:
            pointing.setdefault(cause, []).append(name)
    well = {b.name for b in known if _seems_well(b)}
    read = {source: [b.weights[source] for b in known if source in b.weights] for source in SOURCES.values()}
    medians, unseen = scoring.imputed_points(read), scoring.harm_unseen(read)
    standings = [
        _standing(b, medians, unseen, tuple(pointing.get(b.name, ())), [c for c in causes[b.name] if c in well])
        for b in known
    ]
    standings.sort(key=lambda s: (-round(s.score, 9), s.brief.name))
    return [replace(standing, rank=place) for place, standing in enumerate(standings, 1)]


def names_of(briefs: Iterable[Brief]) -> dict[str, str]:
    """Each service's name by its lower case, as causes may spell it."""
    return {brief.name.casefold(): brief.name for brief in briefs}


def blamed(brief: Brief, names: Mapping[str, str]) -> list[str]:
    """The other services that this one's symptoms name as their cause."""
    found = {named(problem.cause, names) for problem in brief.problems if problem.role == "symptom"}
    return sorted(name for name in found if name and name != brief.name)


def named(cause: str, names: Mapping[str, str]) -> str:
    """The service that a cause names, alone or at its start; "" when it names none."""
    whole = cause.strip().casefold()
    head = _HEAD.match(whole)
    return names.get(whole) or (names.get(head[1], "") if head else "")


def _standing(
    brief: Brief,
    medians: Mapping[str, float],
    unseen: bool,
    pointed_at_by: tuple[str, ...],
    acquitted: list[str],
) -> Standing:
    lent = scoring.lent_points(len(pointed_at_by))
    imputed = {source: medians[source] for source, state in brief.states.items() if state is not State.READ}
    own = [*brief.weights.values(), lent]
    total, proven = scoring.score([*own, *imputed.values()]), scoring.score(own)
    verdict = scoring.verdict(total=total, evidence=proven, sources_read=len(brief.weights), unseen=unseen)
    doubts = tuple(
        f"its symptoms point at {cause}, where nothing was found: look at what lies between the two"
        for cause in acquitted
    )
    return Standing(
        brief=brief,
        rank=0,
        score=total,
        evidence_score=proven,
        verdict=verdict,
        imputed=imputed,
        lent_points=lent,
        pointed_at_by=pointed_at_by,
        doubts=doubts,
    )


def _seems_well(brief: Brief) -> bool:
    """Whether metrics were read and no source has anything against the service itself."""
    return "metrics" in brief.weights and not any(p.points > 0 and p.role == "cause" for p in brief.problems)
