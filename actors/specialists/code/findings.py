"""The findings that rules draw from a history: what must be reached for each, and how sure each is.

Every figure here is stated again, with its reason, in docs/specialists/code.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import exp
from statistics import median

from actors.specialists.findings import Finding, Severity
from actors.tools.code.chance import share_at_least
from actors.tools.code.change_files import HotFile
from actors.tools.code.change_incidents import BeforeIncidents
from actors.tools.code.change_rework import Rework
from actors.tools.code.change_summary import Summary
from actors.tools.code.change_undone import Undone

CITED_MAX = 12  # as many as a finding may have
UNTESTED = "changes reach users before they are known to work"


@dataclass(frozen=True, slots=True)
class Bar:
    """What a count must reach for a severity: itself, its share of the changes at least (one standard error below
    what was seen), and its pace."""

    severity: Severity
    count: int
    share: float
    a_month: float = 0.0


UNDONE_BARS = (Bar("high", 4, 0.10, 1.0), Bar("medium", 3, 0.06, 0.3), Bar("low", 2, 0.04))
MENDED_BARS = (Bar("high", 8, 0.25, 2.0), Bar("medium", 5, 0.15, 0.5), Bar("low", 3, 0.10))
FILE_BARS = (Bar("medium", 5, 0.35), Bar("low", 3, 0.25))
KEEPER_BARS = (Bar("low", 10, 0.70),)
SURE = 0.05  # a pattern that chance brings more often than this is none


@dataclass(frozen=True, slots=True)
class _Kind:
    """One way of undoing changes: how often in the window and in the one before, in which words, and by what."""

    name: str
    count: int
    before: int | None
    called: str
    listed: Sequence[Undone]


def rework_findings(rework: Rework, trust: float, days: float) -> Iterator[Finding]:
    """Reverts and hotfixes, each by its own number; both together where that reaches a higher bar than either alone.

    How sure they are follows from both together: the share of the other changes that did not hold.
    """
    now, past = rework.window, rework.before
    undone = now.reverts + now.hotfixes
    whole = max(now.changes - undone, undone)
    sure = confidence(undone, whole, trust, half_at=0.2)
    reverts = _Kind("revert_churn", now.reverts, past.reverts if past else None, "reverts", rework.reverts)
    hotfixes = _Kind(
        "hotfix_churn", now.hotfixes, past.hotfixes if past else None, "hotfixes or rollbacks", rework.hotfixes
    )
    both = _Kind(
        "rework_churn",
        undone,
        past.reverts + past.hotfixes if past else None,
        "reverts and hotfixes",
        (*rework.reverts, *rework.hotfixes),
    )
    alone = [finding for kind in (reverts, hotfixes) for finding in _undone(kind, whole, sure, days)]
    together = list(_undone(both, whole, sure, days))
    yield from together if _worst(together) > _worst(alone) else alone


def _worst(findings: Sequence[Finding]) -> int:
    return max((("low", "medium", "high").index(finding.severity) for finding in findings), default=-1)


def _undone(kind: _Kind, whole: int, sure: float, days: float) -> Iterator[Finding]:
    bar = reached(UNDONE_BARS, kind.count, whole, days)
    if bar is None:
        return
    compared = "" if kind.before is None else f" ({kind.before} in the window before)"
    hours = [entry.hours for entry in kind.listed if entry.hours is not None]
    after = f", half of them within {median(hours):.1f} h of what they undo" if hours else ""
    yield Finding(
        kind=kind.name,
        claim=f"{kind.count} {kind.called} on {whole} other changes in {days:g} days{compared}{after}.",
        severity=bar.severity,
        confidence=sure,
        cause=UNTESTED,
        citations=_cited(kind.listed),
    )


def mended(rework: Rework, trust: float, days: float) -> Iterator[Finding]:
    """Fixes soon after a change of the same files, where the change rate alone does not explain them."""
    soon = rework.fixed_soon
    bar = reached(MENDED_BARS, soon.changes, rework.window.changes, days)
    if bar is None or soon.chance > SURE:
        return
    yield Finding(
        kind="fix_after_change",
        claim=(
            f"{soon.changes} of {rework.window.changes} changes in {days:g} days were mended within "
            f"{soon.within_hours:g} h by a fix of the same files; {soon.expected:g} would be by chance."
        ),
        severity=bar.severity,
        confidence=confidence(soon.changes, rework.window.changes, trust, half_at=0.25),
        cause=UNTESTED,
        citations=_cited(rework.fixed),
    )


def risky(answers: Sequence[BeforeIncidents], trust: float) -> Iterator[Finding]:
    """Incidents that follow changes above chance. Several spans are looked at, so their chances are multiplied."""
    if not answers:
        return
    best = min(answers, key=lambda answer: (answer.chance, answer.hours))
    chance = min(1.0, best.chance * len(answers))
    if best.followed_change < 3 or best.followed_share < 0.5 or chance > SURE:
        return
    pairs = [citation for one in best.listed for citation in (one.incident, one.changes[0].citation)]
    yield Finding(
        kind="risky_changes",
        claim=(
            f"{best.followed_change} of {best.incidents} incidents began within {best.hours:g} h after a change of "
            f"the code; {best.expected:g} would by its change rate alone (chance {chance:.2g})."
        ),
        severity="high" if best.followed_change >= 4 and chance <= SURE / 5 else "medium",
        confidence=round(min(0.95, 1 - chance * 5) * (0.5 + 0.5 * best.followed_share) * trust, 3),
        cause=UNTESTED,
        citations=_unique(pairs),
    )


def hot(file: HotFile, trust: float, *, told: bool) -> Iterator[Finding]:
    """One file that takes the repairs. Low when it is `told` already that changes are undone: it is where, not more."""
    bar = reached(FILE_BARS, file.repairs, file.changes, 30.0)
    if bar is not None:
        yield Finding(
            kind="hot_file",
            claim=f"{file.repairs} of {file.changes} changes of {file.path} in the window were repairs.",
            severity="low" if told else bar.severity,
            confidence=confidence(file.repairs, file.changes, trust, half_at=0.4),
            citations=list(file.citations),
        )


def keeper(summary: Summary, trust: float) -> Iterator[Finding]:
    """One person who knows it all: a risk for the day that he is away, and no more than that."""
    known = summary.known
    by_one = round(known.top_author_share * known.changes)
    bar = reached(KEEPER_BARS, by_one, known.changes, 30.0)
    if bar is not None and summary.latest:
        yield Finding(
            kind="single_maintainer",
            claim=f"One person made {by_one} of the {known.changes} changes of the code in {known.days:g} days.",
            severity=bar.severity,
            confidence=confidence(by_one, known.changes, trust, half_at=0.8),
            citations=[change.citation for change in summary.latest[:3]],
        )


def surge(summary: Summary) -> Iterator[Finding]:
    """Context for the other sources: much work is no problem by itself."""
    before = summary.before
    if before is not None and summary.window.changes >= max(20, 3 * before.changes):
        yield Finding(
            kind="change_surge",
            claim=f"{summary.window.changes} changes in the window, {before.changes} in the one before.",
            severity="info",
            confidence=0.9,
            citations=[change.citation for change in summary.latest],
        )


def _cited(listed: Sequence[Undone]) -> list[str]:
    """The commits that undo, then those that they undo, as many as fit."""
    return _unique([*(entry.citation for entry in listed), *(entry.of for entry in listed if entry.of)])


def _unique(citations: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(citations))[:CITED_MAX]


def reached(bars: Sequence[Bar], count: int, whole: int, days: float) -> Bar | None:
    """The first bar that is reached."""
    least, a_month = share_at_least(count, whole), count * 30 / max(days, 30.0)
    reached = (bar for bar in bars if count >= bar.count and least >= bar.share and a_month >= bar.a_month)
    return next(reached, None)


def confidence(count: int, whole: int, trust: float, *, half_at: float) -> float:
    """Rises smoothly with the share that is sure: 0.4 at none, 0.68 at `half_at`, at most 0.95; times `trust`."""
    sure = 1 - exp(-share_at_least(count, whole) / half_at * 0.7)
    return round((0.4 + 0.55 * sure) * trust, 3)
