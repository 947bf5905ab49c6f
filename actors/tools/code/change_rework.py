"""Changes that had to be undone or mended: reverts, hotfixes, and fixes soon after a change of the same files."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from actors.sources import Window
from actors.tools.code.chance import chance_of, covered
from actors.tools.code.change_kinds import (
    FileKind,
    Purpose,
    by_bot,
    by_people,
    file_kind,
    purpose,
    substantive,
)
from actors.tools.code.change_summary import in_window
from actors.tools.code.change_undone import Undone, entry, hotfixes, is_late, landed, reverts
from actors.tools.code.commits import Commit, History, between

HOUR_S = 3_600.0
LISTED_MAX = 8


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
    quick = [undone for undone in reverts(recent, history) if not is_late(undone)]
    pairs, fixed_soon = _fixed_soon(live, recent, window, within_hours)
    hours = [undone.hours for undone in quick if undone.hours is not None]
    return Rework(
        window=_counts(recent, history),
        before=_counts(past, history) if history.since_s <= window.past_start_s else None,
        median_hours_to_revert=round(median(hours), 1) if hours else None,
        fixed_soon=fixed_soon,
        reverts=tuple(quick[:LISTED_MAX]),
        hotfixes=tuple(entry(commit) for commit in hotfixes(recent, history)[:LISTED_MAX]),
        fixed=tuple(entry(fix, change) for fix, change in pairs[:LISTED_MAX]),
    )


def _counts(commits: Sequence[Commit], history: History) -> Counts:
    undone = reverts(commits, history)
    late = sum(map(is_late, undone))
    return Counts(
        changes=len(by_people(commits)),
        reverts=len(undone) - late,
        late_reverts=late,
        relands=len(landed(commits, Purpose.RELAND)),
        hotfixes=len(hotfixes(commits, history)),
        fixes=len(landed(commits, Purpose.FIX)),
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
