"""Claims: findings that stand, what each weighs, and those that say the same made one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from actors.specialists.findings import Finding
from orchestrator import scoring

# The audit's specialists, in the order of the report, and what their sources are called there.
SOURCES: Mapping[str, str] = {"incidents": "incidents", "code": "git", "metrics": "metrics", "runbooks": "runbooks"}
ALIKE_MIN = 0.8  # share of common words from which two claims with the same figures say the same
_ORDER = {source: number for number, source in enumerate(SOURCES.values())}
_WORD = re.compile(r"\w+(?:\.\d+)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A finding that stands, and what it weighs (0 to 40 points)."""

    claim: str
    severity: str
    source: str
    kind: str
    confidence: float
    role: str
    cause: str
    citations: tuple[str, ...]
    points: float


def claim_of(finding: Finding, source: str) -> Claim:
    """A finding of `source` as a claim, weighed."""
    return Claim(
        claim=finding.claim,
        severity=finding.severity,
        source=source,
        kind=finding.kind,
        confidence=finding.confidence,
        role=finding.role,
        cause=finding.cause,
        citations=tuple(finding.citations),
        points=scoring.finding_points(finding.severity, finding.confidence, finding.role),
    )


def merge(claims: Iterable[Claim]) -> tuple[Claim, ...]:
    """Claims in the order of their weight, those of one source that say the same as one, with all of its citations."""
    kept: list[Claim] = []
    words: list[frozenset[str]] = []
    for claim in sorted(claims, key=_rank):
        said = _words(claim.claim)
        twin = next((n for n, other in enumerate(kept) if _alike(claim, said, other, words[n])), None)
        if twin is None:
            kept.append(claim)
            words.append(said)
        else:
            citations = tuple(dict.fromkeys((*kept[twin].citations, *claim.citations)))
            kept[twin] = replace(kept[twin], citations=citations)
    return tuple(kept)


def place(source: str) -> int:
    """Where a source stands in the report."""
    return _ORDER[source]


def _rank(claim: Claim) -> tuple[float, int, str, str, float, str, str, tuple[str, ...]]:
    return (
        -claim.points,
        _ORDER[claim.source],
        claim.kind,
        claim.claim,
        -claim.confidence,
        claim.role,
        claim.cause,
        claim.citations,
    )


def _alike(claim: Claim, said: frozenset[str], other: Claim, other_said: frozenset[str]) -> bool:
    """The same words, or nearly the same words, the same figures and a citation in common.

    Two pages or two series that ail alike are told in like words; what tells them apart is what they cite.
    """
    if claim.source != other.source or claim.role != other.role:
        return False
    if said == other_said:
        return True
    shares = claim.kind == other.kind and not set(claim.citations).isdisjoint(other.citations)
    return (
        shares
        and _figures(said) == _figures(other_said)
        and len(said & other_said) >= ALIKE_MIN * len(said | other_said)
    )


def _words(text: str) -> frozenset[str]:
    return frozenset(_WORD.findall(text.casefold()))


def _figures(words: frozenset[str]) -> frozenset[str]:
    return frozenset(word for word in words if any(c.isdigit() for c in word))
