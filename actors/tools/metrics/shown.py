"""What the metrics tools show: views as compact JSON, every claim with the sample that shows it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from actors.contracts import JsonValue
from actors.tools.metrics.bursts import Episode
from actors.tools.metrics.events import Blame, Event
from actors.tools.metrics.outages import Availability
from actors.tools.metrics.series import Series, block_medians
from actors.tools.metrics.shifts import Change
from actors.tools.metrics.signals import Scope, Signal
from actors.tools.metrics.surroundings import Surroundings
from actors.tools.metrics.view import Level
from actors.wording import iso

LISTED_MAX = 12
POINTS_MAX = 60
NEAR_LIMIT = 0.9

Json = dict[str, JsonValue]


def level_json(level: Level) -> JsonValue:
    return {
        "metric": level.subject.title,
        "scope": level.subject.scope.value,
        "unit": level.subject.unit,
        "usual": _short(level.usual),
        "high": _short(level.high),
        "last": _short(level.last),
        "citation": level.citation,
    }


def change_json(made: Change, blamed: Blame) -> JsonValue:
    of = made.subject
    return {
        "kind": made.kind,
        "signal": of.signal.value,
        "scope": of.scope.value,
        "metric": of.title,
        "unit": of.unit,
        "at": iso(made.at_s),
        "before": _short(made.before),
        "after": _short(made.after),
        "doublings": round(made.growth, 2),
        "certainty": round(made.certainty, 2),
        "agreeing_series": made.agreeing,
        **_blamed(blamed),
        "citations": list(made.citations),
    }


def event_json(event: Event, blamed: Blame) -> JsonValue:
    return {
        "start": iso(event.start_s),
        "end": iso(event.end_s),
        "minutes": round(event.minutes, 1),
        "evidence": {kind.value: round(strength, 1) for kind, strength in sorted(event.strength.items())},
        "felt_by_callers": event.felt,
        "what": [_what(episode) for episode in _telling(event.episodes)],
        **_blamed(blamed),
        "citations": [episode.citation for episode in _telling(event.episodes)],
    }


def _telling(episodes: Sequence[Episode]) -> list[Episode]:
    """The largest episode of each metric, at most four."""
    first: dict[str, Episode] = {}
    for episode in episodes:
        if episode.subject.scope is not Scope.OUTBOUND and episode.subject.signal is not Signal.TRAFFIC:
            first.setdefault(episode.subject.metric, episode)
    return list(first.values())[:4] or list(episodes[:2])


def _what(episode: Episode) -> JsonValue:
    return {
        "metric": episode.subject.title,
        "signal": episode.subject.signal.value,
        "unit": episode.subject.unit,
        "normal": _short(episode.normal),
        "peak": _short(episode.peak),
    }


def outages_json(seen: Availability, around: Surroundings) -> JsonValue:
    blamed = [(outage, around.blame_outage(outage)) for outage in seen.outages]
    longest = sorted(blamed, key=lambda pair: (-pair[0].minutes, pair[0].start_s))[:LISTED_MAX]
    return {
        "count": len(seen.outages),
        "minutes": round(seen.minutes, 1),
        "own_count": sum(not cause.cause for _, cause in blamed),
        "own_minutes": round(sum(outage.minutes for outage, cause in blamed if not cause.cause), 1),
        "watched_minutes": round(seen.watched_minutes, 1),
        "down_now": any(outage.open for outage in seen.outages),
        "longest": [
            {
                "start": iso(o.start_s),
                "end": iso(o.end_s),
                "minutes": round(o.minutes, 1),
                **_blamed(cause),
                "citation": o.citation,
            }
            for o, cause in longest
        ],
        "citation": seen.citation,
    }


def _blamed(blamed: Blame) -> Json:
    return {"role": "symptom" if blamed.cause else "cause", "cause": blamed.cause, "why": blamed.why}


def neighbours_json(around: Surroundings) -> list[JsonValue]:
    return [
        {
            "service": read.neighbour.service,
            "relation": read.neighbour.relation,
            "episodes": len(read.view.events) if read.view else None,
            "unreadable": read.reason[:200],
        }
        for read in around.neighbours
    ]


def gaps_json(around: Surroundings) -> list[JsonValue]:
    said = list(around.own.gaps)
    if not around.own.has_past:
        said.append("there is too little data before the window to compare with: the window was compared with itself")
    unread = [read.neighbour.service for read in around.neighbours if read.view is None]
    if unread:
        said.append(f"could not be compared with: {', '.join(unread[:8])}{' and others' if len(unread) > 8 else ''}")
    if around.left_some_out:
        said.append(f"of its neighbours only {len(around.neighbours)} were looked at, dependencies first")
    shown: list[JsonValue] = [text[:300] for text in dict.fromkeys(said)]
    return shown[:LISTED_MAX]


def is_near_limit(level: Level) -> bool:
    of = level.subject
    return of.signal is Signal.SATURATION and of.unit == "share" and level.high is not None and level.high >= NEAR_LIMIT


def size(event: Event) -> float:
    return sum(event.strength.values()) * math.sqrt(1 + event.minutes)


def points_json(series: Series) -> JsonValue:
    times, values = series.times, series.values
    if times.size > POINTS_MAX:
        times, values = block_medians(times, values, float(times[-1] - times[0]) / POINTS_MAX + 1.0)
    last = f"metric:{series.selector}@{int(np.ceil(series.times[-1]))}"
    return {
        "series": series.selector,
        "points": [[iso(t), _short(v)] for t, v in zip(times, values, strict=True)],
        "citation": last,
    }


def _short(value: float | None) -> float | None:
    """Four significant digits: enough to judge, few to read."""
    return None if value is None else float(format(value, ".4g"))
