"""Which page helps with which alert. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from posixpath import dirname
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from actors.tools.runbooks.pages import PAGE_SUFFIXES, Page, Section, page_stem
from actors.tools.runbooks.rules import Alert
from actors.tools.runbooks.words import squeezed, tokens

NAME_CHARACTERS_MIN = 6  # a shorter alert name occurs in pages by chance
_INDEX = ("readme", "index")


class State(StrEnum):
    """What an alert has to help whom it calls. Only the first is good; the last two are different kinds of unknown."""

    USABLE = "usable"
    UNUSABLE = "unusable"  # a page with nothing to act on
    DEAD = "dead"  # the rule names a page that is not where it should be
    NONE = "none"
    ELSEWHERE = "elsewhere"  # the rule names a page outside of what the audit was given


class Hit(NamedTuple):
    """A place in a page. `section` None means the page as a whole."""

    page: Page
    section: Section | None
    how: str  # runbook_url, name, heading, mention or similar

    @property
    def lack(self) -> str:
        """Why it does not help; a section that only names the problem is carried by the rest of its page."""
        if self.section is None or not self.section.substance.lack:
            return self.page.substance.lack if self.section is None else ""
        if self.section.substance.placeholder_line or self.how == "runbook_url":
            return self.section.substance.lack
        return self.page.substance.lack

    @property
    def citation(self) -> str:
        return self.page.cite(self.section.line if self.section else None)


@dataclass(frozen=True, slots=True)
class Shelf:
    """What one service has: its own pages and alerts first, those of shared folders after.

    `ignored` are words that say nothing here, such as the service's own name.
    """

    own: tuple[Page, ...]
    shared: tuple[Page, ...]
    own_alerts: tuple[Alert, ...]
    shared_alerts: tuple[Alert, ...]
    ignored: frozenset[str] = frozenset()

    @property
    def pages(self) -> tuple[Page, ...]:
        return self.own + self.shared

    @property
    def folders(self) -> frozenset[str]:
        """Squeezed names of all folders that hold a page of this shelf."""
        return frozenset(squeezed(part) for page in self.pages for part in dirname(page.path).split("/"))


@dataclass(frozen=True, slots=True)
class Cover:
    """What one alert has, and why that is not enough where it is not."""

    alert: Alert
    state: State
    hit: Hit | None = None
    why: str = ""

    @property
    def how(self) -> str:
        return self.hit.how if self.hit else "inline" if self.state is State.USABLE else ""


def covers(alerts: Iterable[Alert], shelf: Shelf) -> list[Cover]:
    """Each alert with what it has, in the order given."""
    listed = list(alerts)
    bases = {base for a in listed for t in a.runbooks if _by_target(t, shelf) for base in [_base(t)] if base}
    return [_cover(alert, shelf, bases) for alert in listed]


def _cover(alert: Alert, shelf: Shelf, bases: set[str]) -> Cover:
    stated = next((hit for t in alert.runbooks if (hit := _by_target(t, shelf))), None)
    if stated is not None:
        return Cover(alert, State.UNUSABLE if stated.lack else State.USABLE, stated, stated.lack)
    if alert.inline:
        return Cover(alert, State.USABLE)
    guesses = list(_guesses(alert, shelf))
    usable = next((hit for hit in guesses if not hit.lack), None)
    if usable is not None:
        return Cover(alert, State.USABLE, usable)
    if alert.runbooks:
        target = alert.runbooks[0]
        dead = any(_should_be_here(t, shelf, bases) for t in alert.runbooks)
        return Cover(alert, State.DEAD if dead else State.ELSEWHERE, None, f"its rule names {target[:120]!r}")
    if guesses:
        return Cover(alert, State.UNUSABLE, guesses[0], guesses[0].lack)
    return Cover(alert, State.NONE, None, "no page names it")


def _by_target(target: str, shelf: Shelf) -> Hit | None:
    """The page that a URL or path means: its last segment is the page's name, and of several pages with that name
    the one that shares most of the segments before."""
    segments = _segments(target)
    if not segments:
        return None
    wanted = [squeezed(page_stem(re.sub(r"\.html?$", "", segment, flags=re.IGNORECASE))) for segment in segments]
    found = [page for page in shelf.pages if _names(page)[-1] == wanted[-1]]
    if not found and (wanted[-1] in _INDEX or not target.lower().rstrip("/").endswith(PAGE_SUFFIXES)):
        folder = wanted[-2:-1] if wanted[-1] in _INDEX else wanted[-1:]
        found = [page for page in shelf.pages if _names(page)[-1] in _INDEX and _names(page)[-2:-1] == folder]
    if wanted[-1] in _INDEX and len(wanted) > 1:
        found = [page for page in found if _names(page)[-2:-1] == wanted[-2:-1]]
    if not found:
        return None
    page = max(found, key=lambda page: _shared_tail(_names(page), wanted))  # the first of equals: own before shared
    anchor = squeezed(unquote(urlsplit(target).fragment)) if "{{" not in target else ""
    return Hit(page, next((s for s in page.sections if anchor and s.name == anchor), None), "runbook_url")


def _segments(target: str) -> list[str]:
    path = urlsplit(target).path if re.match(r"https?://", target, re.IGNORECASE) else target
    path = unquote(path.partition("#")[0].partition("?")[0])
    return [part for part in path.split("/") if part not in ("", ".", "..")]


def _names(page: Page) -> list[str]:
    return [squeezed(part) for part in dirname(page.path).split("/")] + [squeezed(page.stem)]


def _shared_tail(names: Sequence[str], wanted: Sequence[str]) -> int:
    count = 0
    for one, other in zip(reversed(names), reversed(wanted), strict=False):
        if one != other:
            break
        count += 1
    return count


def _base(target: str) -> str:
    """A URL without its last segment: where its author keeps runbooks."""
    return target.partition("#")[0].rstrip("/").rpartition("/")[0].lower()


def _should_be_here(target: str, shelf: Shelf, bases: set[str]) -> bool:
    """Whether a page that was not found belongs into the folders that were given: a bare file name, a folder of
    that name, or the place where the other alerts' pages were found."""
    segments = _segments(target)
    if "{{" in target or not segments:
        return False
    if len(segments) == 1 and "://" not in target:
        return True
    return _base(target) in bases or (len(segments) > 1 and squeezed(segments[-2]) in shelf.folders)


