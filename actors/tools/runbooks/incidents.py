"""Which incidents of the window a page would have helped with. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from actors.contracts import JsonValue
from actors.tools.incidents.types import Incident, Kind, Severity
from actors.tools.runbooks.match import Cover, Hit, Shelf, State
from actors.tools.runbooks.pages import Page, Section
from actors.tools.runbooks.words import EFFECTS, ORIGINS, squeezed, tokens

SENTENCE_WORDS_MAX = 20


@dataclass(frozen=True, slots=True)
class Group:
    """Incidents that are about the same words, and where help for them is (empty: nowhere)."""

    words: frozenset[str]
    incidents: tuple[Incident, ...]
    by: str
    own: bool


def groups_of(incidents: Iterable[Incident], shelf: Shelf, covers: Sequence[Cover]) -> list[Group]:
    """The service's own incidents by what they are about, the most frequent first.

    Records that are no incidents (planned work, mentions, false alarms) and those that another service caused are
    left out. An incident whose words say nothing beyond the service's name has no words, and nothing can help it.
    """
    by_words: dict[frozenset[str], list[Incident]] = {}
    for incident in incidents:
        if incident.kind is Kind.INCIDENT and not incident.caused_by:
            by_words.setdefault(_words(incident.title, shelf) | _words(incident.cause, shelf), []).append(incident)
    groups = [_group(words, same, shelf, covers) for words, same in by_words.items()]
    return sorted(groups, key=lambda group: (-len(group.incidents), group.incidents[0].id))


def _group(words: frozenset[str], same: Sequence[Incident], shelf: Shelf, covers: Sequence[Cover]) -> Group:
    said = squeezed(" ".join(f"{incident.title} {incident.cause}" for incident in same))
    for cover in covers:
        name = squeezed(cover.alert.name)
        if cover.state is State.USABLE and len(name) >= 6 and name in said:
            return Group(words, tuple(same), cover.hit.citation if cover.hit else cover.alert.citation, True)
    for own, pages in ((True, shelf.own), (False, shelf.shared)):
        for said in (same[-1].title, same[-1].cause):  # what people see first, then what was behind it
            hit = help_for(_words(said, shelf), pages, own=own)
            if hit is not None:
                return Group(words, tuple(same), hit.citation, own)
    return Group(words, tuple(same), "", False)


def incidents_json(groups: Sequence[Group], *, rows_max: int) -> dict[str, JsonValue]:
    """The groups as JSON, those without help first. `unclear` incidents say nothing that a page could be found by."""
    clear = [group for group in groups if group.words]
    helpless = [group for group in clear if not group.by]
    rows = helpless + [group for group in clear if group.by]
    return {
        "incidents": sum(len(group.incidents) for group in groups),
        "unclear": sum(len(group.incidents) for group in groups if not group.words),
        "without": sum(len(group.incidents) for group in helpless),
        "without_severe": sum(_is_severe(incident) for group in helpless for incident in group.incidents),
        "rows": [_row(group) for group in rows[:rows_max]],
        "left_out": max(0, len(rows) - rows_max),
    }


def _words(said: str, shelf: Shelf) -> frozenset[str]:
    """The meaning of a title, or of a cause that is one sentence; an analysis has too many words to find a page by."""
    return tokens(said) - shelf.ignored if len(said.split()) <= SENTENCE_WORDS_MAX else frozenset()


def _row(group: Group) -> dict[str, JsonValue]:
    row: dict[str, JsonValue] = {
        "what": (group.incidents[-1].title or group.incidents[-1].cause)[:120],
        "incidents": len(group.incidents),
        "cite": [incident.citation for incident in group.incidents[:2]],
    }
    return row | {"helped_by": group.by or None, "own": group.own}


def _is_severe(incident: Incident) -> bool:
    return incident.severity in (Severity.CRITICAL, Severity.MAJOR)


def help_for(words: frozenset[str], pages: Iterable[Page], *, own: bool) -> Hit | None:
    """The place that speaks of most of an incident's words, in a page's title or in one of its headings."""
    best: Hit | None = None
    most = 0
    for page in pages:
        if not page.usable or not words & page.topic:
            continue
        places = [(tokens(f"{page.stem} {page.title}"), None), *((section.words, section) for section in page.sections)]
        for said, section in places:
            common = words & said
            if len(common) > most and _is_about(common, words, page, section, own):
                best, most = Hit(page, section, "words"), len(common)
    return best


def _is_about(common: frozenset[str], words: frozenset[str], page: Page, section: Section | None, own: bool) -> bool:
    """Two of the words are enough when they are a third of all; half of them when they title a runbook; on a runbook of
    the service's own the origin that they name, or, where they name none, the effect."""
    if len(common) >= 2:
        return 3 * len(common) >= len(words)
    if not page.operational:
        return False
    telling = words & ORIGINS or words & EFFECTS
    return (section is None and 2 * len(common) >= len(words)) or (own and bool(common & telling))
