"""The rules of scoring: bounds, order, and what happens to a source that was not read."""

from __future__ import annotations

import math
import re
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from orchestrator import scoring
from orchestrator.answer import answer
from orchestrator.evidence import Evidence
from orchestrator.scoring import Verdict
from support.answers import AGENTS, a_finding, an_answer, evidence_of, no_answer, ranked

RULES = {"by": "rules"}  # who wrote the page

SEVERITIES = list(scoring.SEVERITY_POINTS)
POINTS = st.lists(st.floats(0, 40), max_size=20)
DOCS = Path(__file__).parents[2] / "docs" / "scoring.md"


@given(POINTS, st.floats(0, 40), st.sampled_from(list(scoring.SOURCE_CAPS)))
def test_one_more_finding_never_lowers_a_source(points: list[float], more: float, source: str) -> None:
    """A source's points grow with its findings and stay below its cap."""
    before, after = scoring.source_points(source, points), scoring.source_points(source, [*points, more])

    assert 0 <= before <= after + 1e-9
    assert after <= scoring.SOURCE_CAPS[source]


@given(POINTS, st.floats(0, 40))
def test_the_score_is_monotone_and_lies_between_0_and_100(parts: list[float], more: float) -> None:
    """More evidence never scores less, and no evidence scores 0."""
    assert scoring.score([]) == 0
    assert 0 <= scoring.score(parts) <= scoring.score([*parts, more]) + 1e-9
    assert scoring.score([*parts, more]) <= 100


def test_each_step_of_severity_outweighs_the_step_below_and_info_weighs_nothing() -> None:
    """Severities are in the order that their names say; context is no problem."""
    weights = [scoring.finding_points(severity, 1.0, "cause") for severity in SEVERITIES]

    assert weights == sorted(weights, reverse=True)
    assert weights[-1] == 0
    assert scoring.finding_points("high", 0.5, "symptom") == 20 * 0.5 * 0.25


def test_a_service_without_a_source_counts_with_the_median_of_those_that_have_it() -> None:
    """Absent and failed alike: neither the credit of a clean source nor the blame of a bad one."""
    others = [_service(f"s{n}", metrics_findings=n) for n in range(5)]
    absent = evidence_of(an_answer(), an_answer(agent="code"), service="absent", agents=("incidents", "code"))
    failed = evidence_of(an_answer(), an_answer(agent="code"), no_answer(agent="metrics"), service="failed")

    standings = {s.brief.name: s for s in ranked(*others, absent, failed)}

    median = others[2].weights["metrics"]
    assert standings["absent"].imputed["metrics"] == standings["failed"].imputed["metrics"] == median
    assert standings["absent"].score == standings["failed"].score
    assert standings["s1"].score < standings["absent"].score <= standings["s2"].score < standings["s3"].score


def test_blame_and_health_both_need_evidence() -> None:
    """What was imputed never blames a service; what was hardly read, or could well be ill, is not called healthy."""
    work, watch = scoring.NEEDS_WORK_MIN, scoring.WATCH_MIN

    assert scoring.verdict(total=60, evidence=work, sources_read=1) is Verdict.NEEDS_WORK
    assert scoring.verdict(total=60, evidence=work - 0.1, sources_read=1) is Verdict.WATCH
    assert scoring.verdict(total=60, evidence=watch - 0.1, sources_read=3) is Verdict.UNKNOWN
    assert scoring.verdict(total=0, evidence=0, sources_read=1) is Verdict.UNKNOWN
    assert scoring.verdict(total=watch - 0.1, evidence=0, sources_read=2) is Verdict.HEALTHY


