"""Status pages with front matter, and free Markdown."""

from __future__ import annotations

from datetime import UTC, datetime
from textwrap import dedent

import pytest

from actors.tools.base import SourceError
from actors.tools.incidents.markdown import incidents_in_markdown
from actors.tools.incidents.pages import incident_on_status_page
from actors.tools.incidents.types import Incident, Kind, Severity, Status


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def status_page(text: str, id: str = "2026-08-13-database") -> list[Incident]:
    return list(incident_on_status_page(dedent(text).lstrip(), f"issues/{id}.md", id))


def written_up(text: str, id: str = "2026-08-13-database") -> list[Incident]:
    return list(incidents_in_markdown(dedent(text).lstrip(), f"reviews/{id}.md", id))


YAML_PAGE = """
    ---
    title: "Database: outage"
    date: 2026-08-13 11:00:00
    resolved: true
    resolvedWhen: 2026-08-13 12:30:00
    severity: down
    affected:
      - Orders API
      - Checkout
    section: issue
    ---
    *Resolved* - Failed over. {{< track "2026-08-13 12:30:00" >}}

    Caused by: orders-disks

    Root cause: the primary ran out of disk.
    """
TOML_PAGE = """
    +++
    title = "Database: outage"
    date = 2026-08-13T11:00:00Z
    resolved = true
    resolvedWhen = "2026-08-13 12:30:00"
    severity = "down"
    affected = ["Orders API", "Checkout"]
    section = "issue"
    +++
    Caused by: orders-disks

    Root cause: the primary ran out of disk.
    """


@pytest.mark.parametrize("page", [YAML_PAGE, TOML_PAGE])
def test_a_status_page_states_its_facts_in_yaml_or_toml(page: str) -> None:
    """Both notations of cState give the same incident."""
    (incident,) = status_page(page)

    assert (incident.id, incident.title) == ("2026-08-13-database", "Database: outage")
    assert incident.services == ("Orders API", "Checkout")
    assert (incident.severity, incident.status) == (Severity.CRITICAL, Status.RESOLVED)
    assert incident.started_at_s == at("2026-08-13T11:00:00")
    assert incident.duration_s == 5_400
    assert (incident.cause, incident.caused_by) == ("the primary ran out of disk.", ("orders-disks",))


def test_an_unresolved_status_page_is_open() -> None:
    """`resolved: false` says so, and the empty `resolvedWhen` beside it means nothing."""
    (incident,) = status_page(
        """
        ---
        title: Slow search
        date: 2026-08-13 11:00:00
        resolved: false
        resolvedWhen: ""
        severity: disrupted
        affected: [Search]
        ---
        """
    )

    assert (incident.status, incident.ended_at_s, incident.severity) == (Status.OPEN, None, Severity.MAJOR)


def test_other_sections_and_index_pages_are_no_incidents() -> None:
    """A status site has pages besides its issues."""
    assert status_page("---\ntitle: About us\nsection: page\n---\n") == []
    assert status_page("---\ntitle: Issues\n---\n", id="issues/_index") == []


@pytest.mark.parametrize(
    ("page", "what"),
    [
        ("Just text.\n", "it has none"),
        ("---\ntitle: never closed\n", "never closed"),
        ("---\ntitle: a\ndate: [1,\n---\n", "line 4"),
        ("---\ntitle: a\ndate: 2026-13-45\n---\n", "month must be"),
        ("---\n- a\n---\n", "no mapping"),
        ("+++\ntitle = \n+++\n", "Invalid value"),
    ],
)
def test_a_status_page_without_readable_facts_is_named(page: str, what: str) -> None:
    """What it told is missing, so the source failed; the message says which page and why."""
    with pytest.raises(SourceError, match=rf"issues/broken.md has no readable front matter .*{what}"):
        status_page(page, id="broken")


def test_a_write_up_is_read_by_the_words_before_its_facts() -> None:
    """Labels in bold, as bullets, with and without a colon; the fault's begin counts, not when it was declared."""
    (incident,) = written_up(
        """
        ---
        title: Incident on 2026-08-13 - Nobody could order
        weight: 3
        ---
        # Incident on 2026-08-13 - Nobody could order

        - **Key events**
          - Fault occurs 2026-08-13 11:00
          - Incident declared: 2026-08-13 11:20
          - Repaired 2026-08-13 12:00
          - Resolved 2026-08-13 12:30

        - **Time to resolve**: 1h 30m
        - **Severity**: SEV2
        - **Services**: orders, checkout

        ## Root cause

        The primary ran out of disk.

        - **Context**:
          - 2026-08-13 11:05: Started to look around
          - Time to resolve: 9h (a guess at that time)
        """
    )

    assert incident.title == "Incident on 2026-08-13 - Nobody could order"
    assert (incident.started_at_s, incident.ended_at_s) == (at("2026-08-13T11:00:00"), at("2026-08-13T12:30:00"))
    assert (incident.severity, incident.status, incident.kind) == (Severity.MAJOR, Status.RESOLVED, Kind.INCIDENT)
    assert incident.services == ("orders", "checkout")
    assert incident.cause == "The primary ran out of disk."


def test_a_write_up_may_be_a_table_with_clock_times() -> None:
    """A clock time belongs to the page's day, an end before the start to the next one."""
    (incident,) = written_up(
        """
        # Checkout down

        | Date | 13 August 2026 |
        |---|---|
        | Start | 23:40 |
        | End | 00:25 |
        | Duration | 45 minutes |
        """,
        id="checkout-down-2026-08-13",
    )

    assert incident.started_at_s == at("2026-08-13T23:40:00")
    assert incident.duration_s == 2_700


def test_a_page_with_nothing_but_a_date_in_its_name_is_dated() -> None:
    """Its day is known, how long it took is not."""
    (incident,) = written_up("# Database was slow\n\nSomebody restarted it.\n")

    assert incident.started_at_s == at("2026-08-13T00:00:00")
    assert incident.duration_s is None
    assert incident.status is Status.UNKNOWN


def test_a_page_that_says_not_resolved_is_open() -> None:
    """There is no end to find, and the page says why."""
    (incident,) = written_up("# Slow\n\n- First detected: 2026-08-13 11:00\n- Not resolved yet\n")

    assert incident.status is Status.OPEN


def test_a_log_of_many_incidents_is_one_record_a_heading() -> None:
    """Teams that keep one file head each incident by its day; a timeline's days are no incidents."""
    first, second = written_up(
        """
        # Incident log

        ## 2026-08-13 Nobody could order
        - Started: 11:00
        - Resolved: 12:00

        ## 2026-09-01 Search was empty
        - Severity: P1
        """,
        id="incidents",
    )

    assert first.id == "incidents#2026-08-13-nobody-could-order"
    assert first.duration_s == 3_600
    assert (second.severity, second.started_at_s) == (Severity.CRITICAL, at("2026-09-01T00:00:00"))


def test_days_of_a_timeline_do_not_split_a_page() -> None:
    """A heading that is nothing but a day belongs to the incident above it."""
    pages = written_up("# Long one\n\n## 2026-08-13\nIt began.\n\n## 2026-08-14\nIt ended.\n")

    assert [page.title for page in pages] == ["Long one"]


def test_broken_front_matter_of_free_text_is_read_as_far_as_it_goes() -> None:
    """A colon in a title is no reason to lose a write-up, since nothing in it is promised anyway."""
    (incident,) = written_up("---\ntitle: Incident: the database\n---\n- Started: 2026-08-13 11:00\n")

    assert incident.title == "Incident: the database"
