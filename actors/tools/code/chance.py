"""Small statistics: how sure a share is, and how surprising it is that things happen close together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import sqrt


def share(part: float, whole: float) -> float:
    """`part / whole`, to three digits; nothing of nothing is 0."""
    return round(part / whole, 3) if whole else 0.0


def share_at_least(part: int, whole: int, *, z: float = 1.0) -> float:
    """What the true share is at least, given `part` of `whole` seen: Wilson's lower bound, z standard errors down.

    Few observations give a low bound: 1 of 2 says 0.21, 50 of 100 says 0.45.
    """
    if not whole:
        return 0.0
    seen, spread = part / whole, z * z / whole
    middle = seen + spread / 2
    return max(0.0, (middle - z * sqrt(seen * (1 - seen) / whole + spread / (4 * whole))) / (1 + spread))


def covered(times_s: Iterable[float], within_s: float, from_s: float, until_s: float) -> float:
    """The share of [from_s, until_s] that lies within `within_s` after one of `times_s`."""
    if until_s <= from_s:
        return 0.0
    total, reached = 0.0, from_s
    for at_s in sorted(times_s):
        end = min(at_s + within_s, until_s)
        total += max(0.0, end - max(at_s, reached))
        reached = max(reached, end)
    return total / (until_s - from_s)


def chance_of(count: int, chances: Sequence[float]) -> float:
    """How likely `count` or more of independent events are, each with its own chance (the Poisson binomial tail)."""
    exactly = [1.0]
    for chance in chances:
        more = [0.0, *(p * chance for p in exactly)]
        exactly = [p * (1 - chance) + up for p, up in zip([*exactly, 0.0], more, strict=True)]
    return min(1.0, sum(exactly[count:])) if count > 0 else 1.0
