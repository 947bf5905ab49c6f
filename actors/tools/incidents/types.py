"""What an incident is here, whatever its tracker calls things: one record, and closed scales for its words."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How badly it hurt. Unknown is its own value: it is weighed by duration, never taken for minor."""

    CRITICAL = "critical"
    MAJOR = "major"
    MINOR = "minor"
    INFO = "info"
    UNKNOWN = "unknown"


class Status(StrEnum):
    OPEN = "open"
    RESOLVED = "resolved"
    UNKNOWN = "unknown"


class Kind(StrEnum):
    """What sort of record it is. Only incidents count as problems; the others are context."""

    INCIDENT = "incident"
    ALERT = "alert"  # a signal that went away by itself, or that nobody had to act on
    PLANNED = "planned"  # maintenance, a drill
    REFERENCE = "reference"  # a ticket that is mentioned somewhere: a task, a document, tracker chatter
    DISMISSED = "dismissed"  # a duplicate, a false alarm


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """One record of a tracker.

    Units: `*_at_s` are Unix seconds, `duration_s` seconds. None is unknown.
    `started_at_s` is when it began, as far as the tracker says; `mentioned_at_s` is the only date of a record
    that does not say when it began. `duration_s` is from start to end, or what the tracker states.
    `services` are the affected ones as the tracker spells them; none: the record does not say.
    `owner` is the one that the record is filed under, when it lists others as affected. `caused_by` are services
    that the record names as its origin.
    """

    id: str
    title: str = ""
    services: tuple[str, ...] = ()
    owner: str = ""
    severity: Severity = Severity.UNKNOWN
    status: Status = Status.UNKNOWN
    kind: Kind = Kind.INCIDENT
    started_at_s: float | None = None
    ended_at_s: float | None = None
    mentioned_at_s: float | None = None
    duration_s: float | None = None
    cause: str = ""
    caused_by: tuple[str, ...] = ()
    body: str = ""
    where: str = ""  # file and line

    @property
    def at_s(self) -> float | None:
        """When it began, or else the one date that is known."""
        return self.started_at_s if self.started_at_s is not None else self.mentioned_at_s

    @property
    def citation(self) -> str:
        return f"incident:{self.id}"


def fold(name: str) -> str:
    """A service's name for comparing: case and the choice of blank, dash or underscore do not matter."""
    return re.sub(r"[\s_-]+", "-", name.strip().casefold())
