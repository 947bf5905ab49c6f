"""The metrics specialist's tools: what there is, what changed for good, what happened for a while, a closer look."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from pydantic import Field

from actors.contracts import JsonValue
from actors.sources import Window
from actors.tools.base import SourceError, ToolContext, ToolError, tool
from actors.tools.metrics.history import Place, read_series
from actors.tools.metrics.selectors import all_of, parse_selector
from actors.tools.metrics.shown import (
    LISTED_MAX,
    change_json,
    event_json,
    gaps_json,
    is_near_limit,
    level_json,
    neighbours_json,
    outages_json,
    points_json,
    size,
)
from actors.tools.metrics.signals import Signal
from actors.tools.metrics.surroundings import sources, surroundings
from actors.wording import iso

EVENTS_SHOWN_MAX = 30
SERIES_SHOWN_MAX = 6  # of one metric in one event


@tool
async def discover_series(context: ToolContext) -> JsonValue:
    """What is behind the service's selector: its metrics by signal (traffic, errors, latency, saturation,
    availability) with usual, high and last values, how much of the window has data, and which neighbours can be read.
    Call it first."""
    around = await surroundings(context)
    own = around.own
    by_signal: dict[str, JsonValue] = {}
    for signal in Signal:
        levels = [level for level in own.levels if level.subject.signal is signal]
        if levels:
            by_signal[signal.value] = [level_json(level) for level in levels[:LISTED_MAX]]
    return {
        "window": {"from": iso(around.window.start_s), "to": iso(around.window.as_of_s)},
        "series": own.series,
        "samples": own.samples,
        "hours_with_data": round(own.covered_s / 3600, 1),
        "hours_with_data_before": round(own.past_covered_s / 3600, 1),
        "signals": by_signal,
        "neighbours": neighbours_json(around),
        "gaps": gaps_json(around),
    }


@tool
async def compare_windows(context: ToolContext) -> JsonValue:
    """What changed for good: steps (with their time) and trends of each signal, against the window before or, where
    it has no data, the rest of the same window. Says whether a dependency changed likewise (role symptom), and what
    runs near its limit."""
    around = await surroundings(context)
    own = around.own
    return {
        "compared_with": "the window before" if own.has_past else "the rest of the same window",
        "hours_with_data": round(own.covered_s / 3600, 1),
        "changes": [change_json(made, around.blame_change(made)) for made in own.changes[:LISTED_MAX]],
        "near_limit": list(map(level_json, filter(is_near_limit, own.levels)))[:LISTED_MAX],
    }


@tool
async def find_episodes(context: ToolContext) -> JsonValue:
    """What happened for a while: bursts of latency, errors and resource use with start, end and magnitude, outages
    seen by probes, and silences. Each is compared with the neighbours at the same time: role says cause or symptom,
    and of whom."""
    around = await surroundings(context)
    own = around.own
    events = around.events()
    ranked = sorted(events, key=lambda e: (-size(e), e.start_s))[:EVENTS_SHOWN_MAX]
    return {
        "minutes_with_data": round(own.covered_s / 60, 1),
        "episodes": [event_json(event, around.blame_event(event)) for event in sorted(ranked, key=lambda e: e.start_s)],
        "episodes_left_out": len(events) - len(ranked),
        "outages": outages_json(own.availability, around) if own.availability else None,
        "silences": [
            {
                "start": iso(silence.start_s),
                "end": iso(silence.end_s),
                "minutes": round((silence.end_s - silence.start_s) / 60, 1),
                "until_now": silence.open,
                "neighbours_too": around.shares_silence(silence.start_s, silence.end_s),
                "citation": silence.citation,
            }
            for silence in own.silences[:LISTED_MAX]
        ],
        "neighbours": neighbours_json(around),
        "gaps": gaps_json(around),
    }


@tool
async def query(
    context: ToolContext,
    series: Annotated[
        str, Field(max_length=500, description='Which of the service\'s series, e.g. http_requests_total{code="500"}')
    ],
    until: Annotated[str, Field(max_length=40, description="End, ISO 8601; empty for the end of the window")] = "",
    minutes: Annotated[float, Field(gt=0, le=60 * 24 * 400)] = 60,
    of: Annotated[str, Field(max_length=200, description="A neighbour's name; empty for the service itself")] = "",
) -> JsonValue:
    """A closer look at a few series over some minutes: at most 60 points each (medians), with citations."""
    source, window = sources(context)
    place = Place.of(source, source.base)
    if of:
        found = next((n for n in source.neighbours if n.service == of), None)
        if found is None or not (found.url or found.file):
            raise ToolError(
                f"{of!r} is no neighbour with series; known: {', '.join(n.service for n in source.neighbours)}"
            )
        place = Place.of(found, source.base)
    end_s = min(_time(until), window.as_of_s) if until else window.as_of_s
    narrowed = Place(place.base, place.url, _narrowed(place.selector, series), place.file)
    try:
        picked = await read_series(context.shared, narrowed, Window(end_s, minutes * 30))
    except SourceError as error:
        raise ToolError(str(error)) from None
    shown = sorted(picked.series, key=lambda s: s.selector)[:SERIES_SHOWN_MAX]
    return {"series": [points_json(one) for one in shown], "left_out": len(picked.series) - len(shown)}


TOOLS = (discover_series, compare_windows, find_episodes, query)


def _narrowed(selector: str, asked: str) -> str:
    """The service's own selector and what was asked for: a model sees no other service's series by asking."""
    try:
        wanted = parse_selector(asked)
    except SourceError as error:
        raise ToolError(str(error)) from None
    return all_of([*(parse_selector(selector) if selector.strip() else ()), *wanted])


def _time(text: str) -> float:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ToolError(f"{text!r} is no ISO 8601 time") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