def test_where_a_source_of_harm_was_read_nowhere_nobody_is_called_healthy() -> None:
    """Clean code and good runbooks do not show that a service is up: that its metrics are unknown is said."""
    agents = ("incidents", "code", "runbooks")
    clean = [evidence_of(*(an_answer(agent=a) for a in agents), service=f"s{n}", agents=agents) for n in range(3)]
    sick = evidence_of(an_answer(a_finding("high"), a_finding("high")), service="sick", agents=agents)
    seen = evidence_of(*(an_answer(agent=a) for a in AGENTS), service="seen")

    blind = {s.brief.name: s.verdict for s in ranked(*clean, sick)}
    seeing = {s.brief.name: s.verdict for s in ranked(*clean, sick, seen)}

    assert blind == {"s0": Verdict.UNKNOWN, "s1": Verdict.UNKNOWN, "s2": Verdict.UNKNOWN, "sick": Verdict.NEEDS_WORK}
    assert [seeing[name] for name in ("s0", "s1", "s2", "seen")] == [Verdict.HEALTHY] * 4
    assert answer(ranked(*clean, sick), RULES).endswith("Read for no service, so unknown of all: metrics.")
    assert "unknown of all" not in answer(ranked(*clean, sick, seen), RULES)


def test_the_thresholds_mean_what_their_comments_say() -> None:
    """A finding that is nearly sure, in a source of harm, with nothing else against the service."""
    alone = {
        severity: scoring.score([scoring.source_points("metrics", [scoring.finding_points(severity, sure, "cause")])])
        for severity, sure in (("high", 0.95), ("medium", 0.7), ("low", 1.0))
    }

    assert alone["high"] >= scoring.NEEDS_WORK_MIN > alone["medium"] >= scoring.WATCH_MIN > alone["low"]


def test_a_source_that_nobody_has_counts_nothing_for_everybody() -> None:
    """Dropping one source from a whole estate moves nobody by imputation."""
    assert scoring.imputed_points({}) == dict.fromkeys(scoring.SOURCE_CAPS, 0.0)


def test_one_service_that_points_at_another_lends_it_nothing_and_many_lend_a_little() -> None:
    """A single symptom may be wrong about its cause; no crowd of symptoms outweighs one high finding."""
    assert scoring.lent_points(1) == 0
    assert 0 < scoring.lent_points(2) < scoring.lent_points(3)
    assert scoring.lent_points(1_000) < scoring.SEVERITY_POINTS["high"]


def test_the_worked_example_of_the_docs_is_what_the_code_computes() -> None:
    """docs/scoring.md states numbers; they are recomputed here from the findings that it names."""
    text = DOCS.read_text()
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| ([\d.]+) \| (\w+) \| ([\d.]+) \|$", text, re.MULTILINE)
    stated = dict(re.findall(r"^- ([a-z ]+): \*\*([\d.]+)\*\*", text, re.MULTILINE))
    by_source: dict[str, list[float]] = {}
    for source, severity, confidence, role, points in rows:
        by_source.setdefault(source, []).append(scoring.finding_points(severity, float(confidence), role))
        assert math.isclose(by_source[source][-1], float(points), abs_tol=0.005)

    weights = {source: scoring.source_points(source, points) for source, points in by_source.items()}
    evidence = scoring.score(weights.values())
    total = scoring.score([*weights.values(), float(stated["imputed for runbooks"])])

    assert len(rows) == 5
    for source, weight in weights.items():
        assert stated[source] == f"{weight:.2f}"
    assert stated["score of the evidence"] == f"{evidence:.2f}"
    assert stated["score that ranks"] == f"{total:.2f}"


def test_the_docs_state_the_constants_of_the_code() -> None:
    """Every number that decides stands in docs/scoring.md."""
    text = DOCS.read_text()

    for severity, points in scoring.SEVERITY_POINTS.items():
        assert f"| {severity} | {points:g} |" in text
    for source, cap in scoring.SOURCE_CAPS.items():
        assert f"| {source} | {cap:g} |" in text
    for number in (
        f"x {scoring.SYMPTOM_FACTOR:g}",
        f"at least {scoring.NEEDS_WORK_MIN:g}",
        f"at least {scoring.WATCH_MIN:g}",
        f"fewer than {scoring.SOURCES_READ_MIN} sources",
        f"{scoring.LENT_POINTS_EACH:g} points each",
        f"at most {scoring.LENT_POINTS_MAX:g} points",
    ):
        assert number in text


def _service(name: str, *, metrics_findings: int) -> Evidence:
    findings = [a_finding(f"level shift {n}", citations=["metric:up@1"]) for n in range(metrics_findings)]
    answers = [an_answer(*(findings if agent == "metrics" else []), agent=agent, service=name) for agent in AGENTS[:3]]
    return evidence_of(*answers, service=name, agents=AGENTS[:3])
