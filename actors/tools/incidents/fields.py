"""A tracker's record, under whatever field names it uses, as an `Incident`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from actors.tools.incidents.times import duration_in, is_whole_day, moment
from actors.tools.incidents.types import Incident, Kind, Severity, Status
from actors.tools.incidents.values import LISTED_MAX, Fields, split_names
from actors.tools.incidents.words import BY_ITSELF, PLANNED_TITLE, kind_of, service_in, severity_of, status_of

# Field names of the JSON and CSV exports of the trackers named in incident_types, best first.
ID = ("id", "key", "number", "incident_id", "incident_number", "iid", "uuid", "ref", "reference")
TITLE = ("title", "summary", "name", "subject", "short_description", "headline", "incident")
BODY = ("description", "body", "details", "notes", "impact_description", "resolution_notes", "postmortem", "message")
OWNER = ("service", "service_name", "component", "application", "services", "components", "applications")
AFFECTED = ("affected", "affected_services", "affected_components", "impacted", "impacted_services", "also_affected")
SEVERITY = ("severity", "sev", "severity_level", "priority", "impact", "urgency", "level")
KIND = ("kind", "type", "incident_type", "issue_type", "record_type", "classification")
STARTED = (
    *("started_at", "start", "start_time", "started", "starts_at", "start_at", "start_date", "began_at", "begin"),
    *("impact_started_at", "impact_start", "occurred_at", "detected_at", "triggered_at", "opened_at", "opened"),
    *("declared_at", "reported_at", "created_at", "created", "created_on", "sys_created_on", "date", "datetime"),
    *("time", "timestamp"),
)
ENDED = (
    *("ended_at", "end", "end_time", "ended", "ends_at", "end_at", "end_date", "impact_ended_at", "impact_end"),
    *("restored_at", "recovered_at", "resolved_at", "resolved_when", "resolved", "resolved_on", "resolution_date"),
    *("resolutiondate", "fixed_at", "mitigated_at", "completed_at", "closed_at", "closed", "closed_on"),
)
MENTIONED = ("first_referenced_at", "referenced_at", "first_mentioned_at", "mentioned_at", "first_seen", "updated_at")
CAUSE = ("root_cause", "rootcause", "cause", "rca", "root_cause_category", "cause_category", "failure_mode")
FAULT = ("fault_type", "fault", "error_type", "trigger")
CAUSED_BY = ("caused_by", "caused_by_service", "caused_by_services", "root_cause_service", "upstream")
ORIGIN = (*CAUSED_BY, "upstream_service", "origin", "origin_service", "culprit", "responsible_service")
FLAGS: tuple[tuple[Kind, tuple[str, ...]], ...] = (
    (Kind.DISMISSED, ("duplicate", "false_positive", "false_alarm", "dismissed")),
    (Kind.PLANNED, ("planned", "scheduled", "maintenance", "is_planned", "is_maintenance", "drill", "is_test")),
    (Kind.ALERT, ("self_resolved", "auto_resolved", "autoresolved", "self_healed", "auto_closed", "informational")),
)
DURATION = re.compile(
    r"^(?:duration|downtime|outage|ttr|mttr|time_to_(?:restore|resolve|repair|recover|recovery|resolution))"
    r"(?:_(?P<unit>ms|millis|s|secs?|seconds|m|mins?|minutes|h|hours|d|days))?$"
)
UNIT_S = {"ms": 0.001, "mi": 60.0, "s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}
TEXT_CHARACTERS_MAX = 20_000  # of one record's body; enough to compare causes
TITLE_CHARACTERS_MAX = 300
SLIP_FACTOR = 5.0  # office hours against the clock make 24 / 8 = 3; a wrong day or month makes more
ALERT_SECONDS_MAX = 3_600.0  # a signal that stayed for an hour was no flapping alert


def incident_of(record: Mapping[str, Any], *, id: str = "", where: str = "") -> Incident | None:
    """The incident that a record tells of; None when it has no id and none is given.

    What the record does not say, or says in words that no scale knows, stays unknown.
    """
    fields = Fields.of(record)
    id = id or fields.text(ID)[:TITLE_CHARACTERS_MAX]
    if not id:
        return None
    started_at_s, ended_at_s, duration_s = _span(fields)
    owners, affected = _names(fields, OWNER), _names(fields, AFFECTED)
    severity = next((s for w in fields.texts(SEVERITY) if (s := severity_of(w)) is not Severity.UNKNOWN), None)
    incident = Incident(
        id=id,
        title=fields.text(TITLE)[:TITLE_CHARACTERS_MAX],
        services=owners + tuple(service for service in affected if service not in owners),
        owner=owners[0] if len(owners) == 1 and affected else "",
        severity=severity or Severity.UNKNOWN,
        status=_status(fields, ended_at_s),
        started_at_s=started_at_s,
        ended_at_s=ended_at_s,
        mentioned_at_s=moment(fields.first_time(MENTIONED)),
        duration_s=duration_s,
        cause=_cause(fields),
        caused_by=_origins(fields),
        body="\n".join(fields.texts(BODY))[:TEXT_CHARACTERS_MAX],
        where=where,
    )
    return with_kind(incident, _kind(fields))


def _span(fields: Fields) -> tuple[float | None, float | None, float | None]:
    """Start, end and duration, each as far as known. Days alone tell no duration.

    An end before the start, or far beyond the stated duration, is a slip of the pen: the statement counts.
    """
    started, ended = fields.first_time(STARTED), fields.first_time(ENDED)
    started_at_s, ended_at_s, stated_s = moment(started), moment(ended), _stated_duration(fields)
    if started_at_s is None:
        return None, ended_at_s, stated_s
    if ended_at_s is not None and (is_whole_day(started) or is_whole_day(ended)):
        return started_at_s, max(ended_at_s, started_at_s), stated_s
    between_s = -1.0 if ended_at_s is None else ended_at_s - started_at_s
    if between_s >= 0 and (stated_s is None or between_s <= SLIP_FACTOR * max(stated_s, 60.0)):
        return started_at_s, ended_at_s, between_s
    return started_at_s, None if stated_s is None else started_at_s + stated_s, stated_s


def with_kind(incident: Incident, stated: Kind | None) -> Incident:
    """`incident` as what it is: what its tracker states, corrected by what the record itself shows."""
    return replace(incident, kind=_kind_of_record(incident, stated))


def _kind_of_record(incident: Incident, stated: Kind | None) -> Kind:
    if stated in (Kind.DISMISSED, Kind.PLANNED, Kind.REFERENCE):
        return stated
    if PLANNED_TITLE.search(incident.title):
        return Kind.PLANNED
    if incident.started_at_s is None and incident.severity is Severity.UNKNOWN and incident.duration_s is None:
        return Kind.REFERENCE
    hurt = incident.severity in (Severity.CRITICAL, Severity.MAJOR) or (incident.duration_s or 0.0) > ALERT_SECONDS_MAX
    by_itself = stated is Kind.ALERT or BY_ITSELF.search(f"{incident.title}\n{incident.body[:2_000]}")
    return Kind.ALERT if by_itself and not hurt else Kind.INCIDENT


def _names(fields: Fields, names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(service for text in fields.texts(names) for service in split_names(text)))[:LISTED_MAX]


def _origins(fields: Fields) -> tuple[str, ...]:
    told = bool(fields.text(CAUSE))
    return tuple(name for text in fields.texts(ORIGIN) if (name := service_in(text, cause_is_told=told)))


def _cause(fields: Fields) -> str:
    caused_by = next((t for t in fields.texts(CAUSED_BY) if not service_in(t, cause_is_told=False)), "")
    return (fields.text(CAUSE) or caused_by or fields.text(FAULT))[:TITLE_CHARACTERS_MAX]


def _status(fields: Fields, ended_at_s: float | None) -> Status:
    for word in fields.texts(("status", "state", "incident_state")):
        if (status := status_of(word)) is not Status.UNKNOWN:
            return status
    for name, meaning in (("resolved", True), ("closed", True), ("open", False)):
        value = fields.values.get(name)
        if isinstance(value, bool):
            return Status.RESOLVED if value is meaning else Status.OPEN
    return Status.RESOLVED if ended_at_s is not None else Status.UNKNOWN


def _kind(fields: Fields) -> Kind | None:
    for kind, flags in FLAGS:
        if any(fields.values.get(flag) is True for flag in flags):
            return kind
    stated = (kind_of(word) for word in fields.texts((*KIND, "status", "state", "resolution")))
    labelled = (kind_of(word) for word in fields.texts(("labels", "tags")))
    marks = [kind for kind in stated if kind] + [k for k in labelled if k in (Kind.PLANNED, Kind.DISMISSED)]
    return marks[0] if marks else None


def _stated_duration(fields: Fields) -> float | None:
    for name, value in fields.values.items():
        match = DURATION.match(name)
        if match is None or isinstance(value, bool) or value is None:
            continue
        if isinstance(value, str) and (written := duration_in(value)) is not None:
            return written
        unit_s = UNIT_S.get((match["unit"] or "")[:2]) or UNIT_S.get((match["unit"] or "")[:1])
        amount = _amount(value)
        if unit_s and amount is not None and 0 <= amount * unit_s < 1e9:
            return amount * unit_s
    return None


def _amount(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return None
