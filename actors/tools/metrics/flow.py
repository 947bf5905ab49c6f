"""How a service's traffic goes up and down, and whether it passes on what it gets.

A service that fails early still gets its calls, while what it would call next gets none: its dependencies starve. That
shows faults that leave no trace in its own latency and resources, such as exceptions and wrong answers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from actors.tools.metrics.bursts import SAMPLES_ALONE_MIN, SAMPLES_MIN, Episode, residuals, sense
from actors.tools.metrics.indicators import Indicator
from actors.tools.metrics.series import Floats, interval_s, is_regular, median_and_sigma, runs
from actors.tools.metrics.signals import Scope, Signal

FALL_MIN = 1.0  # doublings: to less than half
SIGMAS_MIN = 5.0
LOAD_MIN = 0.5  # the part of a resource's rise that traffic must have risen by, to explain it
LOAD_RISE_MIN = 0.5  # doublings of traffic
LULLS_MAX = 100


@dataclass(frozen=True, slots=True, eq=False)
class Course:
    """A service's traffic relative to its usual level, in doublings, over the window: the median of its series."""

    times: Floats
    doublings: Floats

    def between(self, start_s: float, end_s: float) -> float:
        """The median of a stretch; 0 where there is nothing."""
        first, last = np.searchsorted(self.times, (start_s, end_s + 1e-3))
        return float(np.median(self.doublings[first:last])) if last > first else 0.0


@dataclass(frozen=True, slots=True)
class Lull:
    """Less than half of the usual traffic, for several samples. `shown` is the clearest of its series."""

    start_s: float
    end_s: float
    fall: float  # doublings
    shown: Episode


@dataclass(frozen=True, slots=True)
class Starvation:
    """A dependency that got much less from a service than the service itself got from its callers."""

    service: str
    start_s: float
    end_s: float
    gap: float  # doublings between the two
    shown: Episode


def course(every: Sequence[Indicator], start_s: float) -> tuple[Course, tuple[Lull, ...]] | None:
    """A service's traffic since `start_s` and its lulls, or None where it has no regular traffic series of its own."""
    own = [one for one in every if _is_traffic(one)]
    if not own:
        return None
    away = [(one, *_away(one)) for one in own]
    times = max(own, key=lambda one: (one.times.size, one.subject.title)).times
    together = np.median(np.stack([_nearest(times, one.times, values) for one, values, _ in away]), axis=0)
    _, sigma = median_and_sigma(together)
    low = together < -max(FALL_MIN, SIGMAS_MIN * sigma)
    found = [
        _lull(away, together, float(times[first]), float(times[last]), slice(first, last + 1))
        for first, last in runs(low & (times >= start_s), bridge=0)
        if last - first + 1 >= SAMPLES_ALONE_MIN
    ]
    inside = times >= start_s
    kept = Course(times[inside].astype(np.float32).astype(np.float64), together[inside].astype(np.float32))
    return kept, tuple(found[:LULLS_MAX])


def is_load(own: Course, episode: Episode) -> bool:
    """Whether a resource was used more because more was asked of the service: no trouble, as long as it can."""
    if episode.subject.signal is not Signal.SATURATION:
        return False
    return own.between(episode.start_s, episode.end_s) >= max(LOAD_MIN * episode.doublings, LOAD_RISE_MIN)


def starved(
    own: Course, names: frozenset[str], dependencies: Mapping[str, tuple[Sequence[Lull], frozenset[str]]]
) -> list[Starvation]:
    """Where dependencies got much less while the service called `names` went on getting its calls.

    `dependencies` come with who is known to call them. One that others call as well says nothing; where nobody is
    known, two of them must starve at one time.
    """
    sure: list[Starvation] = []
    unsure: list[Starvation] = []
    for service, (lulls, callers) in dependencies.items():
        for lull in lulls:
            gap = lull.fall + own.between(lull.start_s, lull.end_s)
            if gap < FALL_MIN or not callers <= names:
                continue
            one = Starvation(service, lull.start_s, lull.end_s, gap, lull.shown)
            (sure if callers else unsure).append(one)
    paired = [
        one for one in unsure if any(_meet(one, other) for other in (*sure, *unsure) if other.service != one.service)
    ]
    return sorted([*sure, *paired], key=lambda one: (one.start_s, one.service))


def _is_traffic(one: Indicator) -> bool:
    mine = one.subject.signal is Signal.TRAFFIC and one.subject.scope is Scope.OWN
    return mine and one.times.size >= SAMPLES_MIN and is_regular(one.times)


def _away(one: Indicator) -> tuple[Floats, Floats]:
    """Residuals in doublings, and the normal level."""
    how = sense(one)
    assert how is not None, "traffic always has a sense"
    away, level = residuals(one, how)
    return away / math.log(2), level


def _nearest(times: Floats, known: Floats, values: Floats) -> Floats:
    """Values at other times: the sample at or before each; 0 (as usual) where the last is three intervals old."""
    place = np.maximum(np.searchsorted(known, times + 1e-3) - 1, 0)
    fresh = np.abs(times - known[place]) <= 3 * interval_s(known)
    return np.where(fresh, values[place], 0.0)


def _lull(
    away: Sequence[tuple[Indicator, Floats, Floats]], together: Floats, start_s: float, end_s: float, inside: slice
) -> Lull:
    fall = -float(np.mean(together[inside]))
    lowest = [(one, values, level, _lowest(one, values, start_s, end_s)) for one, values, level in away]
    one, values, level, at = min(lowest, key=lambda each: (float(each[1][each[3]]), each[0].subject.title))
    shown = Episode(
        subject=one.subject,
        start_s=start_s,
        end_s=end_s,
        samples=inside.stop - inside.start,
        normal=float(max(level[at], 0.0)),
        peak=float(one.values[at]),
        peak_at_s=float(one.times[at]),
        doublings=-float(values[at]),
        sigmas=0.0,
        citation=one.citation(float(one.times[at])),
    )
    return Lull(start_s, end_s, fall, shown)


def _lowest(one: Indicator, values: Floats, start_s: float, end_s: float) -> int:
    first, last = np.searchsorted(one.times, (start_s - 1e-3, end_s + 1e-3))
    first = min(int(first), one.times.size - 1)
    return first + int(np.argmin(values[first : max(int(last), first + 1)]))


def _meet(one: Starvation, other: Starvation) -> bool:
    return one.start_s <= other.end_s and other.start_s <= one.end_s
