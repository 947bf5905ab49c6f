"""Who changed what in a service's code: a year and more of changes as values, before Git sees them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from random import Random

from jobs.sample.changes import (
    BUMPED,
    FIXED,
    HOTFIXED,
    LANGUAGES,
    REFACTORED,
    SUBJECTS,
    Language,
)
from jobs.sample.estate import AS_OF_S, DAY_S, HOUR_S, MINUTE_S, WINDOW_S, Service, stream
from jobs.sample.kinds import Decoy, Planted
from jobs.sample.words import PEOPLE_MAX, person

HISTORY_DAYS = 420
RECENT_DAYS = 90  # of these the pace is the usual one; before that a third of it
BOT = "update-bot"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One commit to a service. `files` are places in its language's list of files, `lines` how many change in each.

    `undoes` is the earlier change whose files are put back as they were before it.
    """

    at_s: int
    author: str
    subject: str
    files: tuple[int, ...]
    lines: int = 3
    body: str = ""
    undoes: Change | None = field(default=None, compare=False)


def language_of(service: Service, seed: int) -> Language:
    return stream(seed, service.name, "language").choice(LANGUAGES)


def changes_of(service: Service, seed: int) -> tuple[Change, ...]:
    """All changes of `service`, oldest first; the first one brings all of its files."""
    writer = _Writer(stream(seed, service.name, "history"), len(language_of(service, seed).files))
    begun_s = AS_OF_S - HISTORY_DAYS * DAY_S - writer.rng.randrange(30 * DAY_S)
    first = replace(writer.change(begun_s, "Import the service"), files=tuple(range(writer.files)))
    later = [change for told in (_ordinary, _planted, _decoys) for change in told(service, writer)]
    return (first, *sorted(later, key=lambda change: change.at_s))


class _Writer:
    """Makes changes of one service by the few people who work on it."""

    def __init__(self, rng: Random, files: int) -> None:
        self.rng = rng
        self.files = files
        self._team = [person(number) for number in rng.sample(range(PEOPLE_MAX), rng.randint(4, 7))]
        self._pull_request = rng.randint(20, 900)

    def change(self, at_s: int, subject: str, *, files: int = 0, lines: int = 0, body: str = "") -> Change:
        """A change by one of the team; without `files` and `lines` of a usual size, the first files most often."""
        count = min(files or self.rng.choices((1, 2, 3, 4), (45, 30, 15, 10))[0], self.files)
        touched = {min(int(self.rng.expovariate(0.5)), self.files - 1) for _ in range(count * 2)}
        return Change(
            at_s=at_s,
            author=self.rng.choice(self._team),
            subject=f"{subject} (#{self.number()})",
            files=tuple(sorted(touched)[:count]),
            lines=lines or self.rng.randint(1, 6),
            body=body,
        )

    def undo(self, change: Change, at_s: int) -> Change:
        """A revert as code hosts write it."""
        author = self.rng.choice(self._team)
        subject, number = change.subject.rsplit(" (#", 1)
        body = f"Reverts example/main#{number.rstrip(')')}"
        subject = f'Revert "{subject}" (#{self.number()})'
        return Change(at_s=at_s, author=author, subject=subject, files=change.files, body=body, undoes=change)

    def number(self) -> int:
        """The next pull request's number."""
        self._pull_request += self.rng.randint(1, 9)
        return self._pull_request

    def usual(self, at_s: int) -> Change:
        return self.change(at_s, self.rng.choice(SUBJECTS))

    def working_time(self, first_s: int, last_s: int) -> int:
        """A moment in between, on a weekday and in the daytime where the span has one."""
        for _ in range(20):
            at_s = self.rng.randrange(first_s, last_s)
            if 8 <= at_s // HOUR_S % 24 < 18 and (at_s // DAY_S + 3) % 7 < 5:  # 1970-01-01 was a Thursday
                return at_s
        return at_s

    def moments(self, count: int, *, first_s: int = AS_OF_S - WINDOW_S, last_s: int = AS_OF_S - HOUR_S) -> list[int]:
        return sorted(self.working_time(first_s, last_s) for _ in range(count))


