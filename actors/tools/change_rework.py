"""Changes that had to be undone or mended: reverts, hotfixes, and fixes soon after a change of the same files."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from actors.sources import Window
from actors.tools.chance import chance_of, covered
from actors.tools.change_kinds import (
    FileKind,
    Purpose,
    by_bot,
    by_people,
    file_kind,
    purpose,
    reverted_id,
    reverted_subject,
    substantive,
)
from actors.tools.change_summary import in_window
from actors.tools.commits import Commit, History, between, shown, stamp

HOUR_S = 3_600.0
QUICK_REVERT_S = 14 * 86_400.0  # what is taken back after more than two sprints was retired, not broken
LISTED_MAX = 8


@dataclass(frozen=True, slots=True)
class Undone:
    """One commit that undoes or mends another. `of` and `hours` are empty where the other one is not known."""

    citation: str
    at: str
    subject: str
    of: str = ""
    hours: float | None = None


@dataclass(frozen=True, slots=True)
class Counts:
    """Commits that touch code or configuration, several of one purpose that landed together counted once.

    `changes` counts all by people; `reverts` those that took back a change within two weeks (or one that is not
    known), `late_reverts` the others.
    """

    changes: int
    reverts: int
    late_reverts: int
    relands: int
    hotfixes: int
    fixes: int


@dataclass(frozen=True, slots=True)
class FixedSoon:
    """Changes followed within `within_hours` by a fix of the same files that landed apart from them.

    `fixes` of `fixes_looked_at` came that soon after a change; `expected` would have by the files' change rate alone,
    and `chance` is how likely so many are by it.
    """

    within_hours: float
    changes: int
    fixes: int
    fixes_looked_at: int
    expected: float
    chance: float


@dataclass(frozen=True, slots=True)
class Rework:
    """`before` is None where the history does not reach back over the window before. Lists are newest first."""

    window: Counts
    before: Counts | None
    median_hours_to_revert: float | None
    fixed_soon: FixedSoon
    reverts: tuple[Undone, ...]
    hotfixes: tuple[Undone, ...]
    fixed: tuple[Undone, ...]


def rework(commits: Sequence[Commit], history: History, window: Window, *, within_hours: float = 72.0) -> Rework:
    """`commits` are the service's, newest first; `history` is the repository's, to find what was reverted."""
    live = [commit for commit in commits if substantive(commit)]
    recent, past = in_window(live, window), between(live, window.past_start_s, window.start_s)
    found = _Reverted(history)
    reverts = [undone for undone in found.all_of(recent) if not _is_late(undone)]
    pairs, fixed_soon = _fixed_soon(live, recent, window, within_hours)
    hours = [undone.hours for undone in reverts if undone.hours is not None]
    return Rework(
        window=_counts(recent, found),
        before=_counts(past, found) if history.since_s <= window.past_start_s else None,
        median_hours_to_revert=round(median(hours), 1) if hours else None,
        fixed_soon=fixed_soon,
        reverts=tuple(reverts[:LISTED_MAX]),
        hotfixes=tuple(_entry(commit) for commit in _landed(recent, Purpose.HOTFIX)[:LISTED_MAX]),
        fixed=tuple(_entry(fix, change) for fix, change in pairs[:LISTED_MAX]),
    )


class _Reverted:
    """Finds the commit that a revert names: by its id, or by the latest earlier one with the quoted subject."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._by_subject: dict[str, list[Commit]] = defaultdict(list)
        for commit in history.commits:
            self._by_subject[_plain(commit.subject)].append(commit)

    def all_of(self, commits: Sequence[Commit]) -> list[Undone]:
        """The reverts among `commits`, in their order."""
        return [undone for commit in _landed(commits, Purpose.REVERT) if (undone := self.undone(commit))]

    def undone(self, commit: Commit) -> Undone | None:
        """The revert that `commit` is, or None when it took back what had not landed before it."""
        id, subject = reverted_id(commit), reverted_subject(commit)
        named = self._by_subject.get(_plain(subject), ()) if subject else ()
        earlier = (found for found in named if found.at_s <= commit.at_s and found.sha != commit.sha)
        target = (self._history.find(id) if id else None) or next(earlier, None)
        if target is None:  # an id that is not found is of before the history read: taken back late
            return _entry(commit, hours=(commit.at_s - self._history.since_s) / HOUR_S if id else None)
        return None if target.landing == commit.landing else _entry(commit, target)


