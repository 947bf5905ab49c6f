"""What findings from metrics weigh, and how their figures are said.

A finding weighs its severity's points times its confidence. So a rule first says how many points something deserves,
from smooth curves over number, length and size; severity and confidence follow from the points.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

from actors.specialists.findings import Finding, Severity

Json: TypeAlias = dict[str, Any]
Weighed: TypeAlias = tuple[float, Finding]  # the points that order it, and the finding

TIERS: tuple[tuple[Severity, float], ...] = (("low", 2.0), ("medium", 8.0), ("high", 20.0), ("critical", 40.0))
CITATIONS_MAX = 6


def weighed(points: float, **said: Any) -> Weighed:
    """A finding of so many points: the lowest severity that reaches them, and the confidence that gives them."""
    severity, most = next(((tier, most) for tier, most in TIERS if points <= most), TIERS[-1])
    confidence = round(min(max(points / most, 0.05), 1.0), 3)
    return points, Finding(severity=severity, confidence=confidence, **said)


def symptom(points: float, kind: str, claim: str, cause: str, citations: Sequence[str]) -> Weighed:
    cited = list(dict.fromkeys(citations))[:CITATIONS_MAX]
    weight, finding = weighed(points, kind=kind, claim=claim[:600], role="symptom", cause=cause[:200], citations=cited)
    return weight / 4, finding


def figure(value: float | None, unit: str) -> str:
    """A value as people say it: 12 ms, 1.5 s, 3.2 %."""
    if value is None:
        return "nothing"
    if unit == "share":
        return f"{100 * value:.3g} %"
    if unit == "seconds":
        return f"{value:.3g} s" if value >= 1 else f"{1000 * value:.3g} ms"
    return f"{value:.4g} {unit}".strip()


def times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