def _ordinary(service: Service, writer: _Writer) -> Iterator[Change]:
    """Two to six changes a month lately and a third of it before, some of them fixes; few where little changes."""
    monthly = writer.rng.uniform(2, 6)
    if service.part.decoy is Decoy.OLD_RUNBOOKS:
        monthly = 0.2
    if service.plants(Planted.STALE_RUNBOOKS):
        monthly = 8.0  # what the pages describe has moved on
    recent_s = AS_OF_S - RECENT_DAYS * DAY_S
    recent, older = round(monthly * RECENT_DAYS / 30), round(monthly / 3 * (HISTORY_DAYS - RECENT_DAYS) / 30)
    spans = ((recent, recent_s, AS_OF_S - DAY_S), (older, AS_OF_S - HISTORY_DAYS * DAY_S, recent_s))
    for count, first_s, last_s in spans:
        for at_s in writer.moments(count, first_s=first_s, last_s=last_s):
            fix = writer.rng.random() < 0.12
            yield writer.change(at_s, writer.rng.choice(FIXED)) if fix else writer.usual(at_s)


def _planted(service: Service, writer: _Writer) -> Iterator[Change]:
    if service.plants(Planted.REVERT_HOTFIX_CHURN):
        yield from _churn(writer)
    if service.plants(Planted.ERRORS_STEPPED_UP_AFTER_DEPLOY):
        deployed_s = service.onset_s - writer.rng.randint(8, 40) * MINUTE_S
        yield writer.change(deployed_s, writer.rng.choice(REFACTORED), files=3)


def _churn(writer: _Writer) -> Iterator[Change]:
    """Ten to twelve changes in the window; each is undone, or mended in a hurry, within hours."""
    for number, at_s in enumerate(writer.moments(writer.rng.randint(10, 12), last_s=AS_OF_S - DAY_S)):
        change = writer.usual(at_s)
        yield change
        later_s = at_s + writer.rng.randint(20, 300) * MINUTE_S
        if number % 2:
            yield writer.undo(change, later_s)
        else:
            yield writer.change(later_s, writer.rng.choice(HOTFIXED), files=2)


def _decoys(service: Service, writer: _Writer) -> Iterator[Change]:
    decoy = service.part.decoy
    if decoy is Decoy.BIG_REFACTOR:
        for at_s in writer.moments(writer.rng.randint(40, 60)):
            yield writer.change(at_s, writer.rng.choice(REFACTORED), files=writer.rng.randint(3, 6), lines=12)
    if decoy is Decoy.DEPENDENCY_BUMPS:
        yield from _bumps(writer)
    if decoy is Decoy.SPACED_REVERTS:
        yield from _spaced_reverts(writer)


def _bumps(writer: _Writer) -> Iterator[Change]:
    """An update of some library nearly every day, by a bot, to the manifest of dependencies alone."""
    for days_ago in range(1, 2 * WINDOW_S // DAY_S):
        for at_s in writer.moments(1, first_s=AS_OF_S - (days_ago + 1) * DAY_S, last_s=AS_OF_S - days_ago * DAY_S):
            minor = writer.rng.randint(1, 40)
            subject = f"Bump {writer.rng.choice(BUMPED)} from 1.{minor}.0 to 1.{minor + 1}.0"
            yield replace(writer.change(at_s, subject, lines=1), author=BOT, files=(writer.files - 1,))


def _spaced_reverts(writer: _Writer) -> Iterator[Change]:
    """Five experiments in a year that were taken back days later as planned; one of them in the window."""
    for months_ago in (0, 2, 5, 8, 11):
        first_s = AS_OF_S - (months_ago * 30 + 25) * DAY_S
        change = writer.change(writer.working_time(first_s, first_s + 5 * DAY_S), writer.rng.choice(SUBJECTS))
        yield change
        yield writer.undo(change, change.at_s + writer.rng.randint(6, 12) * DAY_S)
