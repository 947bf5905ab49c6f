"""Bounded episodes in which an indicator is far outside of its normal band."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from actors.tools.metrics.indicators import Indicator, Subject
from actors.tools.metrics.series import (
    DAY_S,
    HOUR_S,
    Flags,
    Floats,
    daily_profile,
    interval_s,
    is_regular,
    median_and_sigma,
    moving_level,
    runs,
    segments,
)
from actors.tools.metrics.signals import Signal

SAMPLES_MIN = 40  # fewer tell no normal band
SIGMAS_MIN = 5.0
SIGMA_FLOOR = 0.05  # 5 %: a series that hardly ever moves is not allowed to make a burst of a trifle
SAMPLES_ALONE_MIN = 3  # how long an indicator that nobody confirms must stay outside
RESOLUTION_SLACK = 0.3  # doublings beyond the buckets of a histogram
BRIEF_MAX = 5
WIDENINGS_MAX = 8
EPISODES_MAX = 400


@dataclass(frozen=True, slots=True)
class Sense:
    """When an indicator is far outside. Values are compared as log(value + floor): so small ones count for little.

    `floor` is in the indicator's unit; `doublings_min` is how far above (or below) the normal level is far.
    """

    floor: float
    doublings_min: float
    falling: bool = False


SENSES = {
    (Signal.LATENCY, "seconds"): Sense(0.010, 1.0),  # 10 ms: below it nobody waits
    (Signal.ERRORS, "share"): Sense(0.01, 1.0),  # 1 %: from 0.1 % to 0.2 % is no burst, from 0.1 % to 2 % is
    (Signal.SATURATION, "share"): Sense(0.05, 1.0),
}
RELATIVE_FLOOR = 0.25  # of the median, where the unit gives no absolute floor


@dataclass(frozen=True, slots=True)
class Episode:
    """One indicator outside of its band. `doublings` is the mean excursion, `peak_at_s` where it was largest."""

    subject: Subject
    start_s: float
    end_s: float
    samples: int
    normal: float
    peak: float
    peak_at_s: float
    doublings: float
    sigmas: float
    citation: str  # the sample at the peak


def sense(indicator: Indicator) -> Sense | None:
    """How to look at an indicator, or None for one whose bursts say nothing."""
    known = SENSES.get((indicator.subject.signal, indicator.subject.unit))
    if known is not None:
        coarse = indicator.resolution + RESOLUTION_SLACK if indicator.resolution else 0.0
        return replace(known, doublings_min=max(known.doublings_min, coarse))
    middle = float(np.median(np.abs(indicator.values)))
    floor = max(RELATIVE_FLOOR * middle, 1e-9)
    if indicator.subject.signal is Signal.TRAFFIC:
        return Sense(floor, 1.5, falling=True)
    if indicator.subject.signal in (Signal.SATURATION, Signal.ERRORS, Signal.LATENCY):
        return Sense(floor, 1.5)
    return None


def residuals(indicator: Indicator, how: Sense, step_at_s: float | None = None) -> tuple[Floats, Floats]:
    """How far each value is from its normal level, in natural-log units; and that level in the indicator's unit.

    Before and after a step the levels are taken apart. The level follows the hour of the day where there are three days
    of data, and moves slowly: medians over a quarter of each unbroken stretch, at least three hours and at most a day.
    """
    logs = np.log(np.maximum(indicator.values, 0.0) + how.floor)
    level = np.empty_like(logs)
    for part in segments(indicator.times, step_at_s):
        times, here = indicator.times[part], logs[part]
        daily = daily_profile(times, here)
        block_s = float(np.clip((times[-1] - times[0]) / 4, 3 * HOUR_S, DAY_S))
        level[part] = daily + moving_level(times, here - daily, block_s)
    return logs - level, np.exp(level) - how.floor


def episodes(indicator: Indicator, start_s: float, step_at_s: float | None = None) -> list[Episode]:
    """The indicator's episodes since `start_s`, in order of time. None for irregular or very short series.

    `step_at_s` is when its level changed for good, if it did: that is no episode.
    """
    how = sense(indicator)
    if how is None or indicator.times.size < SAMPLES_MIN or not is_regular(indicator.times):
        return []
    away, level = residuals(indicator, how, step_at_s)
    if how.falling:
        away = -away
    _, sigma = median_and_sigma(away)
    sigma = max(sigma, SIGMA_FLOOR)
    far = _far(away, max(SIGMAS_MIN * sigma, how.doublings_min * math.log(2)))
    ranges = [(first, last) for first, last in runs(far) if _is_burst(indicator.times, first, last)]
    recent = [(first, last) for first, last in ranges if indicator.times[last] >= start_s]
    return [_episode(indicator, first, last, away, level, sigma) for first, last in recent[:EPISODES_MAX]]


def _episode(indicator: Indicator, first: int, last: int, away: Floats, level: Floats, sigma: float) -> Episode:
    peak = first + int(np.argmax(away[first : last + 1]))
    mean = float(away[first : last + 1].mean())
    return Episode(
        subject=indicator.subject,
        start_s=float(indicator.times[first]),
        end_s=float(indicator.times[last]),
        samples=last - first + 1,
        normal=float(max(level[peak], 0.0)),
        peak=float(indicator.values[peak]),
        peak_at_s=float(indicator.times[peak]),
        doublings=mean / math.log(2),
        sigmas=mean / sigma,
        citation=indicator.citation(float(indicator.times[peak])),
    )


def _far(away: Floats, least: float) -> Flags:
    """Which samples are outside of the band. It is widened until brief excursions, which are noise, are rare in it."""
    for _ in range(WIDENINGS_MAX):
        far = away > least
        ranges = runs(far)
        brief = [float(away[a : b + 1].max()) for a, b in ranges if int(far[a : b + 1].sum()) < SAMPLES_ALONE_MIN]
        if len(brief) < BRIEF_MAX or 2 * len(brief) < len(ranges):
            break
        least = max(least * 1.1, float(np.quantile(brief, 0.8)))
    return away > least


def _is_burst(times: Floats, first: int, last: int) -> bool:
    """Samples that follow one another, and no new level: at most a fifth of the time that there is data for."""
    unbroken = times[last] - times[first] <= 3 * interval_s(times) * (last - first + 1)
    return bool(unbroken and last - first + 1 <= max(times.size / 5, SAMPLES_ALONE_MIN))
