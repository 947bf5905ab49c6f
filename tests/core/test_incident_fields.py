"""Records of many trackers become one kind of incident."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from actors.tools.base import SourceError
from actors.tools.incidents.fields import incident_of
from actors.tools.incidents.lines import incidents_in_lines
from actors.tools.incidents.types import Incident, Kind, Severity, Status, fold
from actors.tools.incidents.words import service_in, severity_of, status_of


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def read(**record: Any) -> Incident:
    incident = incident_of({"id": "A-1", "started_at": "2026-08-13T11:00:00Z", **record})
    assert incident is not None
    return incident


@pytest.mark.parametrize(
    "record",
    [
        {"id": "A-1", "title": "t", "service": "cart", "started_at": "2026-08-13T11:00:00Z", "resolved_at": 1786622400},
        {
            "key": "A-1",
            "summary": "t",
            "components": ["cart"],
            "created": "2026-08-13 11:00",
            "resolutiondate": "2026-08-13 12:00",
        },
        {"number": "A-1", "name": "t", "affected": "cart", "start": 1786618800, "duration_minutes": 60},
        {
            "id": "A-1",
            "title": "t",
            "service": {"summary": "cart"},
            "startedAt": 1786618800000,
            "endedAt": 1786622400000,
        },
        {
            "key": "A-1",
            "fields": {
                "summary": "t",
                "components": [{"name": "cart"}],
                "Start Time": "2026-08-13T11:00:00Z",
                "Downtime": "1h",
            },
        },
    ],
)
def test_field_names_of_many_trackers_mean_the_same(record: dict[str, Any]) -> None:
    """Case, dashes and synonyms of field names do not matter, nor whether a value is a text, a list or an object."""
    incident = incident_of(record)

    assert incident is not None
    assert (incident.id, incident.title, incident.services) == ("A-1", "t", ("cart",))
    assert (incident.started_at_s, incident.ended_at_s) == (at("2026-08-13T11:00:00"), at("2026-08-13T12:00:00"))
    assert incident.duration_s == 3_600


def test_null_everywhere_is_unknown_everywhere() -> None:
    """None of the fields but the id is needed, and an unknown severity is not a minor one."""
    names = (
        "title",
        "service",
        "severity",
        "status",
        "started_at",
        "ended_at",
        "duration_minutes",
        "root_cause",
        "kind",
    )
    incident = incident_of({"id": 7, **dict.fromkeys(names)})

    assert incident is not None
    assert incident.id == "7"
    assert incident.severity is Severity.UNKNOWN
    assert incident.status is Status.UNKNOWN
    assert incident.at_s is None
    assert incident.duration_s is None


@pytest.mark.parametrize(
    ("word", "severity"),
    [
        *(
            (word, Severity.CRITICAL)
            for word in ("critical", "SEV1", "sev-0", "P1", "severity::1", "down", "major_outage", "Blocker")
        ),
        *(
            (word, Severity.MAJOR)
            for word in ("major", "High", "sev2", "2 - High", "disrupted", "partial outage", "P2")
        ),
        *(
            (word, Severity.MINOR)
            for word in ("minor", "medium", "S3", "P3", "degraded_performance", "non-critical", "minor outage")
        ),
        *((word, Severity.INFO) for word in ("low", "P4", "notice", "info", "none")),
        *(
            (word, Severity.UNKNOWN)
            for word in ("", "unknown", "banana", "users could not check out for about an hour")
        ),
    ],
)
def test_severity_words_fall_on_one_scale(word: str, severity: Severity) -> None:
    """A word that no scale knows stays unknown."""
    assert severity_of(word) is severity


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("Resolved", Status.RESOLVED),
        ("postmortem", Status.RESOLVED),
        ("In Progress", Status.OPEN),
        ("unresolved", Status.OPEN),
        ("?", Status.UNKNOWN),
    ],
)
def test_status_words_fall_on_one_scale(word: str, status: Status) -> None:
    """Unresolved is not resolved."""
    assert status_of(word) is status


@pytest.mark.parametrize(
    ("record", "kind"),
    [
        ({"severity": "major"}, Kind.INCIDENT),
        ({"kind": "maintenance", "severity": "critical"}, Kind.PLANNED),
        ({"title": "[Scheduled] Database upgrade"}, Kind.PLANNED),
        ({"scheduled": True}, Kind.PLANNED),
        ({"status": "Duplicate"}, Kind.DISMISSED),
        ({"resolution": "Won't fix"}, Kind.DISMISSED),
        ({"issue_type": "Task"}, Kind.REFERENCE),
        ({"started_at": None, "first_referenced_at": "2026-08-13T11:00:00Z", "severity": "unknown"}, Kind.REFERENCE),
        ({"title": "CPU alert, cleared by itself", "duration_minutes": 4}, Kind.ALERT),
        ({"type": "alert", "severity": "low"}, Kind.ALERT),
        ({"type": "alert", "severity": "critical"}, Kind.INCIDENT),
        ({"title": "Alert flapped", "duration_minutes": 300}, Kind.INCIDENT),
    ],
)
def test_real_incidents_are_told_from_the_noise_of_a_tracker(record: dict[str, Any], kind: Kind) -> None:
    """A signal is noise when it went away by itself, was short and nobody called it serious: all three."""
    assert read(**record).kind is kind


def test_an_end_before_the_start_tells_no_duration() -> None:
    """Two clocks or a slip of the pen; a duration that the record states is believed instead."""
    backwards = {"ended_at": "2026-08-12T11:00:00Z"}

    assert read(**backwards).duration_s is None
    assert read(**backwards, duration_minutes=30).duration_s == 1_800


def test_a_stated_duration_outweighs_a_wrong_month() -> None:
    """An end that lies far beyond the stated duration is a slip; office hours against the clock are none."""
    assert read(ended_at="2026-10-13T12:00:00Z", duration="1h 0m").duration_s == 3_600
    assert read(ended_at="2026-08-14T11:00:00Z", duration="8h").duration_s == 86_400


def test_days_alone_tell_no_duration() -> None:
    """A record that knows only the days would else look as if it had lasted from midnight."""
    assert read(started_at=None, date="2026-08-13", ended_at="2026-08-13T14:39:00Z").duration_s is None


@pytest.mark.parametrize(
    ("text", "told", "service"),
    [
        ("payments-api", False, "payments-api"),
        ("component:default/payments-api", False, "payments-api"),
        ("Edge Proxy", False, "Edge Proxy"),
        ("Cloud Edge", True, "Cloud Edge"),
        ("Cloud Edge", False, ""),
        ("bad_deploy", True, ""),
        ("dns", False, ""),
        ("expired certificate", False, ""),
        ("a very long story about what had happened there", True, ""),
    ],
)
def test_a_caused_by_names_a_service_or_tells_a_cause(text: str, told: bool, service: str) -> None:
    """Trackers use the field for both; several words are a name only when they are no words of causes."""
    assert service_in(text, cause_is_told=told) == service


def test_the_service_that_a_record_is_filed_under_is_its_owner() -> None:
    """Only where it lists others as affected: else there is nothing to tell apart."""
    incident = read(service="cart", affected=["cart", "checkout"])

    assert incident.owner == "cart"
    assert incident.services == ("cart", "checkout")
    assert read(service="cart").owner == ""


def test_service_names_are_compared_by_their_letters() -> None:
    """Case and separators are a matter of taste."""
    assert fold("Image_Search Demo") == fold("image-search-demo")


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ('{"id": "A-2", "title": ', "is not JSON"),
        ("[1, 2]", "is no JSON object"),
        ('{"title": "nameless"}', "has no id"),
        ('{"id": null}', "has no id"),
        ("[" * 100_000, "is not JSON"),
        ('{"id": ' + "9" * 5_000 + "}", "is not JSON"),
    ],
)
def test_a_broken_line_is_named_by_file_and_number(line: str, what: str) -> None:
    """One bad line fails the source: what it told is missing, and nobody knows what that was."""
    text = f'{{"id": "A-1"}}\n\n{line}\n'

    with pytest.raises(SourceError, match=rf"shop/incidents.jsonl:3 {what}"):
        list(incidents_in_lines(text, "shop/incidents.jsonl"))


def test_numbers_that_are_none_are_left_out() -> None:
    """JSON of many writers has NaN and Infinity, and numbers longer than any id."""
    text = '{"id": "A-1", "title": NaN, "severity": Infinity, "duration_minutes": -Infinity, "started_at": NaN}'

    (incident,) = incidents_in_lines(text, "f")

    assert (incident.title, incident.services, incident.severity) == ("", (), Severity.UNKNOWN)
    assert (incident.started_at_s, incident.duration_s) == (None, None)


def test_text_of_a_record_can_always_be_sent_on() -> None:
    """Lone surrogates and control characters would break encoders, logs or terminals further up."""
    (incident,) = incidents_in_lines('{"id": "A\\u0000-1", "title": "bad \\ud800 \\u001b[31m title\u2028two"}\r\n', "f")

    assert incident.id == "A-1"
    assert incident.title.encode("utf-8")
    assert "\x1b" not in incident.title
