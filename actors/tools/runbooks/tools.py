"""The runbook specialist's tools: what helps with an alert or an incident, what is missing, stale, thin or broken."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Annotated

from pydantic import Field

from actors.contracts import JsonValue
from actors.sources import Incidents, Window
from actors.tools.base import SourceError, ToolContext, ToolError, tool
from actors.tools.incidents.records import in_period, incidents_of
from actors.tools.runbooks.changes import changes_json, missing_changes
from actors.tools.runbooks.folders import Folder
from actors.tools.runbooks.incidents import groups_of, incidents_json
from actors.tools.runbooks.lines import split_lines
from actors.tools.runbooks.match import Shelf, covers
from actors.tools.runbooks.reviews import alerts_json, first_lines, stale_json, thin_json, unknown_alerts
from actors.tools.runbooks.shelves import folders_of, shelf_of, text_of

GAPS_MAX = 8
READ_CHARACTERS_MAX = 6_000
LINE_CHARACTERS_MAX = 400
RowsMax = Annotated[int, Field(ge=1, le=40, description="How many rows at most, the worst first")]
_CITATION = re.compile(r"runbook:(.+):([1-9]\d*)")


@tool
def map_alerts(context: ToolContext, rows_max: RowsMax = 12) -> JsonValue:
    """Which runbook each of the service's alerts has. Call it first.

    `states` counts alerts by whom they call (paging, ticket, or unstated severity) and by what they have: usable (a
    page with steps, commands or queries), unusable (a stub), dead (the rule names a page that is not there), none,
    elsewhere (a page outside of what can be seen: unknown, not missing). Alerts of shared folders are counted apart.
    """
    folders, shelf = _read(context)
    own, shared = covers(shelf.own_alerts, shelf), covers(shelf.shared_alerts, shelf)
    found = alerts_json(own, shared, _window(context).as_of_s, rows_max=rows_max)
    return found | {"gaps": _gaps(folders)}


@tool
def cover_incidents(context: ToolContext, rows_max: RowsMax = 8) -> JsonValue:
    """Which incidents of the window have a page that would have helped, found by the words of title and cause.

    `without` counts incidents that no page speaks of; `unclear` those whose words are too few to tell. Matching by
    words errs both ways: read the page before you rely on it.
    """
    source = Incidents.of(context.inputs)
    if source is None:
        return {
            "incidents": None,
            "gaps": ["the service has no incident records to hold its pages against"],
        }
    _, shelf = _read(context)
    window = _window(context)
    try:
        records = in_period(incidents_of(context.shared, source), window.start_s, window.as_of_s)
    except SourceError as error:  # another specialist's source: without it the pages can still be judged
        return {"incidents": None, "gaps": [f"the incident records could not be read: {error}"[:300]]}
    groups = groups_of(records, shelf, covers(shelf.own_alerts, shelf))
    return incidents_json(groups, rows_max=rows_max)


@tool
def check_pages(context: ToolContext, rows_max: RowsMax = 6) -> JsonValue:
    """The state of the service's own pages: past their review date, stubs, dead links, pages for alerts that are gone.

    `runbooks` are pages that speak of incidents and say what to do; `usable` also counts manuals with commands.
    A page without any review date is neither stale nor fresh. `stale.changes` counts what people changed in the
    service in a year: old pages of something that does not change may still be right. `gone_alerts` are pages and
    sections named like alerts that no rule defines. Links out of what can be seen are unchecked, not dead.
    """
    folders, shelf = _read(context)
    own = {page.path for page in shelf.own}
    matched = covers(shelf.own_alerts, shelf)
    linked = {cover.hit.page.path for cover in matched if cover.hit is not None and not cover.hit.lack}
    dead = [link for folder in folders for link in folder.dead_links if link.page in own]
    gone = unknown_alerts(shelf)
    stale = stale_json(shelf, matched, _window(context).as_of_s, rows_max=rows_max)
    if stale["count"]:  # only then is the repository worth reading
        stale |= changes_json(context, _window(context))
    return {
        "pages": len(shelf.own),
        "usable": sum(page.usable for page in shelf.own),
        "runbooks": sum(page.operational or page.path in linked for page in shelf.own),
        "shared_pages": len(shelf.shared),
        "shared_runbooks": sum(page.operational for page in shelf.shared),
        "folder": folders[0].path,
        "first": first_lines(shelf.own, rows_max=3),
        "stale": stale,
        "thin": thin_json(shelf, rows_max=rows_max),
        "dead_links": {
            "count": len(dead),
            "checked": folders[0].links_checked,
            "unchecked": folders[0].links_unchecked,
            "rows": [
                {"target": link.target, "why": link.why, "cite": f"runbook:{link.page}:{link.line}"}
                for link in dead[:rows_max]
            ],
        },
        "gone_alerts": {"count": len(gone), "cite": list(gone[:rows_max])},
        "gaps": _gaps(folders),
    }


@tool
def read_page(
    context: ToolContext,
    page: Annotated[str, Field(description="Path of a page or rule file, as in a citation, without its line")],
    from_line: Annotated[int, Field(ge=1)] = 1,
    lines_max: Annotated[int, Field(ge=1, le=120)] = 40,
) -> JsonValue:
    """A bounded excerpt of one page or rule file of the service's folders, each line with its number."""
    folders, _ = _read(context)
    path = page.removeprefix("runbook:")
    if not any(path in folder.line_counts for folder in folders):
        raise ToolError(f"{page[:200]!r} is no page of this service's folders: take a path from a citation")
    lines = split_lines(text_of(context, path))
    shown: list[JsonValue] = []
    room = READ_CHARACTERS_MAX
    for number, text in enumerate(lines[from_line - 1 : from_line - 1 + lines_max], start=from_line):
        room -= len(text[:LINE_CHARACTERS_MAX]) + 8
        if room < 0:
            break
        shown.append([number, text[:LINE_CHARACTERS_MAX]])
    return {"page": path, "line_count": len(lines), "lines": shown}


def check_citations(context: ToolContext, citations: Sequence[str]) -> Iterable[str]:
    """The citations that are not there: no such file in the service's folders, no such line, incident or commit."""
    try:
        counts = {path: count for folder in folders_of(context) for path, count in folder.line_counts.items()}
    except SourceError:
        counts = {}
    missing = missing_changes(context, [citation for citation in citations if citation.startswith("commit:")])
    return [c for c in citations if c in missing or not (c.startswith("commit:") or _resolves(context, c, counts))]


def _resolves(context: ToolContext, citation: str, counts: dict[str, int]) -> bool:
    match = _CITATION.fullmatch(citation)
    if match is not None:
        return int(match[2]) <= counts.get(match[1], 0)
    return citation.startswith("incident:") and citation in _incident_citations(context)


def _incident_citations(context: ToolContext) -> frozenset[str]:
    source = Incidents.of(context.inputs)
    try:
        return frozenset(record.citation for record in incidents_of(context.shared, source)) if source else frozenset()
    except SourceError:
        return frozenset()


def _read(context: ToolContext) -> tuple[tuple[Folder, ...], Shelf]:
    folders = folders_of(context)
    return folders, shelf_of(context, folders)


def _window(context: ToolContext) -> Window:
    window = Window.of(context.inputs)
    if window is None:
        raise SourceError("the task states no window, so no page can be called stale")
    return window


def _gaps(folders: Sequence[Folder]) -> list[JsonValue]:
    gaps: list[JsonValue] = [gap[:300] for folder in folders for gap in folder.gaps]
    return gaps[:GAPS_MAX]
