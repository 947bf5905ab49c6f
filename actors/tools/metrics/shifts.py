"""Lasting changes of an indicator's level: steps with their time, and trends."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from actors.sources import Window
from actors.tools.metrics.bursts import Sense, sense
from actors.tools.metrics.indicators import Indicator, Subject
from actors.tools.metrics.series import (
    DAY_S,
    HOUR_S,
    MAD_TO_SIGMA,
    Flags,
    Floats,
    block_medians,
    covered_s,
    daily_profile,
    interval_s,
    is_regular,
)

BLOCKS = 120  # how finely a change is placed in time
BLOCKS_MIN = 24
RANK_SIGMAS_MIN = 4.0  # of the rank sum of all blocks before against all after: one chance in 15,000 for each split
ORDERED_MIN = 0.9  # share of pairs (one block before, one after) that are in the order of the change
TREND_TAU_MIN = 0.6  # Kendall's: the share of pairs in order, less that of pairs out of order
STEP_GROWTH_MIN = 0.5  # doublings, with the floor of the signal added to both levels: +41 %
TREND_GROWTH_MIN = 0.4  # +32 % over the window
HOLE_S = 6 * HOUR_S  # a step inside a gap longer than this was seen by nobody

Kind = Literal["step", "trend"]


@dataclass(frozen=True, slots=True)
class Change:
    """`at_s` is when a step came, or when a trend began. `growth` is in doublings, negative for a fall."""

    subject: Subject
    kind: Kind
    at_s: float
    before: float
    after: float
    growth: float
    certainty: float  # 0 to 1, from ranks, and from how many days of data there are
    agreeing: int  # series of the same metric that changed likewise
    citations: tuple[str, ...]


def change(indicator: Indicator, window: Window) -> Change | None:
    """The indicator's one lasting change since the window began, or None. The past before it is the comparison.

    Where there is none (data that begins later), the rest of the same window is.
    """
    how = sense(indicator)
    if how is None or indicator.times.size < 4 * BLOCKS_MIN or not is_regular(indicator.times):
        return None
    times, logs = _blocks(indicator, how)
    if times.size < BLOCKS_MIN:
        return None
    step = _step(indicator, how, times, logs, window)
    trend = _trend(indicator, how, times, logs, window)
    if step and trend:  # the one that leaves less unexplained
        late = times >= window.start_s
        return trend if _line_error(times, logs, late) < _step_error(times, logs, step.at_s) else step
    return step or trend


def _blocks(indicator: Indicator, how: Sense) -> tuple[Floats, Floats]:
    """Medians of blocks in natural-log units: whole days where there are enough, else without the daily profile."""
    logs = np.log(np.maximum(indicator.values, 0.0) + how.floor)
    span_s = float(indicator.times[-1] - indicator.times[0])
    if span_s >= BLOCKS_MIN * DAY_S:
        return block_medians(indicator.times, logs, max(DAY_S, math.ceil(span_s / BLOCKS / DAY_S) * DAY_S))
    block_s = max(span_s / BLOCKS, 4 * interval_s(indicator.times))
    return block_medians(indicator.times, logs - daily_profile(indicator.times, logs), block_s)


def _step(indicator: Indicator, how: Sense, times: Floats, logs: Floats, window: Window) -> Change | None:
    size = logs.size
    edge = max(3, size // 20)
    splits = np.arange(edge, size - edge + 1)
    splits = splits[times[splits] >= window.start_s]
    if splits.size == 0:
        return None
    ranks = np.argsort(np.argsort(logs, kind="stable"), kind="stable") + 1.0
    above = np.cumsum(ranks)[splits - 1] - splits * (splits + 1) / 2  # Mann and Whitney's U of the part before
    pairs = splits * (size - splits)
    sigmas = (pairs / 2 - above) / np.sqrt(pairs * (size + 1) / 12)
    best = int(np.argmax(np.abs(sigmas)))
    split = int(splits[best])
    if times[split] - times[split - 1] > HOLE_S + float(np.median(np.diff(times))):
        return None
    ordered = max(above[best], pairs[best] - above[best]) / pairs[best]
    before, after = float(np.median(logs[:split])), float(np.median(logs[split:]))
    rest = MAD_TO_SIGMA * float(np.median(np.abs(logs - np.where(np.arange(size) < split, before, after))))
    growth = (after - before) / math.log(2)
    lasting = (float(np.median(logs[-edge:])) - before) * np.sign(after - before) >= abs(after - before) / 2
    if abs(sigmas[best]) < RANK_SIGMAS_MIN or ordered < ORDERED_MIN or not lasting:
        return None
    if abs(growth) < STEP_GROWTH_MIN * how.doublings_min or abs(after - before) < 3 * rest:
        return None
    certainty = _certainty(indicator, float(ordered))
    at_s = _refined(
        indicator, how, float(times[max(split - 2, 0)]), float(times[min(split + 1, size - 1)]), before, after
    )
    return _made(indicator, how, "step", at_s, before, after, certainty)


def _refined(indicator: Indicator, how: Sense, first_s: float, last_s: float, before: float, after: float) -> float:
    """The sample in a short time with which the level changed: the split that leaves least unexplained."""
    first, last = np.searchsorted(indicator.times, (first_s, last_s))
    logs = np.log(np.maximum(indicator.values[first : last + 1], 0.0) + how.floor)
    early, late = np.abs(logs - before), np.abs(logs - after)
    unexplained = np.concatenate(([0.0], np.cumsum(early)[:-1])) + np.cumsum(late[::-1])[::-1]
    return float(indicator.times[first + int(np.argmin(unexplained))])


def _trend(indicator: Indicator, how: Sense, times: Floats, logs: Floats, window: Window) -> Change | None:
    """Theil and Sen's slope over the window's blocks, where Kendall's test finds one."""
    inside = times >= window.start_s
    times, logs = times[inside], logs[inside]
    if times.size < 12 or covered_s(indicator.times) < 3 * DAY_S:
        return None
    first, second = np.triu_indices(times.size, 1)
    rises = logs[second] - logs[first]
    tau = float(np.sign(rises).mean())
    slope = float(np.median(rises / (times[second] - times[first])))
    growth = slope * (times[-1] - times[0]) / math.log(2)
    if abs(tau) < TREND_TAU_MIN or abs(growth) < TREND_GROWTH_MIN * how.doublings_min:
        return None
    middle = float(np.median(logs - slope * times))
    before, after = middle + slope * times[0], middle + slope * times[-1]
    return _made(indicator, how, "trend", float(times[0]), before, after, _certainty(indicator, (1 + abs(tau)) / 2))


