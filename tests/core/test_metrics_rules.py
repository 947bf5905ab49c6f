"""The offline analyst: calls in order, then findings whose weight follows number, length and size."""

from __future__ import annotations

from typing import Any

import pytest

from actors.specialists.base import Answered, Call
from actors.specialists.findings import Findings
from actors.specialists.metrics.rules import findings_of
from actors.specialists.metrics.specialist import METRICS, STEPS, analyse
from actors.specialists.metrics.weights import TIERS

POINTS = {**dict(TIERS), "info": 0.0}


def points(found: Findings) -> float:
    return sum(POINTS[one.severity] * one.confidence * (0.25 if one.role == "symptom" else 1) for one in found.findings)


def burst(number: int = 0, **changed: Any) -> dict[str, Any]:
    return {
        "start": f"2026-01-{1 + number:02d}T10:00:00Z",
        "end": f"2026-01-{1 + number:02d}T10:04:00Z",
        "minutes": 4.0,
        "evidence": {"server": 4.0, "resource": 3.0},
        "felt_by_callers": True,
        "what": [{"metric": "m", "signal": "latency", "unit": "seconds", "normal": 0.01, "peak": 0.2}],
        "role": "cause",
        "cause": "",
        "why": "its own resources moved",
        "citations": [f"metric:m@{number}"],
        **changed,
    }


def episodes(*every: dict[str, Any], **changed: Any) -> dict[str, Any]:
    return {"find_episodes": {"minutes_with_data": 2880.0, "episodes": list(every), **changed}}


def outages(count: int, minutes: float, **changed: Any) -> dict[str, Any]:
    longest = [
        {"start": f"2026-01-{1 + n:02d}T10:00:00Z", "end": f"2026-01-{1 + n:02d}T11:00:00Z", "minutes": minutes / count,
         "role": "cause", "cause": "", "citation": f"metric:up@{n}"}
        for n in range(min(count, 12))
    ]  # fmt: skip
    seen = {"count": count, "minutes": minutes, "own_count": count, "own_minutes": minutes, "watched_minutes": 20160.0,
            "down_now": False, "longest": longest, "citation": "metric:up@9", **changed}  # fmt: skip
    return episodes(outages=seen)


def changed(signal: str, before: float, after: float, doublings: float, **more: Any) -> dict[str, Any]:
    one = {"kind": "step", "signal": signal, "scope": "own", "metric": "m", "unit": "share", "role": "cause",
           "cause": "", "at": "2026-01-05T00:00:00Z", "before": before, "after": after, "doublings": doublings,
           "certainty": 0.9, "agreeing_series": 1, "why": "", "citations": ["metric:m@1", "metric:m@2"]}  # fmt: skip
    changes = [{**one, **more}]
    return {"compare_windows": {"compared_with": "the window before", "changes": changes, "near_limit": []}}


def test_the_three_looks_come_in_order_and_then_the_answer():
    """Each call is one that the specialist has a tool for."""
    answered: list[Answered] = []
    for name in STEPS:
        (call,) = analyse({}, answered)
        assert (call.tool, call.tool in {tool.name for tool in METRICS.tools}) == (name, True)
        answered.append(Answered(call, {}))

    assert isinstance(analyse({}, answered), Findings)


def test_more_longer_and_larger_bursts_weigh_more():
    """Points rise with each, smoothly: the ranking of services follows."""
    counts = [points(findings_of(episodes(*(burst(n) for n in range(count))), ())) for count in range(13)]

    assert counts == sorted(counts)
    assert len(set(counts)) == len(counts)
    assert points(findings_of(episodes(burst(minutes=30.0)), ())) > counts[1]
    assert points(findings_of(episodes(burst(evidence={"server": 1.5})), ())) < counts[1]
    assert points(findings_of(episodes(burst(felt_by_callers=False)), ())) < counts[1]


def test_one_brief_spike_in_a_season_is_hygiene_at_most():
    """Five minutes in ninety days, once."""
    (finding,) = findings_of(episodes(burst(), minutes_with_data=90 * 1440.0), ()).findings

    assert finding.severity == "low"


