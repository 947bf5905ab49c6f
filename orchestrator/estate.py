"""All services together: who ranks where, and who causes whose symptoms."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from orchestrator import scoring
from orchestrator.claims import SOURCES
from orchestrator.evidence import Evidence, State
from orchestrator.scoring import Verdict

# A cause that starts with a service's name: "cart", "component:cart", "'cart' restarts", "cart: out of memory".
_HEAD = re.compile(r"(?:component:)?['\"`]?([^\s:,;'\"`]+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One service among the others. Scores are 0 to 100; `evidence_score` leaves out what was imputed.

    `imputed` are the points of the sources that were not read, `lent_points` those of the services in `pointed_at_by`.
    """

    evidence: Evidence
    rank: int
    score: float
    evidence_score: float
    verdict: Verdict
    imputed: Mapping[str, float]
    lent_points: float
    pointed_at_by: tuple[str, ...]
    conflicts: tuple[str, ...]


def rank(evidence: Iterable[Evidence]) -> list[Standing]:
    """Every service's standing, worst first; equal scores go by name. The same services in any order rank alike."""
    known = sorted(evidence, key=lambda e: e.name)
    names = names_of(known)
    causes = {e.name: blamed(e, names) for e in known}
    pointing: dict[str, list[str]] = {}
    for name, blames in causes.items():
        for cause in blames:
            pointing.setdefault(cause, []).append(name)
    well = {e.name for e in known if _seems_well(e)}
    read = {source: [e.weights[source] for e in known if source in e.weights] for source in SOURCES.values()}
    medians, unseen = scoring.imputed_points(read), scoring.harm_unseen(read)
    standings = [
        _standing(e, medians, unseen, tuple(pointing.get(e.name, ())), [c for c in causes[e.name] if c in well])
        for e in known
    ]
    standings.sort(key=lambda s: (-round(s.score, 9), s.evidence.name))
    return [replace(standing, rank=place) for place, standing in enumerate(standings, 1)]


def names_of(evidence: Iterable[Evidence]) -> dict[str, str]:
    """Each service's name by its lower case, as causes may spell it."""
    return {e.name.casefold(): e.name for e in evidence}


def blamed(evidence: Evidence, names: Mapping[str, str]) -> list[str]:
    """The other services that this one's symptoms name as their cause."""
    found = {named(claim.cause, names) for claim in evidence.claims if claim.role == "symptom"}
    return sorted(name for name in found if name and name != evidence.name)


def named(cause: str, names: Mapping[str, str]) -> str:
    """The service that a cause names, alone or at its start; "" when it names none."""
    whole = cause.strip().casefold()
    head = _HEAD.match(whole)
    return names.get(whole) or (names.get(head[1], "") if head else "")


def _standing(
    evidence: Evidence,
    medians: Mapping[str, float],
    unseen: bool,
    pointed_at_by: tuple[str, ...],
    acquitted: list[str],
) -> Standing:
    lent = scoring.lent_points(len(pointed_at_by))
    imputed = {source: medians[source] for source, state in evidence.states.items() if state is not State.READ}
    own = [*evidence.weights.values(), lent]
    total, proven = scoring.score([*own, *imputed.values()]), scoring.score(own)
    verdict = scoring.verdict(total=total, evidence=proven, sources_read=len(evidence.weights), unseen=unseen)
    doubts = tuple(
        f"its symptoms point at {cause}, where nothing was found: look at what lies between the two"
        for cause in acquitted
    )
    return Standing(
        evidence=evidence,
        rank=0,
        score=total,
        evidence_score=proven,
        verdict=verdict,
        imputed=imputed,
        lent_points=lent,
        pointed_at_by=pointed_at_by,
        conflicts=evidence.conflicts + doubts,
    )


def _seems_well(evidence: Evidence) -> bool:
    """Whether metrics were read and no source has anything against the service itself."""
    return "metrics" in evidence.weights and not any(c.points > 0 and c.role == "cause" for c in evidence.claims)
