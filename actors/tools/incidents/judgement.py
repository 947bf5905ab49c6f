"""How much a record weighs for the service that is looked at, and whether that service caused it at all."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from math import sqrt

from actors.tools.incidents.types import Incident, Kind, Severity, Status, fold

# Harm of one incident that lasts an hour. One step of severity doubles it or more; what hurt nobody counts next to
# nothing, however often it comes; an unknown severity lies between minor and major, and its duration decides.
SEVERITY_WEIGHT = {
    Severity.CRITICAL: 4.0,
    Severity.MAJOR: 2.0,
    Severity.UNKNOWN: 1.0,
    Severity.MINOR: 0.75,
    Severity.INFO: 0.05,
}
UNKNOWN_HOURS = 0.5  # what is assumed of an incident that tells no duration; about the middle of those that do
HOURS_FACTOR_MIN, HOURS_FACTOR_MAX = 0.2, 4.0  # the square root of hours: 2.4 minutes to 16 hours
SHARED_BY_MAX = 5  # a record that lists more services than this says less about each of them
NOT_FIRST = 0.5  # of several affected services without an owner, the first is taken for the one it is about
_HINT = re.compile(
    r"\b(?:caused by|outages? (?:of|at|in)|errors? (?:from|in)|failures? (?:of|in|at)|upstream|dependency|because of"
    r"|due to|propagated from|originat\w+ (?:in|from|at)|(?:problems?|incidents?|issues?) (?:of|in|at|with))[:\s]+",
    re.I,
)
_STATED_ELSEWHERE = re.compile(
    r"\bcaused by (?:another|an?other|an upstream|the upstream|an external) (?:service|system|team|vendor|provider)"
    r"[:,]?\s+([\w./-]*\w)",
    re.I,
)
_AT_A_PROVIDER = re.compile(
    r"\b(?:outage|incident|problems?|failure) at (?:the |our )?(?:(?:provider|vendor|supplier) )?(\w[\w./-]*\w)", re.I
)
_NAME_WORDS_MAX = 4


@dataclass(frozen=True, slots=True)
class Judged:
    """A record as one service sees it. `origin` is the other service that caused it, empty when none is known."""

    incident: Incident
    harm: float
    origin: str
    is_open: bool

    @property
    def is_own(self) -> bool:
        return self.incident.kind is Kind.INCIDENT and not self.origin

    @property
    def hurt(self) -> bool:
        """Whether it counts as an incident that somebody noticed, as far as its severity says."""
        return self.incident.severity is not Severity.INFO


@dataclass(frozen=True, slots=True)
class Viewpoint:
    """Who looks: the service's own names and the services that are known, all folded, and the audit's now."""

    own: frozenset[str]
    known: frozenset[str]
    as_of_s: float

    @classmethod
    def of(cls, names: Iterable[str], known: frozenset[str], *, as_of_s: float) -> Viewpoint:
        """`known` is folded already, by the tracker that has these services: they may be thousands."""
        return cls(frozenset(fold(name) for name in names), known, as_of_s)


def judge(records: Iterable[Incident], viewpoint: Viewpoint) -> tuple[Judged, ...]:
    """Every record with its weight, in the order given."""
    return tuple(_judged(record, viewpoint) for record in records)


def hours_of(incident: Incident, *, as_of_s: float, is_open: bool) -> float | None:
    """How long it lasted, or has lasted until now when it is open; None when nobody knows."""
    if is_open and incident.started_at_s is not None:
        return (as_of_s - incident.started_at_s) / 3_600.0
    return None if incident.duration_s is None else incident.duration_s / 3_600.0


def open_at(incident: Incident, as_of_s: float) -> bool:
    """Whether it was going on at `as_of_s`, by its end or, without one, by its status."""
    if incident.started_at_s is None or incident.started_at_s > as_of_s:
        return False
    if incident.ended_at_s is not None:
        return incident.ended_at_s > as_of_s
    return incident.status is Status.OPEN


def _judged(record: Incident, viewpoint: Viewpoint) -> Judged:
    is_open = open_at(record, viewpoint.as_of_s)
    harm = _harm(record, hours_of(record, as_of_s=viewpoint.as_of_s, is_open=is_open))
    if viewpoint.own and record.services and fold(record.services[0]) not in viewpoint.own:
        harm *= NOT_FIRST
    return Judged(record, harm if record.kind is Kind.INCIDENT else 0.0, origin_of(record, viewpoint), is_open)


def _harm(record: Incident, hours: float | None) -> float:
    lasted = sqrt(max(UNKNOWN_HOURS if hours is None else hours, 0.0))
    shared = min(1.0, sqrt(SHARED_BY_MAX / max(len(record.services), 1)))
    return SEVERITY_WEIGHT[record.severity] * min(max(lasted, HOURS_FACTOR_MIN), HOURS_FACTOR_MAX) * shared


def origin_of(record: Incident, viewpoint: Viewpoint) -> str:
    """The other service that the record names as its cause, or is filed under; empty when that is none or this one."""
    own = viewpoint.own or frozenset(fold(service) for service in record.services)
    if record.caused_by:
        return "" if any(fold(name) in own for name in record.caused_by) else record.caused_by[0]
    if fold(record.cause) in viewpoint.known and fold(record.cause) not in own:
        return record.cause  # `caused_by: storage` is a cause, until a service is named so
    text = f"{record.title}\n{record.cause}"
    stated = _STATED_ELSEWHERE.search(text) or _STATED_ELSEWHERE.search(record.body)
    stated = stated or _AT_A_PROVIDER.search(record.cause)
    if stated:
        return "" if fold(stated[1]) in own else stated[1]
    hinted = (_known_at(text[hint.end() :], viewpoint.known, own) for hint in _HINT.finditer(text))
    return next((name for name in hinted if name), "") or (record.owner if fold(record.owner) not in own else "")


def _known_at(text: str, known: Collection[str], own: Collection[str]) -> str:
    """The known service that `text` begins with, articles aside."""
    words = re.sub(r"^(?:(?:the|an?|our|service)\s+)+", "", text.split("\n")[0], flags=re.I).split()[:_NAME_WORDS_MAX]
    for count in range(len(words), 0, -1):
        name = " ".join(words[:count]).strip(".,;:()'\"`")
        if fold(name) in known and fold(name) not in own:
            return name
    return ""
