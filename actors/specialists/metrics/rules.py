"""The offline analyst's rules: what each thing that the tools found weighs. Stated in docs/specialists/metrics.md."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, cast

from actors.contracts import JsonValue
from actors.specialists.findings import Finding, Findings
from actors.specialists.metrics.change_rules import changes, near_limit
from actors.specialists.metrics.weights import CITATIONS_MAX, Json, Weighed, figure, symptom, times, weighed

EPISODES_APART_MAX = 9  # the rest are one finding together
FINDINGS_MAX = 20
ONE_OFF_SHARE, OFTEN_SHARE = 3e-5, 3e-2  # of the time with data: four minutes in 90 days; 40 minutes a day
EXHAUSTED = 0.9  # of a resource
ERROR_BUDGET = 0.001  # what 99.9 % leaves
ALSO_DOWN = 0.3  # of a burst that an outage has counted already
FLAPS_MIN, FLAP_MINUTES_MAX = 5, 30.0


def findings_of(contents: Mapping[str, Json | JsonValue], failed: Sequence[str]) -> Findings:
    """The answer, from what the tools said. Pure; findings most weighty first, then by kind."""
    discovered = cast(Json, contents.get("discover_series") or {})
    compared = cast(Json, contents.get("compare_windows") or {})
    episodes = cast(Json, contents.get("find_episodes") or {})
    every = [
        *_outages(episodes),
        *_episodes(episodes),
        *changes(compared),
        *near_limit(compared),
        *_silences(episodes),
    ]
    every.sort(key=lambda pair: (-pair[0], pair[1].kind, pair[1].claim))
    found = [finding for _, finding in every[:FINDINGS_MAX]]
    said: list[Any] = episodes.get("gaps") or discovered.get("gaps") or []
    gaps = [*failed, *said, *_missing(discovered)]
    return Findings(
        summary=_summary(discovered, found),
        findings=found,
        facts=_facts(episodes, found),
        gaps=list(dict.fromkeys(str(gap) for gap in gaps))[:20],
    )


def _outages(episodes: Json) -> list[Weighed]:
    """Down time, by how much of the error budget it took and how often.

    In two weeks, one outage of 10 minutes has 11 points, ten of an hour have 35; what is down now has at least 32.
    """
    seen = episodes.get("outages") or {"count": 0}
    if not seen["count"]:
        return []
    own = [one for one in seen["longest"] if one["role"] == "cause"]
    suffered = [one for one in seen["longest"] if one["role"] == "symptom"]
    found = [_own_outages(seen, own)] if own else []
    if suffered:
        cause = suffered[0]["cause"]
        claim = f"Down while {cause} was, {times(len(suffered))}, first at {min(one['start'] for one in suffered)}."
        found.append(symptom(8.0, "unavailability", claim, cause, [one["citation"] for one in suffered]))
    return found


def _own_outages(seen: Json, own: list[Json]) -> Weighed:
    count, minutes, watched = seen["own_count"], seen["own_minutes"], max(seen["watched_minutes"], 1.0)
    points = 40 * (1 - math.exp(-0.35 * math.log2(1 + minutes / watched / ERROR_BUDGET) - 0.1 * math.log2(1 + count)))
    claim = (
        f"Unavailable {times(count)} for {minutes:g} minutes in all ({100 * minutes / watched:.2g} % of "
        f"{watched / 1440:.1f} days watched), longest {own[0]['minutes']:g} minutes from {own[0]['start']}"
    )
    if seen["down_now"]:
        points, claim = max(points, 32.0), f"{claim}; still down at the last check"
    kind = "flapping" if count >= FLAPS_MIN and minutes / count < FLAP_MINUTES_MAX else "unavailability"
    return weighed(points, kind=kind, claim=f"{claim}.", citations=[one["citation"] for one in own[:CITATIONS_MAX]])


def _episodes(episodes: Json) -> list[Weighed]:
    """Bursts of the service's own making one by one, the smallest together; those that it suffers together."""
    every = episodes.get("episodes", [])
    covered = max(float(episodes.get("minutes_with_data") or 0.0), 1.0)
    own = [one for one in every if one["role"] == "cause"]
    rarity = _rarity(sum(one["minutes"] + 1 for one in own) / covered)
    down = [one for one in (episodes.get("outages") or {}).get("longest", []) if one["role"] == "cause"]
    repeated = 1 - math.exp(-len(own) / 2)
    points = [(_burst_points(one) * rarity * repeated * (ALSO_DOWN if _meets(one, down) else 1.0), one) for one in own]
    points.sort(key=lambda pair: (-pair[0], pair[1]["start"]))
    found = [
        weighed(p, kind=_kind(one), claim=_burst_claim(one), citations=one["citations"])
        for p, one in points[:EPISODES_APART_MAX]
    ]
    rest = points[EPISODES_APART_MAX:]
    if rest:
        count = len(rest) + int(episodes.get("episodes_left_out") or 0)
        claim = f"{count} smaller bursts besides, the first at {min(one['start'] for _, one in rest)}."
        cited = [one["citations"][0] for _, one in rest[:CITATIONS_MAX]]
        found.append(weighed(min(sum(p for p, _ in rest), 40.0), kind="further_bursts", claim=claim, citations=cited))
    return found + _suffered([one for one in every if one["role"] == "symptom"])


