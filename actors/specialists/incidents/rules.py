"""The incidents analyst: rules from the tools' figures to findings, as docs/specialists/incidents.md states them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import log, sqrt
from typing import Final, cast

from actors.contracts import JsonValue
from actors.specialists.base import Answered, Call
from actors.specialists.findings import Finding, Findings, Severity
from actors.specialists.incidents.phrases import Part, facts_of, gaps_of, in_words, lasting, severities
from actors.wording import counted

CALLS: Final = (Call("summarize_incidents"), Call("find_recurrence"))
# Thresholds are meant for a month to a quarter. A longer window gathers more, a shorter one less: each by its root.
MONTH_DAYS, QUARTER_DAYS = 30.0, 90.0
SHORT_FACTOR_MAX = 3.0  # few incidents in very few days are a rate that nobody can be sure of

# From which score on a finding has which severity. The scores are in harm: a critical hour is 4, a major hour 2.
Bands = tuple[tuple[float, Severity], ...]
PRONE: Bands = ((0.75, "low"), (3.0, "medium"), (7.0, "high"), (24.0, "critical"))
SLOW: Bands = ((0.5, "low"), (2.0, "medium"), (6.0, "high"))
SLOW_ONCE: Bands = SLOW[:2]  # one long incident is no habit
RECURRING: Bands = ((0.3, "low"), (1.2, "medium"), (2.8, "high"), (12.0, "critical"))
TREND: Bands = ((1.5, "medium"), (3.0, "high"))  # standard deviations
ELSEWHERE: Bands = ((0.75, "low"), (3.0, "medium"))
MENTIONED: Bands = ((0.5, "low"),)
CONFIDENCE_MIN, CONFIDENCE_MAX = 0.55, 0.95  # within a band; so the top of one stays below the bottom of the next
MENTION_CONFIDENCE_MAX = 0.4
TREND_COUNT_MIN = 4
OPEN_DAYS_MAX = 30.0  # open for longer: more likely forgotten in the tracker than still hurting
OPEN_SEVERITY: Mapping[str, Severity] = {
    "critical": "critical",
    "major": "high",
    "unknown": "medium",
    "minor": "medium",
}
STEP_DOWN: Mapping[Severity, Severity] = {"critical": "high", "high": "medium", "medium": "low", "low": "low"}
CITATIONS_MAX = 8


def analyse(_inputs: Mapping[str, JsonValue], answered: Sequence[Answered]) -> Sequence[Call] | Findings:
    """First the calls, then the findings. The inputs are not looked at: the tools know where to read."""
    done = {each.call.tool: each for each in answered}
    waiting = [call for call in CALLS if call.tool not in done]
    return waiting or findings_of(
        {name: each.content for name, each in done.items() if each.error is None}, _errors(done)
    )


def findings_of(contents: Mapping[str, JsonValue], errors: Sequence[str] = ()) -> Findings:
    """The answer from the tools' contents; a tool that failed is a gap."""
    summary = cast(Part, contents.get("summarize_incidents") or {})
    recurrence = cast(Part, contents.get("find_recurrence") or {})
    if not summary:
        return Findings(summary="The incident records could not be summarised.", gaps=list(errors))
    rules: tuple[Callable[[Part], Finding | None], ...] = (_prone, _slow, _open, _trend, _elsewhere, _mentioned)
    found = [rule(summary) for rule in rules]
    found += [_recurring(group) for group in recurrence.get("groups", [])[:3]]
    return Findings(
        summary=in_words(summary),
        findings=[finding for finding in found if finding is not None],
        facts=facts_of(summary),
        gaps=[*errors, *gaps_of(summary)],
    )


def graded(score: float, bands: Bands) -> tuple[Severity, float] | None:
    """Severity and confidence of a score; None below the lowest band. A higher score never gives less of either."""
    reached = [(start, severity) for start, severity in bands if score >= start]
    if not reached:
        return None
    start, severity = reached[-1]
    end = next((start for start, _ in bands if start > score), 6.0 * start)
    share = min(log(score / start) / log(end / start), 1.0)
    return severity, round(CONFIDENCE_MIN + (CONFIDENCE_MAX - CONFIDENCE_MIN) * share, 4)


def _prone(summary: Part) -> Finding | None:
    own = summary["own"]
    grade = graded(_per_quarter(own["harm"], summary), PRONE)
    if grade is None or not summary["worst"]:
        return None
    claim = (
        f"{counted(own['count'], 'incident')} of its own in {summary['window']['days']:g} days ({severities(own)}), "
        f"{own['unavailable_minutes']:g} minutes known to be hurt by those above minor."
    )
    return _finding("incident_prone", claim, grade, _cited(summary["worst"]))


def _slow(summary: Part) -> Finding | None:
    restore = summary["restore"]
    grade = graded(_per_quarter(restore["slow_score"], summary), SLOW if restore["slow"] > 1 else SLOW_ONCE)
    if grade is None:
        return None
    median = (
        "" if restore["median_minutes"] is None else f", median of all that ended {lasting(restore['median_minutes'])}"
    )
    longest = max(row["minutes"] for row in restore["slowest"])
    slow = counted(restore["slow"], "incident")
    claim = f"{slow} took longer than expected for the severity, up to {lasting(longest)}{median}."
    return _finding("slow_restore", claim, grade, _cited(restore["slowest"]))


