"""Incidents as trackers write them down: one JSON Lines file per system, status pages, and free text."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from actors.wording import iso
from jobs.sample.estate import Estate, Service, Tracker, stream
from jobs.sample.incidents import LOW, Incident, incidents_of
from jobs.sample.kinds import Source
from jobs.sample.stories import FOLLOW_UPS
from jobs.sample.words import spoken

# How systems name severities 1 to 4.
SEVERITY_NAMES = (
    ("critical", "high", "medium", "low"),
    ("sev1", "sev2", "sev3", "sev4"),
    ("P1", "P2", "P3", "P4"),
)
STATUS_PAGE_SEVERITIES = ("down", "disrupted", "disrupted", "notice")  # the three that cState knows


@dataclass(frozen=True, slots=True)
class Place:
    """Where a service's incidents lie, relative to the manifest, and its names there (none: all are its own)."""

    path: str
    names: tuple[str, ...]


def place_of(service: Service) -> Place:
    """Free text of a service with a repository of its own lies in a folder of its own, too."""
    if service.tracker is Tracker.JSONL:
        return Place(f"incidents/{service.system}.jsonl", (service.name, spoken(service.name)))
    if service.tracker is Tracker.CSTATE:
        return Place(f"incidents/{service.system}-status", (spoken(service.name),))
    if service.own_repository:
        return Place(f"incidents/{service.name}", ())
    return Place(f"incidents/{service.system}-reviews", (service.name, spoken(service.name)))


def tracker_files(estate: Estate) -> dict[str, str]:
    """Every incident file of the estate: path relative to the manifest, and text."""
    severities = {service.system: _severities(estate.seed, service.system) for service in estate.services}
    files: dict[str, str] = {}
    lines: dict[str, list[tuple[Incident, str]]] = {}
    for service in estate.services:
        if not service.has(Source.INCIDENTS):
            continue
        place = place_of(service)
        rng = stream(estate.seed, service.name, "tracker")
        names = place.names or (service.name,)
        named = [(incident, rng.choice(names)) for incident in incidents_of(service, estate.seed)]
        if service.tracker is Tracker.JSONL:
            lines.setdefault(place.path, []).extend(named)
        else:
            files |= _pages(place, service, named, severities[service.system])
    for path, records in lines.items():
        system = path.removeprefix("incidents/").removesuffix(".jsonl")
        files[path] = _json_lines(records, system, severities[system])
    return files


def _severities(seed: int, system: str) -> tuple[str, ...]:
    return stream(seed, system, "severities").choice(SEVERITY_NAMES)


def _json_lines(records: Iterable[tuple[Incident, str]], system: str, severities: tuple[str, ...]) -> str:
    """One object a line, oldest first, numbered in that order."""
    key = system.replace("-", "").upper()
    ordered = sorted(records, key=lambda record: (record[0].started_s, record[0].service))
    objects = [_object(f"{key}-{number}", *record, severities) for number, record in enumerate(ordered, 101)]
    return "".join(json.dumps(each) + "\n" for each in objects)


def _object(identity: str, incident: Incident, name: str, severities: tuple[str, ...]) -> Mapping[str, object]:
    return {
        "id": identity,
        "title": incident.title,
        "service": name,
        "severity": severities[incident.severity - 1],
        "status": "open" if incident.ended_s is None else "resolved",
        "started_at": iso(incident.started_s),
        "ended_at": None if incident.ended_s is None else iso(incident.ended_s),
        "duration_minutes": incident.duration_minutes,
        "affected": [name, *incident.affected],
        "root_cause": incident.cause or None,
        "caused_by": incident.caused_by or None,
        "resolution": None if incident.ended_s is None else incident.repair,
        "url": f"https://tracker.example.org/browse/{identity}",
    }


def _pages(
    place: Place, service: Service, named: Iterable[tuple[Incident, str]], severities: tuple[str, ...]
) -> dict[str, str]:
    """One page an incident, named by its start and its title."""
    pages = {}
    for incident, name in named:
        file = f"{place.path}/{_minute(incident.started_s, '%Y-%m-%d-%H%M')}-{_slug(incident.title)}.md"
        status = service.tracker is Tracker.CSTATE
        pages[file] = _status_page(incident, name) if status else _review(incident, name, severities)
    return pages


def _status_page(incident: Incident, name: str) -> str:
    """A cState page: what the status site's generator reads is in the front matter, the story below it."""
    ended_s = incident.ended_s
    head = [
        "---",
        f'title: "{incident.title}"',
        f"date: {_minute(incident.started_s)}:00",
        f"resolved: {str(ended_s is not None).lower()}",
        *([f"resolvedWhen: {_minute(ended_s)}:00"] if ended_s is not None else []),
        f"severity: {STATUS_PAGE_SEVERITIES[incident.severity - 1]}",
        "affected:",
        *(f"  - {each}" for each in (name, *map(spoken, incident.affected))),
        "section: issue",
        "---",
        "",
    ]
    body = [f"*Investigating* - {incident.impact} " + _track(incident.started_s), ""]
    if ended_s is not None:
        body = [f"*Resolved* - {incident.repair} " + _track(ended_s), "", *body]
    if incident.caused_by:
        body += [f"Caused by: {incident.caused_by}", ""]
    if incident.cause:
        body += [f"Root cause: {incident.cause}.", ""]
    return "\n".join(head + body)


def _review(incident: Incident, name: str, severities: tuple[str, ...]) -> str:
    """A page as people write it after an incident."""
    started, ended_s = _minute(incident.started_s), incident.ended_s
    lines = [f"# Incident on {started[:10]} - {incident.title}", ""]
    lines += [f"- **Service**: {name}", f"- **Severity**: {severities[incident.severity - 1]}", "- **Key events**:"]
    lines += [f"  - First detected: {started}"]
    if ended_s is None:
        lines += ["  - Not resolved yet", ""]
    else:
        length = _span(ended_s - incident.started_s)
        lines += [f"  - Resolved: {_minute(ended_s)}", f"- **Time to resolve**: {length}", ""]
    lines += ["## Impact", "", incident.impact, ""]
    if incident.affected:
        lines += ["Also affected: " + ", ".join(incident.affected), ""]
    if incident.cause:
        caused = f"Caused by another service: {incident.caused_by}. " if incident.caused_by else ""
        lines += ["## Root cause", "", f"{caused}{incident.cause}.", ""]
    if ended_s is not None:
        lines += ["## Resolution", "", incident.repair, ""]
    if incident.severity < LOW:
        follow_up = FOLLOW_UPS[incident.started_s % len(FOLLOW_UPS)]
        lines += ["## Review actions", "", f"- {follow_up}", ""]
    return "\n".join(lines)


def _track(moment_s: int) -> str:
    return f'{{{{< track "{_minute(moment_s)}:00" >}}}}'


def _minute(moment_s: int, style: str = "%Y-%m-%d %H:%M") -> str:
    return datetime.fromtimestamp(moment_s, UTC).strftime(style)


def _span(length_s: int) -> str:
    hours, minutes = divmod(length_s // 60, 60)
    return f"{hours}h {minutes}m"


def _slug(title: str) -> str:
    words = "".join(letter if letter.isalnum() else " " for letter in title.lower()).split()
    return "-".join(words[:8])