def _plain(subject: str) -> str:
    """A subject without the pull request's number that code hosts put behind it."""
    return re.sub(r"(?:\s*\(#\d+\))+$", "", subject.strip())


def _is_late(undone: Undone) -> bool:
    return undone.hours is not None and undone.hours * HOUR_S > QUICK_REVERT_S


def _entry(commit: Commit, other: Commit | None = None, *, hours: float | None = None) -> Undone:
    if other is not None:
        hours = max(0.0, commit.at_s - other.at_s) / HOUR_S
    of = other.citation if other else ""
    return Undone(
        commit.citation, stamp(commit.at_s), shown(commit.subject), of, None if hours is None else round(hours, 1)
    )


def _landed(commits: Iterable[Commit], wanted: Purpose) -> list[Commit]:
    """Those for `wanted`, one of each group that landed together (the newest)."""
    found: dict[str, Commit] = {}
    for commit in commits:
        if purpose(commit) is wanted:
            found.setdefault(commit.landing, commit)
    return list(found.values())


def _counts(commits: Sequence[Commit], found: _Reverted) -> Counts:
    undone = found.all_of(commits)
    late = sum(map(_is_late, undone))
    return Counts(
        changes=len(by_people(commits)),
        reverts=len(undone) - late,
        late_reverts=late,
        relands=len(_landed(commits, Purpose.RELAND)),
        hotfixes=len(_landed(commits, Purpose.HOTFIX)),
        fixes=len(_landed(commits, Purpose.FIX)),
    )


def _fixed_soon(
    live: Sequence[Commit], recent: Sequence[Commit], window: Window, within_hours: float
) -> tuple[list[tuple[Commit, Commit]], FixedSoon]:
    """Pairs (fix, the last change of the same files before it), newest first, and what chance alone would bring."""
    changed = _changes_by_file(live)
    within_s = within_hours * HOUR_S
    fixes = [commit for commit in recent if purpose(commit) is Purpose.FIX and not by_bot(commit)]
    pairs, chances = [], []
    for fix in fixes:
        others = {
            change.sha: change for path in _code(fix) for change in changed[path] if change.landing != fix.landing
        }
        times_s = [change.landed_at_s for change in others.values()]
        chances.append(covered(times_s, within_s, window.start_s, window.as_of_s))
        soon = [c for c in others.values() if 0 <= fix.landed_at_s - c.landed_at_s <= within_s and c.at_s <= fix.at_s]
        if soon:
            pairs.append((fix, max(soon, key=lambda change: (change.at_s, change.sha))))
    return pairs, FixedSoon(
        within_hours=within_hours,
        changes=len({change.sha for _, change in pairs}),
        fixes=len(pairs),
        fixes_looked_at=len(fixes),
        expected=round(sum(chances), 2),
        chance=round(chance_of(len(pairs), chances), 4),
    )


def _changes_by_file(commits: Iterable[Commit]) -> dict[str, list[Commit]]:
    """By file, the changes (not fixes, reverts or hotfixes) that people made to it."""
    changed: dict[str, list[Commit]] = defaultdict(list)
    for commit in commits:
        if purpose(commit) is Purpose.CHANGE and not by_bot(commit):
            for path in _code(commit):
                changed[path].append(commit)
    return changed


def _code(commit: Commit) -> list[str]:
    return [change.path for change in commit.files if file_kind(change.path) in (FileKind.CODE, FileKind.CONFIG)]
