"""A service's incidents in the window against the window before: the figures, as compact JSON with citations."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import log2, sqrt
from statistics import median

from actors.contracts import JsonValue
from actors.sources import Window
from actors.tools.incidents.judgement import Judged, hours_of
from actors.tools.incidents.rows import LISTED_MAX, TITLE_CHARACTERS_MAX, citations, heaviest, row, shortened
from actors.tools.incidents.tracker import Tracker, touches
from actors.tools.incidents.types import Incident, Kind, Severity
from actors.wording import iso

# Minutes within which service is expected back. An hour is the mark of the best quarter of teams in the yearly DORA
# reports (read 2026-11-20); what hurts less may take longer.
RESTORE_MINUTES = {Severity.CRITICAL: 60.0, Severity.MAJOR: 120.0, Severity.UNKNOWN: 180.0, Severity.MINOR: 240.0}
NOTICED_MINUTES_MIN = 10.0  # an incident of unknown severity that lasted this long was noticed by users
CLOSING_SHARE_MIN = 0.8  # a tracker that ends this share of its incidents means something by one without an end
_TROUBLE = re.compile(
    r"incident|outage|\bdown(?:time)?\b|fail|error|\b5\d\d\b|latenc|slow|time(?:d )?-?out|saturat|degrad|unavailab"
    r"|crash|\boom|leak|\blag|backlog|\balert|apdex|corrupt|stuck|exhaust|overload|roll ?back|hotfix|mitigat|breach",
    re.I,
)
_CHORE = re.compile(
    r"\bdocs?\b|document|readme|runbook|dashboard|rename|\burls?\b|typo|cleanup|clean up|panel|refactor|\bupdate\b",
    re.I,
)


@dataclass(frozen=True, slots=True)
class Split:
    """A service's records by when they were, each judged. `undated` tell no time and are in no period."""

    window: Window
    inside: tuple[Judged, ...]
    before: tuple[Judged, ...]
    undated: tuple[Judged, ...]

    @classmethod
    def of(cls, judged: Sequence[Judged], window: Window) -> Split:
        inside, before, undated = [], [], []
        for each in judged:
            if each.incident.at_s is None:
                undated.append(each)
            elif touches(each.incident, window.start_s, window.as_of_s):
                inside.append(each)
            elif touches(each.incident, window.past_start_s, window.start_s):
                before.append(each)
        return cls(window, tuple(inside), tuple(before), tuple(undated))


def summary_of(judged: Sequence[Judged], tracker: Tracker, window: Window) -> dict[str, JsonValue]:
    """All figures of a service.

    Shape:  a JSON object of bounded size, whatever the number of records.
    Units:  times are ISO 8601 in UTC, `*_minutes` minutes; `harm` is as docs/specialists/incidents.md defines it.
    """
    split = Split.of(judged, window)
    own = [each for each in split.inside if each.is_own]
    before = [each for each in split.before if each.is_own]
    return {
        "window": {"from": iso(window.start_s), "to": iso(window.as_of_s), "days": round(window.length_s / 86_400, 1)},
        "records": _records(judged, split),
        "own": _own(own, window),
        "open": [row(each, window.as_of_s) for each in heaviest(each for each in own if each.is_open)],
        "maybe_open": [row(each, window.as_of_s) for each in _maybe_open(own, tracker)],
        "restore": _restore(own, window.as_of_s),
        "caused_elsewhere": _elsewhere(split.inside, window.as_of_s),
        "before": {"reaches_back": _reaches_back(tracker, window), **_own(before, window)},
        "trend_z": _trend(own, before) if _reaches_back(tracker, window) else None,
        "not_incidents": _others(split.inside),
        "users_affected": users_affected(split.inside, tracker, window),
        "worst": [row(each, window.as_of_s) for each in heaviest(own)],
    }


def users_affected(inside: Iterable[Judged], tracker: Tracker, window: Window) -> bool | None:
    """Whether the records say that users were hurt in the window; None when they do not tell."""
    telling = [each.incident for each in inside if each.incident.kind in (Kind.INCIDENT, Kind.REFERENCE)]
    if any(incident.kind is Kind.INCIDENT and _was_noticed(incident) for incident in telling):
        return True
    return None if telling or not tracker.has_any(window.start_s, window.as_of_s) else False


def unavailable_minutes(own: Iterable[Judged], window: Window) -> float:
    """Minutes of the window in which at least one own incident that was not minor was going on, as far as known."""
    serious = (Severity.CRITICAL, Severity.MAJOR, Severity.UNKNOWN)
    spans = sorted(
        (max(each.incident.started_at_s, window.start_s), min(end_s, window.as_of_s))
        for each in own
        if each.incident.severity in serious
        and each.incident.started_at_s is not None
        and (end_s := window.as_of_s if each.is_open else each.incident.ended_at_s) is not None
    )
    total_s, reached_s = 0.0, window.start_s
    for start_s, end_s in spans:
        total_s += max(end_s - max(start_s, reached_s), 0.0)
        reached_s = max(reached_s, end_s)
    return total_s / 60.0


