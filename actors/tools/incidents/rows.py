"""Records as lines of a tool's answer: short, and with their citation."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from actors.contracts import JsonValue
from actors.tools.incidents.judgement import Judged, hours_of
from actors.tools.incidents.types import Kind
from actors.wording import iso

LISTED_MAX = 6  # records shown of any list
TITLE_CHARACTERS_MAX, CAUSE_CHARACTERS_MAX = 120, 160


def row(judged: Judged, as_of_s: float) -> dict[str, JsonValue]:
    """One record in one line."""
    incident = judged.incident
    hours = hours_of(incident, as_of_s=as_of_s, is_open=judged.is_open)
    shown: dict[str, JsonValue] = {
        "citation": incident.citation,
        "title": shortened(incident.title, TITLE_CHARACTERS_MAX),
        "severity": incident.severity.value,
        "began": None if incident.at_s is None else iso(incident.at_s),
        "minutes": None if hours is None else round(hours * 60, 1),
        "harm": round(judged.harm, 2),
    }
    if judged.is_open:
        shown["open"] = True
    if incident.cause:
        shown["cause"] = shortened(incident.cause, CAUSE_CHARACTERS_MAX)
    if judged.origin:
        shown["caused_by"] = shortened(judged.origin, TITLE_CHARACTERS_MAX)
    if incident.kind is not Kind.INCIDENT:
        shown["kind"] = incident.kind.value
    return shown


def shortened(text: str, characters_max: int) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= characters_max else flat[: characters_max - 1] + "…"


def heaviest(judged: Iterable[Judged]) -> list[Judged]:
    """The few records that hurt most, the latest first among equals."""
    return sorted(judged, key=lambda each: (-each.harm, -(each.incident.at_s or 0.0), each.incident.id))[:LISTED_MAX]


def citations(judged: Iterable[Judged]) -> list[JsonValue]:
    """A few of their citations, in the order given."""
    return [each.incident.citation for each in islice(judged, LISTED_MAX)]