def test_what_others_cause_is_told_as_such_and_weighs_little():
    """One finding per cause, with its name; eight of them weigh less than one burst of its own."""
    suffered = findings_of(episodes(*(burst(n, role="symptom", cause="db") for n in range(8))), ())

    assert [(one.role, one.cause) for one in suffered.findings] == [("symptom", "db")]
    assert points(suffered) < points(findings_of(episodes(*(burst(n) for n in range(2))), ()))


def test_down_time_weighs_by_share_and_count_and_most_when_it_lasts():
    """Monotone in minutes and in episodes; what is down now is critical."""
    by_minutes = [points(findings_of(outages(2, minutes), ())) for minutes in (2.0, 10.0, 60.0, 600.0, 6000.0)]
    by_count = [points(findings_of(outages(count, 60.0), ())) for count in (1, 2, 6, 20)]
    open_now = findings_of(outages(1, 5.0, down_now=True), ())

    assert by_minutes == sorted(by_minutes)
    assert by_count == sorted(by_count)
    assert open_now.findings[0].severity == "critical"
    assert open_now.facts == {"users_affected": True, "unavailable_minutes": 5.0}


@pytest.mark.parametrize(
    ("content", "kind", "severity"),
    [
        (changed("errors", 0.001, 0.05, 2.0), "error_rate_step", "critical"),
        (changed("latency", 0.1, 0.3, 1.4, unit="seconds", kind="trend"), "latency_creep", "high"),
        (changed("saturation", 0.4, 0.97, 1.2, kind="trend"), "saturation", "high"),
        (changed("saturation", 0.1, 0.3, 1.2), "saturation", "low"),
        (changed("traffic", 100.0, 10.0, -2.0, unit=""), "traffic_drop", "high"),
    ],
)
def test_a_change_for_the_worse_has_its_kind_and_severity(content: dict[str, Any], kind: str, severity: str):
    """What it says is what people would act on."""
    (finding,) = findings_of(content, ()).findings

    assert (finding.kind, finding.severity) == (kind, severity)
    assert finding.citations == ["metric:m@1", "metric:m@2"]


@pytest.mark.parametrize(
    "content",
    [
        {},
        changed("errors", 0.05, 0.001, -2.0),
        changed("latency", 0.3, 0.1, -1.4, unit="seconds"),
        changed("traffic", 10.0, 100.0, 2.0, unit=""),
        episodes(outages={"count": 0, "minutes": 0.0, "longest": []}),
    ],
)
def test_what_got_better_or_is_healthy_is_no_finding(content: dict[str, Any]):
    """Improvements, growth, and probes that never failed."""
    assert findings_of(content, ()).findings == []


def test_high_but_flat_use_and_shared_silence_are_context():
    """Both are told, and neither counts."""
    near = {"metric": "disk", "unit": "share", "high": 0.95, "citation": "metric:disk@1"}
    silence = {"start": "2026-01-01T00:00:00Z", "end": "2026-01-02T00:00:00Z", "minutes": 1440.0, "until_now": False,
               "neighbours_too": True, "citation": "metric:m@1"}  # fmt: skip
    content = {
        "compare_windows": {"compared_with": "the window before", "changes": [], "near_limit": [near]},
        **episodes(silences=[silence]),
    }

    found = findings_of(content, ())

    assert [one.severity for one in found.findings] == ["info", "info"]
    assert points(found) == 0


def test_a_tool_that_failed_is_a_gap_and_the_rest_is_answered():
    """The reason is passed on; what the other tools said still counts."""
    answered = [
        Answered(Call("discover_series"), None, "no such thing"),
        Answered(Call("compare_windows"), changed("errors", 0.001, 0.05, 2.0)["compare_windows"]),
        Answered(Call("find_episodes"), episodes(burst())["find_episodes"]),
    ]

    found = analyse({}, answered)

    assert isinstance(found, Findings)
    assert any("no such thing" in gap for gap in found.gaps)
    assert {one.kind for one in found.findings} == {"error_rate_step", "latency_burst_with_saturation"}