def _records(judged: Sequence[Judged], split: Split) -> dict[str, JsonValue]:
    kinds = Counter(each.incident.kind.value for each in split.inside)
    return {
        "of_all_times": len(judged),
        "in_window": len(split.inside),
        "incidents_in_window": kinds[Kind.INCIDENT.value],
        "by_kind": dict(sorted(kinds.items())),
        "undated": len(split.undated),
        "citations_undated": citations(split.undated),
    }


def _own(own: Sequence[Judged], window: Window) -> dict[str, JsonValue]:
    severities = Counter(each.incident.severity.value for each in own)
    return {
        "count": len(own),
        "hurting": sum(each.hurt for each in own),
        "by_severity": {
            severity.value: severities[severity.value] for severity in Severity if severities[severity.value]
        },
        "harm": round(sum(each.harm for each in own), 3),
        "unavailable_minutes": round(unavailable_minutes(own, window), 1),
        "without_duration": sum(each.incident.duration_s is None and not each.is_open for each in own),
    }


def _restore(own: Iterable[Judged], as_of_s: float) -> dict[str, JsonValue]:
    """Times to restore, of those that hurt and are over; an open one counts as slow once it is."""
    hurting = [each for each in own if each.hurt]
    ended = sorted(
        each.incident.duration_s / 60 for each in hurting if each.incident.duration_s is not None and not each.is_open
    )
    slow = sorted(((_slowness(each, as_of_s), each) for each in hurting), key=lambda s: (-s[0], s[1].incident.id))
    slow = [(much, each) for much, each in slow if much > 0]
    return {
        "known": len(ended),
        "median_minutes": round(median(ended), 1) if ended else None,
        "p90_minutes": round(ended[min(int(0.9 * len(ended)), len(ended) - 1)], 1) if ended else None,
        "max_minutes": round(ended[-1], 1) if ended else None,
        "slow": len(slow),
        "slow_score": round(sum(much for much, _ in slow), 3),
        "slowest": [row(each, as_of_s) for _, each in slow[:LISTED_MAX]],
    }


def _slowness(judged: Judged, as_of_s: float) -> float:
    """How often the expected time fits twofold into the time taken: 0 in time, 1 at the double, 2 at the fourfold."""
    hours = hours_of(judged.incident, as_of_s=as_of_s, is_open=judged.is_open)
    expected = RESTORE_MINUTES[judged.incident.severity]
    return 0.0 if hours is None else max(log2(max(hours * 60, 1.0) / expected), 0.0)


def _maybe_open(own: Sequence[Judged], tracker: Tracker) -> list[Judged]:
    """Incidents that tell neither status nor end, in a tracker that ends nearly all of its incidents."""
    if tracker.ended_share < CLOSING_SHARE_MIN:
        return []
    bare = (e for e in own if e.hurt and e.incident.status.value == "unknown" and e.incident.duration_s is None)
    return heaviest(each for each in bare if each.incident.started_at_s is not None)


def _elsewhere(inside: Sequence[Judged], as_of_s: float) -> dict[str, JsonValue]:
    caused = [each for each in inside if each.incident.kind is Kind.INCIDENT and each.origin]
    origins = Counter(shortened(each.origin, TITLE_CHARACTERS_MAX) for each in caused if each.hurt)
    return {
        "count": len(caused),
        "harm": round(sum(each.harm for each in caused), 3),
        "by_service": dict(sorted(origins.items(), key=lambda item: (-item[1], item[0]))[:LISTED_MAX]),
        "worst": [row(each, as_of_s) for each in heaviest(caused)],
    }


def _others(inside: Sequence[Judged]) -> dict[str, JsonValue]:
    others = [each for each in inside if each.incident.kind is not Kind.INCIDENT]
    mentions = [each for each in others if each.incident.kind is Kind.REFERENCE]
    weighed = sorted(((_mention(each.incident), each) for each in mentions), key=lambda m: (-m[0], m[1].incident.id))
    return {
        "count": len(others),
        "citations": citations(each for each in others if each.incident.kind is not Kind.REFERENCE),
        "mentions": len(mentions),
        "mentions_score": round(sum(weight for weight, _ in weighed), 3),
        "mentions_worst": [
            {"citation": each.incident.citation, "title": shortened(each.incident.title, TITLE_CHARACTERS_MAX)}
            for _, each in weighed[:LISTED_MAX]
        ],
    }


def _mention(incident: Incident) -> float:
    """What a ticket without times tells of trouble: its words, less when it is spread over many services."""
    told = 0.1 if _CHORE.search(incident.title) else 1.0 if _TROUBLE.search(incident.title) else 0.3
    return told / sqrt(max(len(incident.services), 1))


def _trend(own: Sequence[Judged], before: Sequence[Judged]) -> float:
    """How far the counts lie apart, in standard deviations of counts that have the same mean."""
    now, then = sum(each.hurt for each in own), sum(each.hurt for each in before)
    return round((now - then) / sqrt(now + then), 2) if now + then else 0.0


def _reaches_back(tracker: Tracker, window: Window) -> bool:
    """Whether the tracker has records from the first half of the window before, so that its silence means something."""
    return tracker.has_any(0.0, window.start_s - window.length_s / 2)


def _was_noticed(incident: Incident) -> bool:
    if incident.severity is Severity.UNKNOWN:
        return (incident.duration_s or 0.0) >= NOTICED_MINUTES_MIN * 60
    return incident.severity in (Severity.CRITICAL, Severity.MAJOR)
