"""Two batches side by side: what changed, and nothing that did not."""

from __future__ import annotations

from typing import Any

from orchestrator.comparison import compare, lines
from orchestrator.evidence import Evidence
from orchestrator.synthesis import summarize
from support.answers import HEAD, a_finding, an_answer, by_name, evidence_of, no_answer


def summary(*evidence: Evidence) -> dict[str, Any]:
    return dict(summarize(HEAD, by_name(*evidence)))


def service(name: str, *findings: dict[str, Any]) -> Evidence:
    others = (an_answer(service=name, agent=agent) for agent in ("code", "metrics", "runbooks"))
    return evidence_of(an_answer(*findings, service=name), *others, service=name)


def test_the_same_batch_twice_has_changed_nothing() -> None:
    """No change, no line about one."""
    same = summary(service("a", a_finding(severity="critical")), service("b"))

    told = compare(same, same)

    assert told["services"] == {
        "compared": 2, "changed": 0, "verdict_changed": 0, "only_before": [], "only_after": [],
    }  # fmt: skip
    assert told["changed"] == []
    assert told["verdicts"] == {}


def test_a_verdict_that_changed_comes_first_with_the_findings_that_changed_it() -> None:
    """What needs work now stands at the top, with what is new and what is gone."""
    before = summary(service("a"), service("b", a_finding("B broke", severity="critical")), service("c"))
    after = summary(service("a", a_finding("A broke", severity="critical")), service("b"), service("c"))

    told = compare(before, after)

    assert [s["name"] for s in told["changed"]][:2] == ["a", "b"]
    assert told["verdicts"] == {"healthy -> needs_work": 1, "needs_work -> healthy": 1}
    assert told["changed"][0]["verdict"] == {"before": "healthy", "after": "needs_work"}
    assert [f["claim"] for f in told["changed"][0]["new"]] == ["A broke"]
    assert [f["claim"] for f in told["changed"][1]["gone"]] == ["B broke"]
    assert told["findings"] == {"new": 1, "gone": 1}


def test_a_finding_with_other_figures_is_the_same_finding() -> None:
    """What moved a number is neither new nor gone; a second one of its kind is new."""
    before = summary(service("a", a_finding("It failed 3 times")))
    more = summary(service("a", a_finding("It failed 5 times")))
    twice = summary(
        service("a", a_finding("It failed 5 times"), a_finding("The pool ran dry 7 times", citations=["incident:X"]))
    )

    assert compare(before, more)["findings"] == {"new": 0, "gone": 0}
    assert compare(before, twice)["findings"] == {"new": 1, "gone": 0}


def test_services_that_only_one_batch_has_are_named_and_not_compared() -> None:
    """A service that is new has not changed."""
    told = compare(summary(service("a"), service("b")), summary(service("b"), service("c")))

    assert told["services"]["only_before"] == ["a"]
    assert told["services"]["only_after"] == ["c"]
    assert told["services"]["compared"] == 1


def test_a_source_that_could_not_be_read_any_more_is_shown_beside_the_verdict() -> None:
    """A finding that is gone because nobody looked is not a problem that is gone."""
    before = summary(service("a", a_finding(severity="critical")))
    after = summary(
        evidence_of(
            no_answer(service="a"),
            *(an_answer(service="a", agent=agent) for agent in ("code", "metrics", "runbooks")),
            service="a",
        )
    )

    told = compare(before, after)

    assert told["changed"][0]["sources"] == {"incidents": {"before": "read", "after": "failed"}}
    assert "incidents read -> failed" in "\n".join(lines(told))


def test_five_thousand_changes_are_a_page_for_people() -> None:
    """Longer lists end in a line that says how many more there are."""
    before = summary(*(service(f"s{n}") for n in range(1_000)))
    after = summary(*(service(f"s{n}", a_finding(severity="critical")) for n in range(1_000)))

    said = lines(compare(before, after))

    assert len(said) < 200
    assert "and 970 more changed" in said[-1]


def test_what_data_says_cannot_speak_to_a_terminal() -> None:
    """Names and claims come from files that anyone may have written."""
    loud = "\x1b[2J\x07gone\nverdict: healthy"
    before = summary(service("a"), service(f"old {loud}"))
    after = summary(service("a", a_finding(f"It broke {loud}")), service(f"new {loud}"))

    said = lines(compare(before, after))

    assert sum("gone verdict: healthy" in line for line in said) == 3
    assert all(line.isprintable() for line in said)