def _suffered(every: list[Json]) -> list[Weighed]:
    """Episodes that follow other services', as one finding per cause."""
    causes: dict[str, list[Json]] = {}
    for one in every:
        causes.setdefault(one["cause"], []).append(one)
    ranked = sorted(causes.items(), key=lambda pair: (-len(pair[1]), pair[0]))[:3]
    return [
        symptom(
            8.0 * (1 - math.exp(-len(theirs) / 2)),
            "suffers_dependency",
            f"In trouble {times(len(theirs))} while {cause} was, first at {theirs[0]['start']}: {theirs[0]['why']}.",
            cause,
            [one["citations"][0] for one in theirs],
        )
        for cause, theirs in ranked
    ]


def _burst_points(one: Json) -> float:
    """Up to 8 for five minutes that callers feel, more for long ones: size and agreement of signals count."""
    evidence = one["evidence"]
    size = max(strength * (2 if kind == "passing_on" else 1) for kind, strength in evidence.items())
    sure = 1 - math.exp(-0.3 * (len(evidence) - 1) - 0.5 * size)
    length = min(max((one["minutes"] + 1) / 5, 0.6) ** 0.2, 2.5)
    exhausted = any(what["unit"] == "share" and what["peak"] >= EXHAUSTED for what in one["what"])
    return float(8 * sure * length * (1.0 if one["felt_by_callers"] else 0.9 if exhausted else 0.6))


def _meets(one: Json, outages: Sequence[Json]) -> bool:
    """Whether an outage lies in a burst's time: then most of it is counted already."""
    return any(one["start"][:16] <= down["end"][:16] and down["start"][:16] <= one["end"][:16] for down in outages)


def _rarity(share: float) -> float:
    """From 0.15 for one brief burst in a season to 1 for bursts that take 3 % of the time."""
    scale = math.log(max(share, 1e-9) / ONE_OFF_SHARE) / math.log(OFTEN_SHARE / ONE_OFF_SHARE)
    return 0.15 + 0.85 * min(max(scale, 0.0), 1.0)


def _kind(one: Json) -> str:
    evidence = one["evidence"]
    if "errors" in evidence:
        return "error_burst"
    if not one["felt_by_callers"]:
        return "resource_burst"
    if set(evidence) == {"passing_on"}:
        return "calls_not_passed_on"
    return "latency_burst_with_saturation" if "resource" in evidence else "latency_burst"


def _burst_claim(one: Json) -> str:
    moved = "; ".join(
        f"{w['metric']} {figure(w['normal'], w['unit'])} to {figure(w['peak'], w['unit'])}" for w in one["what"][:3]
    )
    return f"For {one['minutes'] + 1:.0f} minutes from {one['start']}: {moved}. Its own: {one['why']}."[:600]


def _silences(episodes: Json) -> list[Weighed]:
    """No data: of the service alone a problem, of its neighbours as well the monitoring's."""
    found: list[Weighed] = []
    for one in episodes.get("silences", [])[:3]:
        until = "the end of the window" if one["until_now"] else one["end"]
        claim = f"No sample for {one['minutes']:g} minutes from {one['start']} to {until}"
        if one["neighbours_too"]:
            claim += "; its neighbours were silent as well, so it is the monitoring or the whole system."
            said = Finding(kind="data_gap", claim=claim, severity="info", confidence=0.9, citations=[one["citation"]])
            found.append((0.0, said))
            continue
        points = 4.0 if one["until_now"] else 1.5
        found.append(weighed(points, kind="data_gap", claim=claim + ".", citations=[one["citation"]]))
    return found


def _facts(episodes: Json, found: Sequence[Finding]) -> dict[str, float | str | bool]:
    outages = episodes.get("outages")
    felt = any(one["felt_by_callers"] for one in episodes.get("episodes", []))
    hurt = any(one.kind.startswith(("error_rate", "latency", "unavail", "flapping")) for one in found)
    facts: dict[str, float | str | bool] = {"users_affected": bool(felt or hurt)}
    if outages:
        facts["unavailable_minutes"] = float(outages["minutes"])
    return facts


def _missing(discovered: Json) -> list[str]:
    """User-facing signals that nothing reports: their absence is not health."""
    signals = discovered.get("signals", {})
    if not discovered or "availability" in signals:
        return []
    lacking = [name for name in ("errors", "latency") if name not in signals]
    return [f"no series reports {' or '.join(lacking)}"] if lacking else []


def _summary(discovered: Json, found: Sequence[Finding]) -> str:
    problems = [one for one in found if one.severity != "info"]
    own = [one for one in problems if one.role == "cause"]
    extent = f"{discovered.get('series', 0)} series with {discovered.get('hours_with_data', 0)} hours of data"
    if not problems:
        return f"Nothing in {extent} points to a reliability problem."
    suffered = len(problems) - len(own)
    return f"{len(own)} findings of its own and {suffered} from others, in {extent}. {problems[0].claim}"[:1200]