def _guesses(alert: Alert, shelf: Shelf) -> Iterator[Hit]:
    """Pages for an alert whose rule names none, the surest first, own before shared within each way."""
    for target in alert.mentions:
        hit = _by_target(target, shelf)
        if hit is not None:
            yield hit
    name = squeezed(alert.name)
    for page in shelf.pages:
        if name in (squeezed(page.stem), squeezed(page.title)):
            yield Hit(page, None, "name")
    long = len(name) >= NAME_CHARACTERS_MIN
    for page in shelf.pages:
        yield from (Hit(page, s, "heading") for s in page.sections if name == s.name or (long and name in s.name))
    if long:
        yield from (Hit(page, None, "mention") for page in shelf.pages if name in page.identifiers)
    wanted = tokens(alert.name) - shelf.ignored or tokens(alert.title) - shelf.ignored
    for page in shelf.pages:
        yield from _similar(wanted, page, shelf.ignored)


def _similar(wanted: frozenset[str], page: Page, ignored: frozenset[str]) -> Iterator[Hit]:
    if _alike(wanted, tokens(f"{page.stem}") - ignored) or _alike(wanted, tokens(page.title) - ignored):
        yield Hit(page, None, "similar")
    yield from (Hit(page, s, "similar") for s in page.sections if _alike(wanted, s.words - ignored))


def _alike(wanted: frozenset[str], title: frozenset[str]) -> bool:
    """Whether one says all that the other says, in at least two words; one word only when it is all of both."""
    if not wanted or not title:
        return False
    return wanted == title or (min(len(wanted), len(title)) >= 2 and (wanted <= title or title <= wanted))
