"""Synthesis: the same outcomes in any order give the same bytes, and nothing that was missing looks read."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.contracts import Outcome, Reason
from actors.specialists.findings import Findings
from orchestrator.conflicts import find_conflicts
from orchestrator.evidence import Evidence, Subject, weigh
from orchestrator.report import report
from orchestrator.scoring import SEVERITY_POINTS, Verdict
from orchestrator.synthesis import encoded, summarize
from support.answers import AGENTS, HEAD, a_finding, an_answer, by_name, evidence_of, no_answer, ranked

METRIC = "metric:up@1661281200"


def test_a_hundred_shuffled_orders_give_identical_bytes() -> None:
    """Outcomes come in as hosts finish; neither the summary nor the report may show it."""
    outcomes = _an_estate(services=12, seed=3)
    dice = random.Random(5)

    written = set()
    for _ in range(100):
        dice.shuffle(outcomes)
        summary = summarize(HEAD, by_name(*_weighed(outcomes, dice)))
        written.add((b"".join(encoded(summary)), "".join(report(summary))))

    assert len(written) == 1


FINDING = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(["slow_restore", "churn"]),
        "claim": st.text(min_size=1, max_size=40),
        "severity": st.sampled_from(list(SEVERITY_POINTS)),
        "confidence": st.floats(0, 1),
        "role": st.sampled_from(["cause", "symptom"]),
        "cause": st.sampled_from(["", "s1", "expired certificate"]),
        "citations": st.lists(st.sampled_from(["incident:A", METRIC, "bad"]), min_size=1, max_size=3),
    }
)


@settings(max_examples=50)
@given(st.lists(FINDING, max_size=8), st.randoms(use_true_random=False))
def test_findings_in_any_order_merge_into_the_same_claims(findings: list[dict[str, Any]], dice: random.Random) -> None:
    """A model lists its findings as it likes; the merge does not care, and merging twice changes nothing."""
    shuffled = list(findings)
    dice.shuffle(shuffled)

    once, again = evidence_of(an_answer(*findings)), evidence_of(an_answer(*shuffled))

    assert once.claims == again.claims
    assert once.weights == again.weights


def test_near_identical_findings_of_a_source_become_one_with_all_citations() -> None:
    """The same figures in nearly the same words are one problem, told twice; other figures are another problem."""
    told = "5xx answers stepped up from 0.1 to 4.2 percent after the change of Tuesday"
    evidence = evidence_of(
        an_answer(
            a_finding(told, citations=["incident:A"]),
            a_finding(told.upper(), citations=["incident:B"], severity="medium"),
            a_finding(told.replace("Tuesday", "that day"), citations=["incident:A", "incident:C"]),
            a_finding(told.replace("4.2", "9.9"), citations=["incident:A"]),
        )
    )

    assert sorted((c.severity, sorted(c.citations)) for c in evidence.claims) == [
        ("high", ["incident:A"]),
        ("high", ["incident:A", "incident:B", "incident:C"]),
    ]


def test_like_words_about_two_things_stay_two_claims() -> None:
    """Two stale pages are told in the same words and differ in what they cite."""
    words = "The page {} about restarts of the queue was not touched for two years and names hosts that are gone"
    evidence = evidence_of(
        an_answer(
            *(a_finding(words.format(page), citations=[f"runbook:{page}:1"]) for page in ("queue.md", "cache.md")),
            agent="runbooks",
        )
    )

    assert len(evidence.claims) == 2


def test_every_source_is_read_absent_or_failed_and_says_so() -> None:
    """A source without a task is absent; one without an answer is failed, with its reason, also if it never ran."""
    evidence = evidence_of(
        an_answer(gaps=["two records have no end"]),
        no_answer(agent="code", reason=Reason.TOOL_ERROR, message="no repository"),
        agents=("incidents", "code", "metrics"),
    )

    assert dict(evidence.states) == {"incidents": "read", "git": "failed", "metrics": "failed", "runbooks": "absent"}
    assert evidence.gaps == (
        "runbooks: absent, the manifest names none",
        "git: failed, tool_error: no repository",
        "metrics: failed, cancelled: the run ended before this task did",
        "incidents: two records have no end",
    )
    assert (evidence.tasks_planned, evidence.tasks_succeeded, len(evidence.failures)) == (3, 1, 2)


def test_an_answer_in_another_form_is_a_failed_source_and_no_crash() -> None:
    """Whatever reaches the synthesis, the other services keep their report."""
    odd = an_answer(a_finding(severity="awful"))

    evidence = evidence_of(odd, agents=("incidents",))

    assert evidence.states["incidents"] == "failed"
    assert evidence.failures[0].reason == "invalid_output"


def test_an_unknown_agent_is_a_failure_in_the_list() -> None:
    """Its row is there, and no source is taken for read."""
    lost = no_answer(agent="astrologer", reason=Reason.NO_SUCH_AGENT, message="no such agent")

    summary = _summary(evidence_of(lost, agents=("astrologer",)))

    assert [(f["agent"], f["reason"]) for f in summary["failures"]] == [("astrologer", "no_such_agent")]
    assert summary["coverage"]["services"] == {"total": 1, "reported": 0}
    assert summary["not_known"]["not_reported"] == ["cart"]


def test_unresolved_citations_strike_their_claims_out_of_score_and_findings() -> None:
    """A claim on a citation that does not exist counts nothing, and is listed."""
    answer = an_answer(a_finding(severity="critical", citations=["incident:GONE"]), unresolved=["incident:GONE"])

    service = _summary(evidence_of(answer))["services"][0]

    assert service["findings"] == []
    assert service["points"]["read"] == {"incidents": 0.0}
    assert service["struck"][0]["citations"] == [{"citation": "incident:GONE", "reason": "not found in its source"}]


def test_a_cause_outranks_the_services_that_show_its_symptoms() -> None:
    """Symptoms weigh a quarter, and those that agree on their cause lend it weight."""
    symptom = a_finding("latency rose", role="symptom", cause="db", severity="critical", citations=[METRIC])
    shows = [evidence_of(an_answer(symptom, agent="metrics", service=n), service=n) for n in ("web", "api", "app")]
    db = evidence_of(an_answer(a_finding("restarts", citations=[METRIC]), agent="metrics", service="db"), service="db")

    standings = ranked(*shows, db)

    assert standings[0].brief.name == "db"
    assert standings[0].pointed_at_by == ("api", "app", "web")
    assert standings[0].lent_points == 6


def test_a_symptom_that_points_at_a_healthy_service_is_a_conflict() -> None:
    """The report does not choose a side: it says where to look."""
    symptom = a_finding("latency rose", role="symptom", cause="Component:DB", citations=[METRIC])
    web = evidence_of(an_answer(symptom, agent="metrics", service="web"), service="web")
    db = evidence_of(an_answer(agent="metrics", service="db"), service="db")

    doubts = {s.brief.name: s.doubts for s in ranked(web, db)}

    assert doubts["db"] == ()
    assert "point at db, where nothing was found" in doubts["web"][0]
    assert _summary(web, db)["services"][0]["conflicts"] == list(doubts["web"])


@pytest.mark.parametrize(
    ("incidents", "metrics", "said"),
    [
        (
            {"unavailable_minutes": 0.0},
            {"unavailable_minutes": 40.0},
            "no incident with down time, though metrics show 40",
        ),
        ({"unavailable_minutes": 90.0}, {"unavailable_minutes": 0.0}, "90 min of down time, though metrics show none"),
        (
            {"unavailable_minutes": 90.0},
            {"unavailable_minutes": 30.0},
            "90 min in the tracker and 30 min in the metrics",
        ),
        ({"unavailable_minutes": 3.0}, {"unavailable_minutes": 0.0}, None),
        ({"unavailable_minutes": 60.0}, {"unavailable_minutes": 40.0}, None),
        ({"users_affected": True}, {"users_affected": False}, "though nothing in the metrics shows it"),
        ({"users_affected": False}, {"users_affected": True}, "metrics show that users were affected, though no inc"),
        ({"users_affected": True}, {"users_affected": True}, None),
        ({"deploys": 2.0}, {"deploys": 9.0}, "deploys: incidents says 2, metrics says 9"),
        (
            {"unavailable_minutes": "about 40"},
            {"unavailable_minutes": 0.0},
            "unavailable minutes: incidents says 'about",
        ),
        (
            {"users_affected": "some"},
            {"users_affected": False},
            "users affected: incidents says 'some', metrics says no",
        ),
        ({"state": "Open"}, {"state": "open "}, None),
        ({"state": "open"}, {"state": "closed"}, "state: incidents says 'open', metrics says 'closed'"),
        ({"incidents": 4.0}, {"probes": 9.0}, None),
    ],
)
def test_facts_that_differ_between_sources_are_named(
    incidents: dict[str, Any], metrics: dict[str, Any], said: str | None
) -> None:
    """Small differences are noise; large ones are said so that one sees what to do."""
    found = find_conflicts({"metrics": metrics, "incidents": incidents})

    assert len(found) == (said is not None)
    assert said is None or said in found[0]


def test_the_summary_has_the_stable_shape() -> None:
    """Programs read these keys; a change of them is a new schema."""
    summary = json.loads(b"".join(encoded(_summary(evidence_of(an_answer(a_finding()), no_answer(agent="code"))))))

    assert summary["schema"] == "muster.audit/1"
    assert summary["coverage"]["services"] == {"total": 1, "reported": 1}
    assert summary["coverage"]["tasks"] == {
        "planned": 4,
        "succeeded": 1,
        "failed": {"cancelled": 2, "timeout": 1},
    }
    assert set(summary["budget"]) == {
        "limit_tokens",
        "spent_tokens",
        "limit_microusd",
        "spent_microusd",
        "charged_unseen_tokens",
        "returned_tokens",
        "spend",
    }
    service = summary["services"][0]
    assert {"name", "rank", "score", "verdict", "sources", "findings", "conflicts", "gaps"} <= set(service)
    assert {"claim", "severity", "source", "citations"} <= set(service["findings"][0])
    assert set(summary["failures"][0]) == {"task_id", "service", "agent", "reason", "message", "spent_tokens"}


def test_services_with_a_cause_in_common_are_grouped_and_owners_see_their_work() -> None:
    """One expired certificate in five services is one thing to do, not five."""
    bad = a_finding("certificate expired", severity="critical", cause="Expired  certificate", citations=["incident:A"])
    evidence = [evidence_of(an_answer(bad, service=n), service=n, owner=o) for n, o in (("a", "x"), ("b", "y"))]

    summary = _summary(*evidence, evidence_of(an_answer(service="c"), service="c", owner="x"))

    assert [(g["name"], g["services"]) for g in summary["groups"]["causes"]] == [("expired certificate", ["a", "b"])]
    assert [(o["owner"], o["services"], o["needs_work"]) for o in summary["groups"]["owners"]] == [
        ("y", 1, ["b"]),
        ("x", 2, ["a"]),
    ]


def test_a_service_of_which_nothing_was_read_is_listed_as_unknown() -> None:
    """All sources failed: it keeps its line, its reasons and no clean bill of health."""
    nothing = evidence_of(*(no_answer(agent=agent) for agent in AGENTS))

    standing = ranked(nothing)[0]

    assert standing.verdict is Verdict.UNKNOWN
    assert len(_summary(nothing)["services"][0]["gaps"]) == 4


def test_no_services_are_an_answer_too() -> None:
    """An empty estate is summarized, not divided by."""
    summary = _summary()

    assert summary["services"] == []
    assert "no service" in summary["answer"]


def _summary(*evidence: Evidence) -> dict[str, Any]:
    return summarize(HEAD, by_name(*evidence))


def _weighed(outcomes: list[Outcome], dice: random.Random) -> list[Evidence]:
    names = sorted({outcome.run_id for outcome in outcomes})
    dice.shuffle(names)
    return [
        weigh(Subject(name=name, agents=AGENTS[: 2 + len(name) % 3]), [o for o in outcomes if o.run_id == name])
        for name in names
    ]


def _an_estate(*, services: int, seed: int) -> list[Outcome]:
    """Answers and failures of all kinds, some of them odd. Every answer has the form of findings."""
    dice = random.Random(seed)
    outcomes: list[Outcome] = []
    for name in (f"service-{'x' * (n % 3)}{n}" for n in range(services)):
        for agent in AGENTS:
            if dice.random() < 0.2:
                outcomes.append(no_answer(service=name, agent=agent, reason=dice.choice(list(Reason))))
                continue
            findings = [
                a_finding(
                    f"claim {dice.randrange(3)}",
                    severity=dice.choice(list(SEVERITY_POINTS)),
                    confidence=dice.random(),
                    role=dice.choice(["cause", "symptom"]),
                    cause=dice.choice(["", "service-3", "disk full"]),
                    citations=dice.sample(["incident:A", "incident:B", METRIC, "odd"], 2),
                )
                for _ in range(dice.randrange(6))
            ]
            facts = {"unavailable_minutes": dice.uniform(0, 60), "users_affected": dice.random() < 0.5}
            answer = an_answer(*findings, service=name, agent=agent, unresolved=["incident:B"], facts=facts)
            Findings.model_validate(answer.output)
            outcomes.append(answer)
    return outcomes
