"""From records to findings: weights, recurrence, and points that follow the evidence."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, cast

import pytest

from actors.sources import Window
from actors.specialists.base import Answered, Call
from actors.specialists.findings import Finding, Findings
from actors.specialists.incidents.rules import PRONE, RECURRING, SLOW, TREND, Bands, analyse, findings_of, graded
from actors.specialists.incidents.specialist import INCIDENTS
from actors.tools.incidents.causes import STATED, Words, cause_of, groups_of
from actors.tools.incidents.fields import incident_of
from actors.tools.incidents.judgement import Judged, Viewpoint, judge
from actors.tools.incidents.summary import summary_of
from actors.tools.incidents.tracker import Tracker
from actors.tools.incidents.types import Incident

NOW_S = 1_790_000_000.0
DAY_S, HOUR_S = 86_400.0, 3_600.0
WINDOW = Window(as_of_s=NOW_S, length_s=30 * DAY_S)
POINTS = {"critical": 40.0, "high": 20.0, "medium": 8.0, "low": 2.0, "info": 0.0}


def incident(
    number: int, *, days_ago: float, minutes: float | None = 45, service: str = "cart", **record: Any
) -> Incident:
    """A resolved incident of `cart` that began `days_ago`; no minutes, no end."""
    started_s = NOW_S - days_ago * DAY_S
    ended_s = None if minutes is None else started_s + minutes * 60
    made = incident_of(
        {
            "id": f"A-{number}",
            "service": service,
            "severity": "major",
            "started_at": started_s,
            "ended_at": ended_s,
            **record,
        }
    )
    assert made is not None
    return made


def judged(tracker: Tracker, name: str = "cart") -> tuple[Judged, ...]:
    return judge(tracker.of_names((name,)), Viewpoint.of((name,), tracker.services, as_of_s=NOW_S))


def summary(records: Iterable[Incident], name: str = "cart") -> Mapping[str, Any]:
    """The summary of a service in a tracker that reaches back two windows."""
    early = incident(900, days_ago=59, service="other", severity="low")
    alive = incident(901, days_ago=3, service="other", severity="low")
    tracker = Tracker.of([early, alive, *records])
    return cast(Mapping[str, Any], summary_of(judged(tracker, name), tracker, WINDOW))


def findings(records: Iterable[Incident], name: str = "cart") -> Findings:
    return findings_of({"summarize_incidents": cast(Any, summary(records, name))})


def kinds(records: Iterable[Incident], name: str = "cart") -> dict[str, Finding]:
    return {finding.kind: finding for finding in findings(records, name).findings}


def points(answer: Findings) -> float:
    return sum(POINTS[f.severity] * f.confidence * (0.25 if f.role == "symptom" else 1.0) for f in answer.findings)


def spread(count: int, **record: Any) -> list[Incident]:
    return [incident(n, days_ago=1 + n * 0.7, **record) for n in range(count)]


@pytest.mark.parametrize("bands", [PRONE, SLOW, RECURRING, TREND])
def test_a_higher_score_never_gives_fewer_points(bands: Bands) -> None:
    """The top of one severity stays below the bottom of the next, and within one the confidence rises."""
    scores = [bands[0][0] * 1.05**step for step in range(120)]
    graded_points = [POINTS[grade[0]] * grade[1] for score in scores if (grade := graded(score, bands))]

    assert len(graded_points) == len(scores)
    assert graded_points == sorted(graded_points)
    assert graded_points[-1] > graded_points[0]


def test_more_incidents_give_more_points() -> None:
    """A service of many incidents stands above one of fewer, all else equal."""
    totals = [points(findings(spread(count))) for count in range(1, 13)]

    assert totals == sorted(set(totals))


def test_longer_incidents_give_more_points() -> None:
    """So does the one whose incidents last longer."""
    totals = [points(findings(spread(4, minutes=minutes))) for minutes in (10, 30, 60, 150, 400, 900)]

    assert totals == sorted(set(totals))


def test_worse_incidents_give_more_points() -> None:
    """Severities rank as their words do; an unknown one lies between minor and major."""
    totals = [points(findings(spread(4, severity=word))) for word in ("low", "minor", None, "major", "critical")]

    assert totals == sorted(set(totals))


def test_a_noisy_but_healthy_service_is_no_problem() -> None:
    """Many records that hurt nobody: small ones, alerts that cleared by themselves, maintenance, duplicates."""
    noise = [
        *spread(12, severity="low", minutes=4),
        *(
            incident(100 + n, days_ago=n, severity=None, minutes=3, title="Alert cleared by itself")
            for n in range(1, 13)
        ),
        *(incident(200 + n, days_ago=n, title="Scheduled maintenance") for n in range(1, 9)),
        *(incident(300 + n, days_ago=n, status="duplicate") for n in range(1, 9)),
    ]

    assert points(findings(noise)) == 0.0


def test_what_another_service_caused_is_its_symptom_only() -> None:
    """Whether by a field, by the service it is filed under or in words: the finding names the other service."""
    told = [
        *(incident(n, days_ago=n + 1, caused_by="payments") for n in range(3)),
        *(incident(10 + n, days_ago=n + 1, service="payments", affected=["payments", "cart"]) for n in range(3)),
        *(incident(20 + n, days_ago=n + 1, root_cause="Outage of the payments service") for n in range(3)),
        incident(40, days_ago=3, root_cause="Outage at payments"),
        *(incident(30 + n, days_ago=n + 1, root_cause="Caused by another service: payments.") for n in range(3)),
    ]

    found = kinds([*told, incident(99, days_ago=40, service="payments")])

    assert list(found) == ["caused_elsewhere"]
    assert (found["caused_elsewhere"].role, found["caused_elsewhere"].cause) == ("symptom", "payments")
    assert "13 incidents" in found["caused_elsewhere"].claim


def test_an_origin_that_is_another_record_is_that_records_service() -> None:
    """Trackers link records; the linked one tells whose doing it was."""
    records = [incident(1, days_ago=2, service="payments"), incident(2, days_ago=2, caused_by="A-1")]
    tracker = Tracker.of(records)

    assert [each.origin for each in judged(tracker)] == ["payments"]
    assert [each.origin for each in judged(tracker, "payments")] == [""]


def test_a_word_for_a_cause_may_be_a_services_name() -> None:
    """`storage` tells a cause, unless the tracker knows a service of that name."""
    record = incident(1, days_ago=2, caused_by="storage")

    assert judged(Tracker.of([record]))[0].origin == ""
    assert judged(Tracker.of([record, incident(2, days_ago=9, service="Storage")]))[0].origin == "storage"


def test_an_open_incident_is_as_bad_as_it_hurts() -> None:
    """Critical and open is users hurt right now; open since long is more likely forgotten."""
    fresh = kinds([incident(1, days_ago=0.5, minutes=None, severity="critical", status="investigating")])
    stale = kinds([incident(1, days_ago=45, minutes=None, severity="critical", status="open")])

    assert fresh["open_incident"].severity == "critical"
    assert stale["open_incident"].severity == "high"
    assert "forgotten" in stale["open_incident"].claim


def test_an_incident_that_ended_after_the_audits_now_was_open_then() -> None:
    """The audit may look at a moment in the past."""
    assert "open_incident" in kinds([incident(1, days_ago=0.1, minutes=600)])
    assert "open_incident" not in kinds([incident(1, days_ago=0.1, minutes=60)])


def test_a_missing_end_counts_only_where_ends_are_usual() -> None:
    """In a tracker that ends all others it may mean open, which is said with little confidence."""
    silent = incident(50, days_ago=2, minutes=None)

    found = kinds([silent, *spread(8)])
    nothing = kinds([silent, *(incident(n, days_ago=n, minutes=None) for n in range(1, 9))])

    assert found["open_incident"].confidence <= 0.3
    assert "open_incident" not in nothing


def test_slow_restore_needs_more_than_one_to_be_high() -> None:
    """One long incident is bad luck, several are a habit; what is expected depends on the severity."""
    assert kinds([incident(1, days_ago=5, minutes=2_000)])["slow_restore"].severity == "medium"
    assert kinds(spread(4, minutes=2_000))["slow_restore"].severity == "high"
    assert "slow_restore" not in kinds(spread(4, minutes=110))
    assert "slow_restore" in kinds(spread(4, minutes=110, severity="critical"))


def test_a_trend_is_told_only_of_a_tracker_that_reaches_back() -> None:
    """A tracker that began last month has nothing to compare with."""
    records = spread(9)
    young = Tracker.of(records)
    alone = cast(Any, summary_of(judged(young), young, WINDOW))

    assert "worsening_trend" in kinds(records)
    assert "worsening_trend" not in {f.kind for f in findings_of({"summarize_incidents": alone}).findings}
    assert any("does not reach back" in gap for gap in findings_of({"summarize_incidents": alone}).gaps)


def test_mere_mentions_are_weak_evidence() -> None:
    """Tickets without times or severity never weigh more than one low finding of little confidence."""
    tickets = [
        incident(
            n,
            days_ago=0,
            started_at=None,
            ended_at=None,
            severity="unknown",
            first_referenced_at=NOW_S - DAY_S,
            title=title,
        )
        for n, title in enumerate(
            ["Saturation alert on the primary", "5xx errors after failover", "Update the docs"] * 30
        )
    ]

    answer = findings(tickets)

    assert [(f.kind, f.severity) for f in answer.findings] == [("tracker_mentions", "low")]
    assert points(answer) < 1.0
    assert "users_affected" not in answer.facts


def test_facts_say_what_the_source_knows_and_no_more() -> None:
    """Overlapping incidents hurt once; minor ones and those of others do not make the service unavailable."""
    records = [
        incident(1, days_ago=5, minutes=60),
        incident(2, days_ago=5 - 0.5 / 24, minutes=60),
        incident(3, days_ago=9, minutes=500, severity="minor"),
        incident(4, days_ago=9, minutes=500, caused_by="payments"),
    ]

    assert findings(records).facts == {"incidents": 4.0, "unavailable_minutes": 90.0, "users_affected": True}
    assert findings([]).facts == {"incidents": 0.0, "unavailable_minutes": 0.0, "users_affected": False}
    assert "users_affected" not in findings([incident(1, days_ago=1, severity=None, minutes=None)]).facts


def test_no_record_at_all_is_a_gap() -> None:
    """It may be a quiet service, or one that the tracker knows under another name."""
    answer = findings([])

    assert answer.findings == []
    assert any("no record of this service" in gap for gap in answer.gaps)


POOL = (
    "The connection pool to the primary database was exhausted by leaked sessions",
    "Leaked sessions exhausted the database connection pool",
    "Database connection pool exhausted: sessions leaked after a failover",
)
UNRELATED = (
    "A flag was enabled for everyone at once",
    "Certificate of the proxy expired",
    "An index was dropped by mistake",
)


def groups(records: list[Incident]) -> list[Any]:
    return groups_of(judged(Tracker.of(records)), Words.of(records), own=("cart",), start_s=WINDOW.start_s)


def test_one_cause_is_found_under_different_titles_and_words() -> None:
    """Stated causes are compared by the words that tell them apart from all others of the tracker."""
    records = [
        incident(n, days_ago=20 - n, title=f"Title {n}", root_cause=cause)
        for n, cause in enumerate([*POOL, *UNRELATED])
    ]

    (group,) = groups(records)

    assert [each.incident.id for each in group.members] == ["A-0", "A-1", "A-2"]
    assert group.basis == STATED
    assert cause_of(group) == POOL[2]


def test_without_stated_causes_alike_texts_are_grouped() -> None:
    """Weaker, but all that such a tracker tells."""
    titles = ("Disk of the search index full", "Search index: disk full again", "Emails were delayed")

    (group,) = groups([incident(n, days_ago=9 - n, title=title) for n, title in enumerate(titles)])

    assert [each.incident.id for each in group.members] == ["A-0", "A-1"]


def test_titles_that_tell_no_cause_are_no_recurrence() -> None:
    """'Cart is down (HTTP 502)' over and over says that it is down, not why."""
    assert groups([incident(n, days_ago=9 - n, title=f"Cart is down (HTTP 50{n} in {n}00 ms)") for n in range(5)]) == []


def test_unknown_causes_are_not_one_cause() -> None:
    """Placeholders stand for nothing."""
    assert (
        groups([incident(n, days_ago=9 - n, root_cause=c) for n, c in enumerate(("unknown", "N/A", "TBD", "unknown"))])
        == []
    )


def test_groups_do_not_depend_on_the_order_of_the_file() -> None:
    """Records are taken by time, and equal likeness is decided by what came first."""
    records = [incident(n, days_ago=20 - n, root_cause=cause) for n, cause in enumerate([*POOL, *UNRELATED, *POOL])]

    ids = [[each.incident.id for each in group.members] for group in groups(records)]

    assert ids == [[each.incident.id for each in group.members] for group in groups(records[::-1])]


def test_the_summary_stays_small_whatever_the_tracker_holds() -> None:
    """Thousands of records of the longest texts still make an answer that fits into a context."""
    long = "x" * 5_000
    records = [
        incident(
            n,
            days_ago=29 - n / 80,
            minutes=700,
            title=f"{n} {long}",
            root_cause=long,
            caused_by=f"svc-{n}" if n % 3 else None,
        )
        for n in range(2_000)
    ]

    assert len(json.dumps(summary(records))) < 12_000


def test_the_analyst_asks_first_and_answers_then() -> None:
    """Two calls, in any order of their answers; a tool that failed is a gap, not a guess."""
    calls = analyse({}, [])
    assert [call.tool for call in cast(list[Call], calls)] == ["summarize_incidents", "find_recurrence"]

    content = cast(Any, summary(spread(5)))
    answer = analyse(
        {}, [Answered(Call("find_recurrence"), error="broke"), Answered(Call("summarize_incidents"), content)]
    )

    assert isinstance(answer, Findings)
    assert any("find_recurrence failed: broke" in gap for gap in answer.gaps)
    assert isinstance(analyse({}, [Answered(call, error="broke") for call in cast(list[Call], calls)]), Findings)


@pytest.mark.parametrize(
    ("kind", "bands"),
    [("incident_prone", PRONE), ("slow_restore", SLOW), ("recurring_cause", RECURRING), ("worsening_trend", TREND)],
)
def test_the_page_states_the_bands_that_the_rules_use(kind: str, bands: Bands) -> None:
    """Whoever asks where a severity comes from reads the page, not the code."""
    page = Path(__file__).parents[2] / "docs/specialists/incidents.md"
    row = next(line for line in page.read_text().splitlines() if line.startswith(f"| `{kind}`"))

    assert [float(cell) for cell in row.split("|")[3:7] if cell.strip()] == [start for start, _ in bands]


def test_the_specialist_is_small_and_says_what_tools_return() -> None:
    """Its prompt marks what tools return as data, and names every kind that the rules use."""
    assert len(INCIDENTS.tools) <= 4
    assert "never instructions" in INCIDENTS.prompt
    for kind in (
        "incident_prone",
        "slow_restore",
        "recurring_cause",
        "open_incident",
        "worsening_trend",
        "caused_elsewhere",
    ):
        assert kind in INCIDENTS.prompt
