"""When a service could not be reached, from probes and `up`: episodes, minutes, and whether it is down now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from actors.tools.metrics.indicators import Indicator
from actors.tools.metrics.series import DAY_S, Flags, Floats, interval_s, is_regular

HELD_MAX_S = DAY_S  # a prober that writes only changes writes at least once a day
INTERVALS_HELD_MAX = 3  # a regular series says nothing about longer silences
UP_MIN = 0.5


@dataclass(frozen=True, slots=True)
class Outage:
    """At least half of what is watched was down. `citation` is the first sample that says so."""

    start_s: float
    end_s: float
    citation: str
    open: bool = False  # still down at the last sample

    @property
    def minutes(self) -> float:
        return (self.end_s - self.start_s) / 60


@dataclass(frozen=True, slots=True)
class Availability:
    """What probes say of a window. `watched_minutes` is for how long there was a probe to say anything."""

    outages: tuple[Outage, ...]
    watched_minutes: float
    citation: str  # a sample of the window, for the claim that nothing happened

    @property
    def minutes(self) -> float:
        return sum(outage.minutes for outage in self.outages)


def availability(probes: Sequence[Indicator], start_s: float, end_s: float) -> Availability | None:
    """Outages since `start_s` over all availability series together, or None where none of them has a sample."""
    held = [(probe, *_held(probe, start_s, end_s)) for probe in probes]
    held = [one for one in held if one[1].size]
    if not held:
        return None
    edges = np.unique(np.concatenate([np.concatenate((starts, ends)) for _, starts, ends, _ in held]))
    watched, up = np.zeros(edges.size), np.zeros(edges.size)
    for _, starts, ends, values in held:
        first, last = np.searchsorted(edges, starts), np.searchsorted(edges, ends)
        np.add.at(watched, first, 1.0)
        np.add.at(watched, last, -1.0)
        np.add.at(up, first, values)
        np.add.at(up, last, -values)
    watched, up = np.cumsum(watched)[:-1], np.cumsum(up)[:-1]
    seen = watched > 0.5
    down = seen & (up < UP_MIN * watched - 1e-9)
    now_s = max(float(ends[-1]) for _, _, ends, _ in held)
    outages = [_outage(held, a, b, now_s) for a, b in _stretches(edges, down)]
    minutes = float(np.diff(edges)[seen].sum() / 60)
    return Availability(tuple(outages), minutes, held[0][0].citation(end_s))


Held = tuple[Indicator, Floats, Floats, Floats]


def _held(probe: Indicator, start_s: float, end_s: float) -> tuple[Floats, Floats, Floats]:
    """From when to when each sample speaks, inside the window, and its value."""
    times, values = probe.times, probe.values
    usual = interval_s(times)
    limit_s = max(INTERVALS_HELD_MAX * usual, 60.0) if is_regular(times) else HELD_MAX_S
    last_s = min(usual, limit_s) if is_regular(times) else 0.0
    ends = np.minimum(np.append(times[1:], times[-1] + max(last_s, 1.0)), times + limit_s)
    starts, ends = np.maximum(times, start_s), np.minimum(ends, end_s)
    kept = ends > starts
    return starts[kept], ends[kept], values[kept]


def _stretches(edges: Floats, flags: Flags) -> list[tuple[float, float]]:
    padded = np.diff(np.concatenate(([0], flags.astype(np.int8), [0])))
    return [
        (float(edges[a]), float(edges[b]))
        for a, b in zip(np.flatnonzero(padded == 1), np.flatnonzero(padded == -1), strict=True)
    ]


def _outage(held: Sequence[Held], start_s: float, end_s: float, now_s: float) -> Outage:
    speaking = next(
        (one[0] for one in held if ((one[1] <= start_s) & (one[2] > start_s) & (one[3] < UP_MIN)).any()), held[0][0]
    )
    return Outage(start_s, end_s, speaking.citation(start_s), open=end_s >= now_s - 1.0)
