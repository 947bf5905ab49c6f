"""Several series on one grid of time: what counters grew by, means, quantiles of histograms."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from actors.tools.metrics.series import Flags, Floats, Places, Series, interval_s

BINS_MAX = 20_000


def rates(members: list[Series], part: list[Series]) -> tuple[Floats, Floats, Floats]:
    """Per second, of all members and of some, on one grid; bins in which nothing was scraped are left out."""
    start_s, end_s = extent(members)
    step_s = step_of(members)
    filled = _seen(members, start_s, end_s, step_s)
    times = start_s + step_s * (np.arange(filled.size)[filled] + 1)
    of_all, of_part = (increases(some, start_s, end_s, step_s)[filled] / step_s for some in (members, part))
    return times, of_all, of_part


def increases(members: Sequence[Series], start_s: float, end_s: float, step_s: float) -> Floats:
    """By how much counters grew in each bin, together. A fall is a restart: the counter began again from zero."""
    total = np.zeros(_bins(start_s, end_s, step_s))
    for series in members:
        grown = np.diff(series.values)
        grown = np.where(grown < 0, series.values[1:], grown)
        usual = interval_s(series.times)
        grown[np.diff(series.times) > 10 * usual] = 0.0  # over a gap nobody knows when it grew
        total += np.bincount(_bin_of(series.times[1:], start_s, step_s, total.size), grown, total.size)
    return total


def mean(members: Sequence[Series]) -> tuple[Floats, Floats]:
    start_s, end_s = extent(members)
    step_s = step_of(members)
    size = _bins(start_s, end_s, step_s)
    at = np.concatenate([_bin_of(s.times, start_s, step_s, size) for s in members])
    count = np.bincount(at, minlength=size)
    total = np.bincount(at, np.concatenate([s.values for s in members]), size)
    filled = count > 0
    return start_s + step_s * (np.arange(size)[filled] + 1), total[filled] / count[filled]


def histogram_quantile(bounds: Floats, cumulative: Floats, quantile: float) -> Floats:
    """As Prometheus does it: linear inside the bucket; beyond the last finite bound, that bound."""
    rank = quantile * cumulative[-1]
    bucket = np.minimum((cumulative < rank).sum(axis=0), len(bounds) - 2)
    columns = np.arange(cumulative.shape[1])
    low = np.where(bucket > 0, bounds[np.maximum(bucket - 1, 0)], 0.0)
    below = np.where(bucket > 0, cumulative[np.maximum(bucket - 1, 0), columns], 0.0)
    inside = cumulative[bucket, columns] - below
    share = np.divide(rank - below, inside, out=np.ones_like(rank), where=inside > 0)
    values: Floats = low + (bounds[bucket] - low) * np.clip(share, 0.0, 1.0)
    return values


def resolution(bounds: Sequence[float], value: float) -> float:
    """How far the bucket of a value reaches, or the next one, in doublings: within it a quantile is a guess."""
    place = int(np.searchsorted(bounds, value))
    around = [bound for bound in bounds[max(place - 1, 0) : place + 2] if 0 < bound < math.inf]
    return max((math.log2(high / low) for low, high in pairwise(around)), default=0.0)


def extent(members: Sequence[Series]) -> tuple[float, float]:
    return min(float(s.times[0]) for s in members), max(float(s.times[-1]) for s in members)


def step_of(members: Sequence[Series]) -> float:
    """The width of bins: the usual interval, so wide that there are at most BINS_MAX."""
    start_s, end_s = extent(members)
    usual = max(float(np.median([interval_s(s.times) for s in members])), 1.0)
    return max(usual, math.ceil((end_s - start_s) / BINS_MAX))


def come_and_go(members: list[Series]) -> bool:
    """Whether most of these series cover little of the time that they cover together, as pods of many releases do."""
    start_s, end_s = extent(members)
    spans = [float(s.times[-1] - s.times[0]) for s in members]
    return len(members) > 2 and float(np.median(spans)) < 0.5 * (end_s - start_s)


def _seen(members: Sequence[Series], start_s: float, end_s: float, step_s: float) -> Flags:
    seen = np.zeros(_bins(start_s, end_s, step_s), dtype=bool)
    for series in members:
        seen[_bin_of(series.times[1:], start_s, step_s, seen.size)] = True
    return seen


def _bin_of(times: Floats, start_s: float, step_s: float, size: int) -> Places:
    """The bin (start, end] that each time falls into."""
    places: Places = np.clip(np.ceil((times - start_s) / step_s).astype(np.int64) - 1, 0, size - 1)
    return places


def _bins(start_s: float, end_s: float, step_s: float) -> int:
    return max(math.ceil((end_s - start_s) / step_s), 1)