def _made(
    indicator: Indicator, how: Sense, kind: Kind, at_s: float, before: float, after: float, certainty: float
) -> Change:
    earlier = max(at_s - 1.0, float(indicator.times[0])) if kind == "step" else at_s
    later = float(indicator.times[-1])
    most = float(indicator.values.max())  # a line must not run beyond what was ever seen
    return Change(
        subject=indicator.subject,
        kind=kind,
        at_s=at_s,
        before=max(math.exp(before) - how.floor, 0.0),
        after=min(max(math.exp(after) - how.floor, 0.0), most),
        growth=(after - before) / math.log(2),
        certainty=certainty,
        agreeing=1,
        citations=(indicator.citation(earlier), indicator.citation(later)),
    )


def _certainty(indicator: Indicator, ordered: float) -> float:
    """From 0.5 for a bare majority and a day of data to nearly 1 for clear order over a week or more."""
    days = covered_s(indicator.times) / DAY_S
    return float(np.clip(0.3 + 0.4 * (2 * ordered - 1) + 0.25 * (1 - math.exp(-days / 3)), 0.0, 0.95))


def _step_error(times: Floats, logs: Floats, at_s: float) -> float:
    """What two levels leave unexplained."""
    late = times >= at_s
    return sum(float(np.abs(part - np.median(part)).sum()) for part in (logs[late], logs[~late]) if part.size)


def _line_error(times: Floats, logs: Floats, late: Flags) -> float:
    """What a level before the window and a line over it leave unexplained."""
    slope, middle = np.polyfit(times[late] - times[-1], logs[late], 1)
    line = float(np.abs(logs[late] - middle - slope * (times[late] - times[-1])).sum())
    early = logs[~late]
    return line + (float(np.abs(early - np.median(early)).sum()) if early.size else 0.0)