def _open(summary: Part) -> Finding | None:
    """The worst open incident decides, the number of them adds to the confidence."""
    rows = [row for row in summary["open"] if row["severity"] in OPEN_SEVERITY]
    if not rows:
        return _maybe_open(summary)
    severity = min((_open_severity(row) for row in rows), key=("critical", "high", "medium", "low").index)
    worst = next(row for row in rows if _open_severity(row) == severity)
    stale = " It may be forgotten in the tracker." if worst["minutes"] > OPEN_DAYS_MAX * 1440 else ""
    claim = f"{counted(len(rows), 'incident')} still open; '{worst['title']}' for {lasting(worst['minutes'])}.{stale}"
    confidence = min(CONFIDENCE_MIN + 0.15 * log(1 + sum(row["harm"] for row in rows)), CONFIDENCE_MAX)
    return _finding(
        "open_incident", claim, (severity, confidence), _cited([worst, *(r for r in rows if r is not worst)])
    )


def _maybe_open(summary: Part) -> Finding | None:
    rows = [row for row in summary["maybe_open"] if row["severity"] in OPEN_SEVERITY]
    if not rows:
        return None
    claim = (
        f"{counted(len(rows), 'incident')} without an end, in a tracker that ends the others: open, or never closed."
    )
    return _finding("open_incident", claim, (STEP_DOWN[OPEN_SEVERITY[rows[0]["severity"]]], 0.3), _cited(rows))


def _trend(summary: Part) -> Finding | None:
    score, now, before = summary["trend_z"], summary["own"]["hurting"], summary["before"]["hurting"]
    grade = None if score is None or now < TREND_COUNT_MIN else graded(score, TREND)
    if grade is None:
        return None
    claim = f"{now} incidents of its own in this window against {before} in the one before ({score:.1f} deviations)."
    return _finding("worsening_trend", claim, grade, _cited(summary["worst"]))


def _elsewhere(summary: Part) -> Finding | None:
    caused = summary["caused_elsewhere"]
    grade = graded(_per_quarter(caused["harm"], summary), ELSEWHERE)
    if grade is None:
        return None
    origins = ", ".join(f"{name} ({count})" for name, count in caused["by_service"].items())
    claim = f"{counted(caused['count'], 'incident')} that others caused, as the records say: {origins}."
    finding = _finding("caused_elsewhere", claim, grade, _cited(caused["worst"]))
    return finding.model_copy(update={"role": "symptom", "cause": next(iter(caused["by_service"]), "")[:200]})


def _mentioned(summary: Part) -> Finding | None:
    others = summary["not_incidents"]
    grade = graded(others["mentions_score"], MENTIONED)
    if grade is None:
        return None
    claim = (
        f"{counted(others['mentions'], 'ticket')} mentioned in the window without times or severity; "
        "by their titles some tell of trouble. Weak evidence."
    )
    severity, confidence = grade
    return _finding(
        "tracker_mentions", claim, (severity, confidence * MENTION_CONFIDENCE_MAX), _cited(others["mentions_worst"])
    )


def _recurring(group: Part) -> Finding | None:
    grade = graded(group["score"], RECURRING)
    if grade is None:
        return None
    before = f" and {counted(group['before'], 'time')} in the window before" if group["before"] else ""
    titles = f", under {group['different_titles']} titles" if group["different_titles"] > 1 else ""
    times = f"{counted(group['in_window'], 'time')}{before}{titles}"
    claim = f"The same cause {times} (by {group['rests_on']}): {group['cause']}"
    finding = _finding("recurring_cause", claim, grade, group["citations"])
    return finding.model_copy(update={"cause": group["cause"][:200]})


def _finding(kind: str, claim: str, grade: tuple[Severity, float], citations: Sequence[str]) -> Finding:
    severity, confidence = grade
    cited = list(dict.fromkeys(citations))[:CITATIONS_MAX]
    return Finding(kind=kind, claim=claim[:600], severity=severity, confidence=round(confidence, 4), citations=cited)


def _errors(done: Mapping[str, Answered]) -> list[str]:
    return [f"{name} failed: {each.error}"[:300] for name, each in done.items() if each.error is not None]


def _per_quarter(score: float, summary: Part) -> float:
    days = summary["window"]["days"]
    return score * sqrt(QUARTER_DAYS / max(days, QUARTER_DAYS)) * _short_factor(days)


def _short_factor(days: float) -> float:
    return min(SHORT_FACTOR_MAX, sqrt(MONTH_DAYS / min(max(days, 0.01), MONTH_DAYS)))


def _open_severity(row: Part) -> Severity:
    severity = OPEN_SEVERITY[row["severity"]]
    return STEP_DOWN[severity] if row["minutes"] > OPEN_DAYS_MAX * 1440 else severity


def _cited(rows: Sequence[Part]) -> list[str]:
    return [row["citation"] for row in rows]
