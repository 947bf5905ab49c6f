"""How much a service changed, by how many people, and in which files: the window against the one before it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from actors.sources import Window
from actors.tools.code.chance import share
from actors.tools.code.change_kinds import FileKind, Purpose, by_bot, by_people, file_kind, purpose, substantive
from actors.tools.code.commits import Commit, History, between, shown, stamp

DAY_S = 86_400.0
LISTED_MAX = 6


@dataclass(frozen=True, slots=True)
class Period:
    """One stretch of time. `changes` are commits by people without merges; `documents` those of them that touch no
    code or configuration; `bots` are commits by programs. Shares are of `changes`."""

    days: float
    changes: int
    documents: int
    bots: int
    merges: int
    active_days: int
    authors: int
    top_author_share: float


@dataclass(frozen=True, slots=True)
class Knowledge:
    """Who knows the code, by the changes of people over all of the history read.

    `half_known_by` is the smallest number of people who made at least half of the changes (a bus factor).
    """

    days: float
    changes: int
    authors: int
    top_author_share: float
    half_known_by: int
    authors_in_window: int


@dataclass(frozen=True, slots=True)
class Cited:
    citation: str
    at: str
    purpose: str
    subject: str


@dataclass(frozen=True, slots=True)
class Summary:
    """`before` is None where the history does not reach back over it.

    `touched` is the share of file changes by kind; `short_subjects` the share of the window's changes whose message
    begins with fewer than two words, so that nothing can be told by it. `begins` is where the history read begins.
    """

    window: Period
    before: Period | None
    known: Knowledge
    touched: dict[str, float]
    bot_share: float
    short_subjects: float
    latest: tuple[Cited, ...]
    begins: str
    gaps: tuple[str, ...] = ()


def summarize(commits: Sequence[Commit], history: History, window: Window, *, gaps: Sequence[str] = ()) -> Summary:
    """`commits` are the service's, of all of `history`, newest first; `gaps` are handed on."""
    recent = in_window(commits, window)
    past = between(commits, window.past_start_s, window.start_s)
    reaches_back = history.since_s <= window.past_start_s
    counted = [commit for commit in commits if len(commit.parents) <= 1]
    return Summary(
        window=_period(recent, window.length_s),
        before=_period(past, window.length_s) if reaches_back else None,
        known=_knowledge(commits, recent, window.as_of_s - history.since_s),
        touched=_touched(commits),
        bot_share=share(sum(map(by_bot, counted)), len(counted)),
        short_subjects=_short_subjects(by_people(recent)),
        begins=stamp(history.since_s),
        latest=tuple(cited(commit) for commit in by_people(recent)[:LISTED_MAX]),
        gaps=tuple(gaps),
    )


def in_window(commits: Sequence[Commit], window: Window) -> list[Commit]:
    """Those from the window's start up to and with its last moment."""
    return [commit for commit in commits if window.start_s <= commit.at_s <= window.as_of_s]


def cited(commit: Commit) -> Cited:
    return Cited(commit.citation, stamp(commit.at_s), purpose(commit).value, shown(commit.subject))


def _period(commits: Sequence[Commit], length_s: float) -> Period:
    people = by_people(commits)
    merges = sum(purpose(commit) is Purpose.MERGE for commit in commits)
    return Period(
        days=round(length_s / DAY_S, 1),
        changes=len(people),
        documents=sum(not substantive(commit) for commit in people),
        bots=len(commits) - merges - len(people),
        merges=merges,
        active_days=len({int(commit.at_s // DAY_S) for commit in people}),
        authors=len({commit.author for commit in people}),
        top_author_share=_top_share(people),
    )


def _knowledge(commits: Sequence[Commit], recent: Sequence[Commit], length_s: float) -> Knowledge:
    people = [commit for commit in by_people(commits) if substantive(commit)]
    return Knowledge(
        days=round(max(length_s, 0.0) / DAY_S, 1),
        changes=len(people),
        authors=len({commit.author for commit in people}),
        top_author_share=_top_share(people),
        half_known_by=_half_known_by(people),
        authors_in_window=len({commit.author for commit in by_people(recent) if substantive(commit)}),
    )


def _short_subjects(commits: Sequence[Commit]) -> float:
    return share(sum(len(commit.subject.split()) < 2 for commit in commits), len(commits))


def _top_share(commits: Sequence[Commit]) -> float:
    counts = Counter(commit.author for commit in commits)
    return share(max(counts.values(), default=0), len(commits))


def _half_known_by(commits: Sequence[Commit]) -> int:
    needed, people = len(commits) / 2, 0
    for _, count in Counter(commit.author for commit in commits).most_common():
        if needed <= 0:
            break
        needed -= count
        people += 1
    return people


def _touched(commits: Sequence[Commit]) -> dict[str, float]:
    counts = Counter(file_kind(change.path) for commit in commits for change in commit.files)
    return {kind.value: share(counts[kind], sum(counts.values())) for kind in FileKind if counts[kind]}
