"""Free Markdown pages as incidents: one a page, or one a dated heading in a page that is a log of many."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from actors.tools.incidents.fields import incident_of
from actors.tools.incidents.pages import NO_INCIDENTS, page_of
from actors.tools.incidents.text import dated, headed, labelled, plain
from actors.tools.incidents.times import MOMENT, moment, moment_in
from actors.tools.incidents.types import Incident

_WORDS_MIN = 2  # besides its date: "2026-03-30 Checkout down" heads an incident, "30 March 2026" a day of its timeline


def incidents_in_markdown(text: str, where: str, id: str) -> Iterator[Incident]:
    """The incident that a page tells of, or each of those that it lists under dated headings."""
    if id.rsplit("/", 1)[-1].lower() in NO_INCIDENTS:
        return
    page = page_of(text)
    entries = _entries(page.text)
    if len(entries) < 2 or any(moment(page.front.get(name)) for name in ("date", "started_at")):
        yield from _incident(page.front, page.text, where, id)
        return
    for heading, below in entries:
        slug = re.sub(r"[^a-z0-9]+", "-", heading.lower()).strip("-")[:80]
        yield from _incident({"title": heading}, below, where, f"{id}#{slug}")


def _incident(front: Mapping[str, Any], text: str, where: str, id: str) -> Iterator[Incident]:
    title = plain(str(front.get("title") or "")) or next((words for _, words, _ in headed(text) if words), "")
    named_day_s = next((s for name in (title, id) if (s := moment_in(name.replace("_", "-"))) is not None), None)
    told = labelled(text, day_s=moment(front.get("date")) or named_day_s)
    record = {"title": title or id, **told, **front, "body": text}
    if "started_at" not in told and named_day_s is not None and not _has_start(front):
        record["date"] = _day(title) or _day(id)
    incident = incident_of(record, id=id, where=where)
    if incident is not None:
        yield incident


def _entries(text: str) -> list[tuple[str, str]]:
    """Headings of one level that name a day and a matter, with what stands below each; the level with most of them."""
    found: dict[int, list[tuple[str, str]]] = {}
    for level, words, below in headed(text):
        matter = re.findall(r"[^\W\d_]{2,}", MOMENT.sub("", words))
        if dated(words) and len(matter) >= _WORDS_MIN:
            found.setdefault(level, []).append((words, below))
    return max(found.values(), key=len, default=[])


def _has_start(front: Mapping[str, Any]) -> bool:
    return any(
        moment(value) is not None for name, value in front.items() if str(name).lower().startswith(("date", "start"))
    )


def _day(text: str) -> str:
    match = MOMENT.search(text.replace("_", "-"))
    return match["day"] if match else ""
