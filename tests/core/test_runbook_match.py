"""Which page helps with which alert, and with which incident."""

from __future__ import annotations

import pytest

from actors.tools.incidents.types import Incident, Kind
from actors.tools.runbooks.incidents import groups_of, incidents_json
from actors.tools.runbooks.match import Cover, Shelf, State, covers
from actors.tools.runbooks.pages import Page, parse_page
from actors.tools.runbooks.rules import Alert
from actors.tools.runbooks.words import tokens

STEPS = (
    "The service fails more requests than it should, and its callers notice the outage within some minutes.\n\n"
    "1. Check the logs with `kubectl logs deploy/cart`.\n2. Restart the replica that fails, or roll back.\n"
)
SITE = "https://runbooks.example.org"


def page(name: str, title: str = "", *, body: str = STEPS, folder: str = "runbooks/cart") -> Page:
    return parse_page(f"{folder}/{name}", f"# {title or name}\n\n{body}")


def alert(name: str, *runbooks: str, inline: str = "", title: str = "") -> Alert:
    return Alert(name, "runbooks/cart/alerts.yml", 1, "critical", True, runbooks, inline, title=title)


def shelf(*own: Page, shared: tuple[Page, ...] = ()) -> Shelf:
    return Shelf(own=own, shared=shared, own_alerts=(), shared_alerts=(), ignored=tokens("cart"))


def cover(wanted: Alert, held: Shelf) -> Cover:
    return covers([wanted], held)[0]


@pytest.mark.parametrize(
    "target",
    [
        "errors.md",
        "./errors.md",
        "runbooks/cart/errors.md",
        "docs/cart/errors.md#anything",
        f"{SITE}/cart/errors",
        f"{SITE}/cart/errors/?x=1",
        f"{SITE}/cart/ERRORS.html",
        "https://git.example.org/team/repo/-/blob/main/docs/errors.md",
    ],
)
def test_a_runbook_url_means_the_page_of_its_last_segment(target: str):
    """Relative, absolute, rendered or in a repository's view."""
    found = cover(alert("CartErrors", target), shelf(page("errors.md"), page("latency.md")))

    assert (found.state, found.how) == (State.USABLE, "runbook_url")
    assert found.hit is not None
    assert found.hit.citation == "runbook:runbooks/cart/errors.md:1"


def test_an_index_is_found_by_the_folder_before_it():
    """`…/redis/README.md` is redis's, and no other README."""
    held = shelf(page("README.md"), page("README.md", folder="runbooks/redis"))
    found = cover(alert("RedisDown", "docs/redis/README.md"), held)
    foreign = cover(alert("KafkaDown", "docs/kafka/README.md"), held)

    assert found.hit is not None
    assert found.hit.page.path == "runbooks/redis/README.md"
    assert foreign.state is State.ELSEWHERE


def test_an_anchor_leads_to_its_section_and_a_stub_there_does_not_help():
    """One long page with an empty section for this alert is no help with it."""
    text = f"# All\n\n## CartErrors\n\n{STEPS}\n## CartSlow\n\nTODO\n"
    held = shelf(parse_page("runbooks/cart/all.md", text))

    good = cover(alert("CartErrors", "all.md#carterrors"), held)
    bad = cover(alert("CartSlow", "all.md#cartslow"), held)

    assert good.hit is not None
    assert (good.state, good.hit.citation) == (State.USABLE, "runbook:runbooks/cart/all.md:3")
    assert bad.state is State.UNUSABLE
    assert "placeholder" in bad.why


@pytest.mark.parametrize(
    ("target", "state"),
    [
        ("gone.md", State.DEAD),
        ("docs/cart/gone.md", State.DEAD),  # a folder of that name was given
        (f"{SITE}/cart/gone", State.DEAD),
        (f"{SITE}/v2/gone", State.DEAD),  # where another alert's page was found
        ("docs/kafka/gone.md", State.ELSEWHERE),
        ("https://wiki.example.org/x/12345", State.ELSEWHERE),
        ("{{ .Values.runbookUrl }}", State.ELSEWHERE),
    ],
)
def test_a_page_that_is_not_here_is_dead_only_where_it_should_be(target: str, state: State):
    """A runbook on a wiki that the audit cannot see is unknown: neither there nor missing."""
    found = covers([alert("CartErrors", f"{SITE}/v2/errors"), alert("Qqq", target)], shelf(page("errors.md")))

    assert found[1].state is state


