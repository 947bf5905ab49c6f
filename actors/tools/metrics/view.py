"""All that one service's own series say about a window: the small summary that its neighbours' sessions share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from actors.sources import Window
from actors.tools.metrics.bursts import episodes
from actors.tools.metrics.events import Event, events
from actors.tools.metrics.flow import Course, Lull, course, is_load
from actors.tools.metrics.indicators import Indicator, Subject, indicators
from actors.tools.metrics.outages import Availability, availability
from actors.tools.metrics.series import Floats, SeriesSet, covered_s, gaps, interval_s
from actors.tools.metrics.shifts import Change, change
from actors.tools.metrics.signals import Scope, Signal, own_names

PAST_MIN = 0.25  # of the window's own coverage: with less, the window is compared with itself
LISTED_MAX = 60


@dataclass(frozen=True, slots=True)
class Level:
    """An indicator in the window: its usual and its high (95th percentile) and last value. None: no sample in it."""

    subject: Subject
    usual: float | None
    high: float | None
    last: float
    citation: str


@dataclass(frozen=True, slots=True)
class Silence:
    """A stretch without any sample of the service. `citation` is the last sample before it."""

    start_s: float
    end_s: float
    citation: str
    open: bool = False


@dataclass(frozen=True, slots=True)
class View:
    """One service over one window. `covered_s` is for how long there is data in it."""

    names: frozenset[str]  # what the service's labels call it
    levels: tuple[Level, ...]
    callers: frozenset[str]  # who its edges say calls it
    traffic: Course | None
    lulls: tuple[Lull, ...]
    events: tuple[Event, ...]
    changes: tuple[Change, ...]
    availability: Availability | None
    silences: tuple[Silence, ...]
    covered_s: float
    past_covered_s: float
    series: int
    samples: int
    gaps: tuple[str, ...]

    @property
    def has_past(self) -> bool:
        return self.past_covered_s >= PAST_MIN * self.covered_s > 0


def view(found: SeriesSet, window: Window, selector: str = "") -> View:
    """The summary of a service's series, which `selector` picked."""
    own = own_names(selector, [series.labels for series in found.series])
    every = indicators(found, own)
    unwired = [one for one in every if _is_unwired(one)]
    useful = [one for one in every if one not in unwired]
    pace_s = float(np.median([interval_s(one.times) for one in useful])) if useful else 60.0
    callers = frozenset(one.subject.caller for one in useful if one.subject.caller)
    changed = [(one, change(one, window)) for one in useful]
    steps = [(one, made.at_s if made and made.kind == "step" else None) for one, made in changed]
    traffic, lulls = course(useful, window.start_s) or (None, ())
    excursions = [episode for one, at_s in steps for episode in episodes(one, window.start_s, at_s)]
    excursions = [episode for episode in excursions if not (traffic and is_load(traffic, episode))]
    changes = [made for _, made in changed if made is not None]
    probes = [one for one in useful if one.subject.signal is Signal.AVAILABILITY]
    times = _all_times(every)
    return View(
        names=own,
        levels=tuple(_level(one, window) for one in useful[:LISTED_MAX]),
        callers=callers,
        traffic=traffic,
        lulls=lulls,
        events=tuple(events(excursions, callers, pace_s)),
        changes=tuple(_agreed(changes)),
        availability=availability(probes, window.start_s, window.as_of_s),
        silences=tuple(_silences(every, times, window)),
        covered_s=covered_s(times[times >= window.start_s]),
        past_covered_s=covered_s(times[times < window.start_s]),
        series=len(found.series),
        samples=sum(series.times.size for series in found.series),
        gaps=(*found.gaps, *(f"{one.subject.title} is 0 throughout and taken as not connected" for one in unwired)),
    )


def _is_unwired(one: Indicator) -> bool:
    """A share of success that is 0 from first to last while the service is there: nothing feeds it."""
    return one.subject.signal is Signal.ERRORS and one.subject.unit == "share" and bool((one.values >= 1.0).all())


def _level(one: Indicator, window: Window) -> Level:
    inside = one.values[one.times >= window.start_s]
    usual, high = (float(q) for q in np.quantile(inside, (0.5, 0.95))) if inside.size else (None, None)
    return Level(one.subject, usual, high, float(one.values[-1]), one.citation(float(one.times[-1])))


def _all_times(every: Sequence[Indicator]) -> Floats:
    """The times of the best covered indicator and of the one that goes on longest: enough to see silences."""
    if not every:
        return np.zeros(0)
    best = max(every, key=lambda one: one.times.size)
    latest = max(every, key=lambda one: float(one.times[-1]))
    return best.times if latest is best else np.union1d(best.times, latest.times)


def _silences(every: Sequence[Indicator], times: Floats, window: Window) -> list[Silence]:
    """Gaps that all series have in common."""
    if not every:
        return []
    best = max(every, key=lambda one: (one.times.size, float(one.times[-1])))
    found = []
    for start_s, end_s in gaps(times, window.start_s, window.as_of_s):
        if not any(((one.times > start_s) & (one.times < end_s)).any() for one in every):
            found.append(Silence(start_s, end_s, best.citation(start_s), open=end_s >= window.as_of_s))
    return found


def _agreed(changes: Sequence[Change]) -> list[Change]:
    """One change per signal, metric and direction: the largest, with how many series of the metric agree."""
    groups: dict[tuple[Signal, Scope, str, str, bool], list[Change]] = {}
    for one in changes:
        of = one.subject
        groups.setdefault((of.signal, of.scope, of.metric, of.about, one.growth > 0), []).append(one)
    best = [replace(max(alike, key=lambda c: abs(c.growth)), agreeing=len(alike)) for alike in groups.values()]
    return sorted(best, key=lambda c: (-abs(c.growth), c.subject.title))
