"""Whether incidents follow changes more often than the change rate alone would bring."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from actors.sources import Window
from actors.tools.code.chance import chance_of, share
from actors.tools.code.change_kinds import substantive
from actors.tools.code.change_summary import DAY_S, Cited, cited
from actors.tools.code.commits import Commit, History, stamp

HOUR_S = 3_600.0
BASE_DAYS_MIN = 28.0  # four of each weekday
LISTED_MAX = 6
CHANGES_LISTED_MAX = 3


@dataclass(frozen=True, slots=True)
class Followed:
    """One incident and the newest changes before it."""

    incident: str  # its citation
    started_at: str
    hours_after_change: float
    changes: tuple[Cited, ...]


@dataclass(frozen=True, slots=True)
class BeforeIncidents:
    """Incidents that start within `hours` of one another count once; a change counts from when it reached the main
    line.

    `followed_change` of `incidents` began within `hours` after a change; `expected` would have at the same time of
    day on the other days of the service's life around them (working days with working days), and `chance` is how
    likely so many are by that alone.
    """

    hours: float
    incidents: int
    followed_change: int
    followed_share: float
    expected: float
    chance: float
    listed: tuple[Followed, ...]


def before_incidents(
    commits: Sequence[Commit],
    incidents: Iterable[tuple[str, float]],
    history: History,
    window: Window,
    *,
    hours: float = 24.0,
) -> BeforeIncidents:
    """`commits` are the service's, of `history`; `incidents` are (citation, start in Unix seconds), in any order."""
    within_s = hours * HOUR_S
    landed = sorted((c for c in commits if substantive(c)), key=lambda c: (c.landed_at_s, c.sha))
    times_s = [commit.landed_at_s for commit in landed]
    outages = _apart([(at_s, id) for id, at_s in incidents if window.start_s <= at_s <= window.as_of_s], within_s)
    followed = [
        (id, at_s, landed[first:last])
        for at_s, id in outages
        if (first := bisect_left(times_s, at_s - within_s)) < (last := bisect_left(times_s, at_s))
    ]
    chances = [_base_rate(times_s, at_s, within_s, history.since_s, window) for at_s, _ in outages]
    return BeforeIncidents(
        hours=hours,
        incidents=len(outages),
        followed_change=len(followed),
        followed_share=share(len(followed), len(outages)),
        expected=round(sum(chances), 2),
        chance=round(chance_of(len(followed), chances), 4),
        listed=tuple(_followed(id, at_s, changes) for id, at_s, changes in followed[::-1][:LISTED_MAX]),
    )


def _apart(started: Sequence[tuple[float, str]], within_s: float) -> list[tuple[float, str]]:
    """The first of each group of incidents that start within `within_s` of the group's first."""
    kept: list[tuple[float, str]] = []
    for at_s, id in sorted(started):
        if not kept or at_s - kept[-1][0] > within_s:
            kept.append((at_s, id))
    return kept


def _base_rate(times_s: Sequence[float], at_s: float, within_s: float, since_s: float, window: Window) -> float:
    """How often a change came within `within_s` before the same time of day, on other days like that one.

    With one added to both outcomes (Laplace), so that a few days are never taken for certainty.
    """
    days = int(max(window.length_s / DAY_S, BASE_DAYS_MIN))
    last_s = window.as_of_s - (window.as_of_s - at_s) % DAY_S
    ends = [end for day in range(days) if (end := last_s - day * DAY_S) != at_s and end - within_s >= since_s]
    alike = [end for end in ends if _is_weekend(end) == _is_weekend(at_s)]
    hits = sum(bisect_left(times_s, end - within_s) < bisect_left(times_s, end) for end in alike)
    return (hits + 1) / (len(alike) + 2)


def _is_weekend(at_s: float) -> bool:
    return (at_s // DAY_S + 3) % 7 >= 5  # 1970-01-01, day 0, was a Thursday: Monday is 0


def _followed(id: str, at_s: float, changes: Sequence[Commit]) -> Followed:
    newest = changes[::-1]
    hours = round((at_s - newest[0].landed_at_s) / HOUR_S, 1)
    return Followed(id, stamp(at_s), hours, tuple(cited(commit) for commit in newest[:CHANGES_LISTED_MAX]))