@pytest.mark.parametrize(
    ("name", "held", "how"),
    [
        ("CartErrors", page("CartErrors.md"), "name"),
        ("CartErrors", page("a.md", "Cart errors"), "name"),
        ("CartErrors", page("a.md", body=f"## What CartErrors means\n\n{STEPS}"), "heading"),
        ("CartErrors", page("a.md", body=f"It helps with `CartErrors`.\n\n{STEPS}"), "mention"),
        ("CartHighErrorRate", page("a.md", "Error rate"), "similar"),
        ("CartHighLatency", page("latency.md"), "similar"),
    ],
)
def test_without_a_url_a_page_is_found_by_what_it_is_about(name: str, held: Page, how: str):
    """Its name, a heading, a mention, or the same words."""
    assert cover(alert(name), shelf(held)).how == how


@pytest.mark.parametrize("name", ["CartDiskFull", "CartErrorBudgetBurn", "Up"])
def test_pages_about_something_else_do_not_help(name: str):
    """One common word is not enough."""
    assert cover(alert(name), shelf(page("errors.md"), page("upgrade.md"))).state is State.NONE


def test_the_services_own_page_goes_before_a_shared_one():
    """Both may have the name."""
    held = shelf(page("errors.md"), shared=(page("errors.md", folder="runbooks/shared"),))

    found = cover(alert("CartErrors", f"{SITE}/errors"), held)

    assert found.hit is not None
    assert found.hit.page.path == "runbooks/cart/errors.md"


def test_steps_in_the_rule_itself_are_a_runbook():
    """No page is needed then."""
    assert cover(alert("CartErrors", inline="Restart it, and then look at the queue."), shelf()).state is State.USABLE


def incident(id: str, title: str, **more: object) -> Incident:
    return Incident(id=id, title=title, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("title", "helped"),
    [
        ("Connection pool exhausted", True),
        ("cart: pool of connections is saturated", True),
        ("Cart is slow", False),
        ("Disk full on the primary", False),
    ],
)
def test_an_incident_is_helped_by_a_page_that_speaks_of_it(title: str, helped: bool):
    """By the words of title and headings, whatever their form."""
    held = shelf(page("pool.md", "Database connection pool saturation"))

    groups = groups_of([incident("1", title)], held, [])

    assert bool(groups[0].by) is helped


def test_what_is_no_incident_of_this_service_needs_no_page():
    """Mentions, planned work, and what another service caused are left out; a title that says nothing is unclear."""
    records = [
        incident("1", "Disk full"),
        incident("2", "Disk full", kind=Kind.REFERENCE),
        incident("3", "Disk full", kind=Kind.PLANNED),
        incident("4", "Disk full", caused_by=("storage",)),
        incident("5", "Cart incident"),
    ]

    found = incidents_json(groups_of(records, shelf(), []), rows_max=5)

    assert (found["incidents"], found["without"], found["unclear"]) == (2, 1, 1)


def test_an_alert_that_the_incident_names_leads_to_its_page():
    """Trackers often put the alert into the title."""
    held = shelf(page("errors.md", "What to do"))
    matched = covers([alert("CartQuotaBreach", "errors.md")], held)

    groups = groups_of([incident("1", "[FIRING] CartQuotaBreach prod")], held, matched)

    assert groups[0].by == "runbook:runbooks/cart/errors.md:1"


def test_words_of_the_same_symptom_are_one_word():
    """Down is an outage, slow is latency, a 502 is an error; bare numbers and stop words say nothing."""
    assert tokens("Cart outage") == tokens("the CartIsDown")
    assert tokens("HighLatency") == tokens("too slow: many timeouts")
    assert tokens("HTTP 502 in 457 ms") == frozenset({"error"})
