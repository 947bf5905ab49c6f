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
        "compared": 2, "changed": 0, "verdict_changed": 0, "too_little_known": {"before": 0, "after": 0},
        "only_before": [], "only_after": [],
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
    assert told["findings"] == {"new": 1, "gone": 1, "unread": 0}


def test_a_finding_with_other_figures_is_the_same_finding() -> None:
    """What moved a number is neither new nor gone; a second one of its kind is new."""
    before = summary(service("a", a_finding("It failed 3 times")))
    more = summary(service("a", a_finding("It failed 5 times")))
    twice = summary(
        service("a", a_finding("It failed 5 times"), a_finding("The pool ran dry 7 times", citations=["incident:X"]))
    )

    assert compare(before, more)["findings"] == {"new": 0, "gone": 0, "unread": 0}
    assert compare(before, twice)["findings"] == {"new": 1, "gone": 0, "unread": 0}


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
    assert told["changed"][0]["gone"] == []
    assert [finding["source"] for finding in told["changed"][0]["unread"]] == ["incidents"]


def test_a_batch_that_knows_too_little_of_a_service_has_not_changed_its_verdict() -> None:
    """It stands behind those that did change, is counted apart, and both directions are told."""
    rest = [an_answer(service="a", agent=agent) for agent in ("code", "metrics", "runbooks")]
    little = evidence_of(no_answer(service="a"), *rest, service="a")
    full = service("a", a_finding(severity="critical"))
    grown = service("b", a_finding(severity="critical"))

    later, earlier = (
        compare(summary(full, service("b")), summary(little, grown)),
        compare(summary(little, service("b")), summary(full, grown)),
    )

    assert later["services"]["too_little_known"] == {"before": 0, "after": 1}
    assert earlier["services"]["too_little_known"] == {"before": 1, "after": 0}
    for told in (later, earlier):
        assert told["verdicts"] == {"healthy -> needs_work": 1}
        assert told["services"]["verdict_changed"] == 1
        assert told["findings"] == {"new": 1, "gone": 0, "unread": 1}
        assert [one["name"] for one in told["changed"]] == ["b", "a"]
    assert any(line.startswith("unclear    1 services, of which the second knows") for line in lines(later))
    assert any(line.startswith("unclear    1 services, of which the first knows") for line in lines(earlier))


def test_who_read_less_and_found_it_worse_has_seen_a_change() -> None:
    """What was not read cannot have made a verdict worse."""
    rest = [an_answer(service="a", agent=agent) for agent in ("code", "metrics")]
    broke = an_answer(a_finding(severity="critical"), service="a")
    after = evidence_of(broke, no_answer(service="a", agent="runbooks"), *rest, service="a")

    told = compare(summary(service("a")), summary(after))

    assert told["verdicts"] == {"healthy -> needs_work": 1}
    assert told["services"]["too_little_known"] == {"before": 0, "after": 0}


def test_a_batch_that_is_not_complete_and_what_was_asked_otherwise_are_said_first() -> None:
    """Before any change, with how much was read; of a complete batch that was asked the same, nothing."""
    whole = {**summary(service("a")), "status": "answered"}
    broken = {**dict(summarize(HEAD, by_name(evidence_of(no_answer(service="a"), service="a")))), "model": "m-2"}
    broken |= {"status": "interrupted: by SIGINT", "question": "What else?"}
    asked = {"source": "/x.yaml", "fingerprint": "1", "settings": {"tiers": "", "turns_max": 12, "drivers": 1}}
    other = {"source": "/x.yaml", "fingerprint": "2", "settings": {"tiers": "work=m-3", "turns_max": 12, "drivers": 2}}

    told = compare(whole, broken, manifests=(asked, other))

    assert (told["before"]["complete"], told["after"]["complete"]) == (True, False)
    assert told["after"]["coverage"]["tasks"] == {"planned": 4, "succeeded": 0}
    assert told["asked_differently"] == [
        "the model was 'offline' and is 'm-2'",
        "the question was 'Which?' and is 'What else?'",
        "the manifest's text was '1' and is '2'",
        "tiers was none and is 'work=m-3'",
    ]
    said = lines(told)
    assert said[0] == (
        "second     not complete (interrupted: by SIGINT): 0 of 4 tasks answered, 0 of 1 services reported"
    )
    assert [line.split()[0] for line in said[1:6]] == ["otherwise"] * 4 + ["compared"]
    assert lines(compare(whole, whole, manifests=(asked, asked)))[0].startswith("compared")


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
