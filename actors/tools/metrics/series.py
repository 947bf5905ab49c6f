"""Series of samples and robust statistics over them: arrays in, numbers out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from actors.tools.metrics.selectors import written

Floats: TypeAlias = NDArray[np.floating[Any]]
Flags: TypeAlias = NDArray[np.bool_]
Places: TypeAlias = NDArray[np.int64]

MAD_TO_SIGMA = 1.4826  # of a normal distribution
VALUE_MAX = 1e100  # nothing measured is larger, and sums and differences of less stay finite
HOUR_S = 3_600.0
DAY_S = 86_400.0


@dataclass(frozen=True, eq=False)
class Series:
    """One series: `times` are Unix seconds, ascending and distinct; `values` as many finite numbers.

    `step_s` is 0 for raw samples; otherwise each value stands for the `step_s` seconds up to its time.
    `unit` is set where the values are no longer in the unit that the source says.
    """

    name: str
    labels: Mapping[str, str]
    times: Floats
    values: Floats
    step_s: float = 0.0
    unit: str = ""

    @cached_property
    def selector(self) -> str:
        return written(self.name, self.labels)


@dataclass(frozen=True, slots=True)
class Family:
    """What a source says about a metric. `kind` is counter, gauge, histogram, summary, or empty when not said."""

    kind: str = ""
    help: str = ""
    unit: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class SeriesSet:
    """All series behind one selector, with what is said about them, and what was left out and why."""

    series: tuple[Series, ...]
    families: Mapping[str, Family] = field(default_factory=dict)
    gaps: tuple[str, ...] = ()


def cleaned(times: Floats, values: Floats) -> tuple[Floats, Floats]:
    """Finite samples in order of time, the last of those with one time."""
    keep = np.isfinite(times) & (np.abs(values) <= VALUE_MAX)
    if not keep.all():
        times, values = times[keep], values[keep]
    if times.size > 1 and not (np.diff(times) > 0).all():
        order = np.argsort(times, kind="stable")
        times, values = times[order], values[order]
        last = np.append(np.diff(times) > 0, True)
        times, values = times[last], values[last]
    return times, values


def interval_s(times: Floats) -> float:
    """The usual distance of two samples, in seconds; 0 for fewer than two."""
    return float(np.median(np.diff(times))) if times.size > 1 else 0.0


def is_regular(times: Floats) -> bool:
    """Whether samples come at a steady pace. A prober that writes only changes does not."""
    if times.size < 3:
        return False
    steps = np.diff(times)
    usual = np.median(steps)
    return bool(np.mean((steps >= usual / 3) & (steps <= 3 * usual)) >= 0.9)


def covered_s(times: Floats) -> float:
    """For how many seconds there is data: the span without its gaps."""
    usual = interval_s(times)
    return float(np.minimum(np.diff(times), 3 * usual).sum() + usual) if times.size > 1 else 0.0


def gaps(times: Floats, start_s: float, end_s: float) -> list[tuple[float, float]]:
    """Stretches without samples of more than ten intervals and half an hour, between and after the samples."""
    usual = interval_s(times)
    if not usual or not is_regular(times):
        return []
    inside = times[(times >= start_s) & (times <= end_s)]
    edges = np.append(inside, end_s)
    wide = np.flatnonzero(np.diff(edges) > max(10 * usual, HOUR_S / 2))
    return [(float(edges[at]), float(edges[at + 1])) for at in wide]


def segments(times: Floats, cut_s: float | None = None) -> list[slice]:
    """Stretches of a series that no gap of more than six hours (and of 60 intervals) interrupts, cut at `cut_s` too."""
    wide = np.flatnonzero(np.diff(times) > max(60 * interval_s(times), 6 * HOUR_S)) + 1
    cut = [] if cut_s is None else [int(np.searchsorted(times, cut_s))]
    edges = sorted({0, *wide.tolist(), *cut, times.size})
    return [slice(first, last) for first, last in pairwise(edges) if last > first]


def median_and_sigma(values: Floats) -> tuple[float, float]:
    """The median, and the deviation that a normal distribution of this MAD would have."""
    middle = float(np.median(values))
    return middle, MAD_TO_SIGMA * float(np.median(np.abs(values - middle)))


def grouped_medians(groups: Places, values: Floats, count: int) -> Floats:
    """The median of the values of each group 0..count-1; NaN for an empty one."""
    order = np.lexsort((values, groups))
    ordered = values[order]
    edges = np.searchsorted(groups[order], np.arange(count + 1))
    sizes = np.diff(edges)
    low = np.minimum(edges[:-1] + np.maximum(sizes - 1, 0) // 2, values.size - 1)
    high = np.minimum(edges[:-1] + sizes // 2, values.size - 1)
    return np.where(sizes > 0, (ordered[low] + ordered[high]) / 2, np.nan)


def daily_profile(times: Floats, values: Floats) -> Floats:
    """What the hour of the day adds to each value: zeros when there are fewer than three days of it.

    Shape: as `values`. Per hour the median, relative to the median of all hours.
    """
    if times.size < 72 or times[-1] - times[0] < 3 * DAY_S:
        return np.zeros_like(values)
    hours: Places = ((times % DAY_S) // HOUR_S).astype(np.int64)
    medians = grouped_medians(hours, values, 24)
    profile: Floats = np.nan_to_num(medians - np.nanmedian(medians), nan=0.0)[hours]
    return profile


def block_medians(times: Floats, values: Floats, block_s: float) -> tuple[Floats, Floats]:
    """Middle time and median value of each block of `block_s` seconds that has samples, in order."""
    if times.size == 0:
        return times, values
    blocks = ((times - times[0]) // block_s).astype(np.int64)
    edges = np.append(np.flatnonzero(np.diff(blocks, prepend=-1)), times.size)
    groups: Places = np.repeat(np.arange(edges.size - 1), np.diff(edges))
    middle: Floats = (times[edges[:-1]] + times[edges[1:] - 1]) / 2
    return middle, grouped_medians(groups, values, edges.size - 1)


def moving_level(times: Floats, values: Floats, block_s: float) -> Floats:
    """The slow level under each value: medians of blocks, each the median of itself and its neighbours.

    A burst that is shorter than a block does not move it.
    """
    at, level = block_medians(times, values, block_s)
    if level.size < 3:
        return np.full(values.shape, np.median(values))
    padded = np.concatenate((level[:1], level, level[-1:]))
    smooth = np.median(np.stack((padded[:-2], padded[1:-1], padded[2:])), axis=0)
    interpolated: Floats = np.interp(times, at, smooth)
    return interpolated


def runs(flags: Flags, *, bridge: int = 1) -> list[tuple[int, int]]:
    """Index ranges [first, last] of flagged samples, over up to `bridge` unflagged ones between."""
    at = np.flatnonzero(flags)
    if at.size == 0:
        return []
    cuts = np.flatnonzero(np.diff(at) > bridge + 1)
    firsts, lasts = at[np.append(0, cuts + 1)], at[np.append(cuts, at.size - 1)]
    return list(zip(firsts.tolist(), lasts.tolist(), strict=True))
