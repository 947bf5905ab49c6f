"""Which commits undo others: reverts and what they took back, and hotfixes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from actors.tools.code.change_kinds import Purpose, brings_hotfix, purpose, reverted_id, reverted_subject
from actors.tools.code.commits import Commit, History, shown, stamp

HOUR_S = 3_600.0
QUICK_REVERT_S = 14 * 86_400.0  # what is taken back after more than two weeks was retired, not broken


@dataclass(frozen=True, slots=True)
class Undone:
    """One commit that undoes or mends another. `of` and `hours` are empty where the other one is not known."""

    citation: str
    at: str
    subject: str
    of: str = ""
    hours: float | None = None


def reverts(commits: Iterable[Commit], history: History) -> list[Undone]:
    """The reverts among `commits`, in their order, one of each group that landed together.

    What was taken back is the commit whose id is named, or the latest earlier one of `history` with the subject that
    is quoted. A revert of what landed together with it undid nothing that was live, and is left out.
    """
    found = []
    for commit in landed(commits, Purpose.REVERT):
        target = _target(commit, history)
        if target is None:  # an id that is not found is of before the history read: taken back late
            hours = (commit.at_s - history.since_s) / HOUR_S if reverted_id(commit) else None
            found.append(entry(commit, hours=hours))
        elif target.landing != commit.landing:
            found.append(entry(commit, target))
    return found


def hotfixes(commits: Iterable[Commit], history: History) -> list[Commit]:
    """Those that say so, and those that came with the merge of a hotfix branch; one of each group that landed
    together."""
    found: dict[str, Commit] = {}
    for commit in commits:
        told = purpose(commit)
        if told is Purpose.HOTFIX or (told in (Purpose.FIX, Purpose.CHANGE) and _came_urgently(commit, history)):
            found.setdefault(commit.landing, commit)
    return list(found.values())


def landed(commits: Iterable[Commit], wanted: Purpose) -> list[Commit]:
    """Those for `wanted`, the first of each group that landed together."""
    found: dict[str, Commit] = {}
    for commit in commits:
        if purpose(commit) is wanted:
            found.setdefault(commit.landing, commit)
    return list(found.values())


def is_late(undone: Undone) -> bool:
    return undone.hours is not None and undone.hours * HOUR_S > QUICK_REVERT_S


def entry(commit: Commit, other: Commit | None = None, *, hours: float | None = None) -> Undone:
    """`commit`, as it undoes `other`."""
    if other is not None:
        hours = max(0.0, commit.at_s - other.at_s) / HOUR_S
    return Undone(
        citation=commit.citation,
        at=stamp(commit.at_s),
        subject=shown(commit.subject),
        of=other.citation if other else "",
        hours=None if hours is None else round(hours, 1),
    )


def _target(revert: Commit, history: History) -> Commit | None:
    id, subject = reverted_id(revert), reverted_subject(revert)
    named = history.find(id) if id else None
    if named is not None or not subject:
        return named
    same: Sequence[Commit] = history.with_subject(subject)
    return next((commit for commit in same if commit.at_s <= revert.at_s and commit.sha != revert.sha), None)


def _came_urgently(commit: Commit, history: History) -> bool:
    arrival = history.find(commit.landing) if commit.landing != commit.sha else None
    return arrival is not None and brings_hotfix(arrival)
