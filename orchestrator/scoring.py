"""How findings become a score and a verdict. docs/scoring.md states these rules in words, with a worked example.

finding   severity points x confidence, x SYMPTOM_FACTOR when another service causes it
source    saturating sum of its findings: cap x (1 - exp(-points / cap))
service   saturating sum of its sources: 100 x (1 - exp(-sum / 100)), so 0 <= score < 100, and more never scores less
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from statistics import median

# A step of severity is worth about two and a half of the step below: three highs outweigh a critical, two do not.
SEVERITY_POINTS: Mapping[str, float] = {"critical": 40.0, "high": 20.0, "medium": 8.0, "low": 2.0, "info": 0.0}
SYMPTOM_FACTOR = 0.25
# Incidents and metrics show harm that was done, the code and the runbooks the risk of it: these saturate earlier.
SOURCE_CAPS: Mapping[str, float] = {"incidents": 80.0, "git": 40.0, "metrics": 80.0, "runbooks": 40.0}
HARM_SOURCES = ("incidents", "metrics")
SCORE_SCALE = 100.0
# What others lend to the service that they point at: nothing for one, which may be wrong, and never much.
LENT_POINTS_EACH, LENT_SERVICES_MIN, LENT_POINTS_MAX = 2.0, 2, 12.0

NEEDS_WORK_MIN = 15.0  # about one high finding that is nearly sure
WATCH_MIN = 5.0  # about one medium finding that is likely
SOURCES_READ_MIN = 2  # fewer cannot show that a service is well


class Verdict(StrEnum):
    """What the score comes to. `unknown`: too little was read to say that the service is well."""

    NEEDS_WORK = "needs_work"
    WATCH = "watch"
    HEALTHY = "healthy"
    UNKNOWN = "unknown"


def finding_points(severity: str, confidence: float, role: str) -> float:
    """What one finding weighs, 0 to 40."""
    return SEVERITY_POINTS[severity] * confidence * (SYMPTOM_FACTOR if role == "symptom" else 1.0)


def source_points(source: str, points: Iterable[float]) -> float:
    """What a source's findings weigh together, below the source's cap."""
    cap = SOURCE_CAPS[source]
    return cap * -math.expm1(-math.fsum(points) / cap)


def lent_points(services_pointing: int) -> float:
    """What services that name another one as the cause of their symptoms add to its weight."""
    if services_pointing < LENT_SERVICES_MIN:
        return 0.0
    return min(LENT_POINTS_MAX, LENT_POINTS_EACH * services_pointing)


def score(parts: Iterable[float]) -> float:
    """The score of a service from its sources' points and what was lent to it, 0 to 100."""
    return SCORE_SCALE * -math.expm1(-math.fsum(parts) / SCORE_SCALE)


def imputed_points(read: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """For each source, what a service without it counts with: the median over the services where it was read.

    So an absent or failed source leaves a service in the middle: neither credit nor blame. A source that nobody has
    counts 0 for everybody.
    """
    return {source: median(read.get(source) or (0.0,)) for source in SOURCE_CAPS}


def harm_unseen(read: Mapping[str, Sequence[float]]) -> bool:
    """Whether a source that would show harm was read for no service, so that nobody can say what is middling in it."""
    return not all(read.get(source) for source in HARM_SOURCES)


def verdict(*, total: float, evidence: float, sources_read: int, unseen: bool = False) -> Verdict:
    """`total` is the score that ranks, imputed sources included; `evidence` the score without them.

    Blame needs evidence, so nothing that was imputed counts against a service. Health needs it too: a service is
    healthy when it would be so even with the middling source that it may have where nothing was read. `unseen`, as
    `harm_unseen` says it: then there is no middling source, and what was read cannot show that a service is well.
    """
    if evidence >= NEEDS_WORK_MIN:
        return Verdict.NEEDS_WORK
    if evidence >= WATCH_MIN:
        return Verdict.WATCH
    if sources_read < SOURCES_READ_MIN or total >= WATCH_MIN or unseen:
        return Verdict.UNKNOWN
    return Verdict.HEALTHY
