"""What a service's pages and alerts come to, counted and cited, as compact JSON. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from statistics import median

from actors.contracts import JsonValue
from actors.tools.runbooks.match import Cover, Shelf, State
from actors.tools.runbooks.pages import Page
from actors.tools.runbooks.words import squeezed

Json = dict[str, JsonValue]

LACKING = (State.NONE, State.DEAD, State.UNUSABLE)
_CALLS = {True: "paging", None: "unstated", False: "ticket"}
_ALERT_NAME = re.compile(r"^[A-Z][a-z0-9]+(?:[A-Z][a-z0-9]*){2,}$")  # three words: two may be a product


def alerts_json(covers: Sequence[Cover], shared: Sequence[Cover], as_of_s: float, *, rows_max: int) -> Json:
    """The service's alerts by whom they call and what they have; those that page and have nothing come first."""
    rank = {False: 2, None: 1, True: 0}
    listed = sorted(covers, key=lambda c: (c.state not in LACKING, rank[c.alert.pages], c.state.value, c.alert.name))
    states: dict[str, JsonValue] = {}
    for pages, name in _CALLS.items():
        found = [cover.state for cover in covers if cover.alert.pages is pages]
        if found:
            states[name] = {state.value: found.count(state) for state in State if state in found}
    shared_without: list[JsonValue] = [c.alert.citation for c in shared if c.state in LACKING and c.alert.pages]
    return {
        "alerts": len(covers),
        "states": states,
        "rows": [_alert_row(cover, as_of_s) for cover in listed[:rows_max]],
        "left_out": max(0, len(listed) - rows_max),
        "shared_alerts": len(shared),
        "shared_without": shared_without[:3],
    }


def _alert_row(cover: Cover, as_of_s: float) -> Json:
    row: Json = {
        "alert": cover.alert.name[:100],
        "calls": _CALLS[cover.alert.pages],
        "state": cover.state.value,
        "cite": cover.alert.citation,
    }
    if cover.alert.severity:
        row["severity"] = cover.alert.severity
    if cover.hit is not None:
        row |= {"runbook": cover.hit.citation, "how": cover.how}
        if _overdue_days(cover.hit.page, as_of_s) > 0:
            row["stale"] = True
    if cover.why:
        row["why"] = cover.why
    return row


def stale_json(shelf: Shelf, covers: Sequence[Cover], as_of_s: float, *, rows_max: int) -> Json:
    """The service's own pages that somebody could act on and that are past their review, the longest overdue first.

    `of` counts the pages with a known review date, `undated` those without: they are unknown, not stale.
    """
    linked = {c.hit.page.path for c in covers if c.hit is not None and c.alert.pages is not False}
    relevant = [page for page in shelf.own if page.usable or page.path in linked]
    dated = [page for page in relevant if page.review is not None]
    stale = sorted(
        (page for page in dated if _overdue_days(page, as_of_s) > 0),
        key=lambda page: (page.path not in linked, -_overdue_days(page, as_of_s), page.path),
    )
    return {
        "count": len(stale),
        "of": len(dated),
        "undated": len(relevant) - len(dated),
        "linked": sum(page.path in linked for page in stale),
        "overdue_days": round(median(_overdue_days(page, as_of_s) for page in stale)) if stale else 0,
        "rows": [_stale_row(page, page.path in linked, as_of_s) for page in stale[:rows_max]],
    }


def _stale_row(page: Page, linked: bool, as_of_s: float) -> Json:
    review = page.review
    assert review is not None
    row: Json = {
        "page": page.title[:80],
        "due": datetime.fromtimestamp(review.due_s, UTC).date().isoformat(),
        "overdue_days": round(review.overdue_days(as_of_s)),
        "limit": f"{round(review.limit_days)} days, {'as it says' if review.stated else 'the default'}",
        "cite": page.cite(review.line),
    }
    return row | {"linked": True} if linked else row


def _overdue_days(page: Page, as_of_s: float) -> float:
    return page.review.overdue_days(as_of_s) if page.review is not None else 0.0


def thin_json(shelf: Shelf, *, rows_max: int) -> Json:
    """The service's own pages that are stubs. Indexes, and pages with many words and no steps, are not."""
    thin = [page for page in shelf.own if _is_thin(page)]
    rows: list[JsonValue] = [
        {"why": page.substance.lack, "cite": page.cite(page.substance.placeholder_line or None)}
        for page in thin
        if page.line_count
    ]
    return {"count": len(thin), "of": len(shelf.own), "rows": rows[:rows_max]}


def _is_thin(page: Page) -> bool:
    lack = page.substance.lack
    return lack.startswith(("only", "placeholder")) and not page.index


def unknown_alerts(shelf: Shelf) -> list[JsonValue]:
    """Own pages and sections that are named like an alert that no rule defines, cited.

    Only where this is how the service names them: none where it has no rules, or no page is named after one.
    """
    defined = {squeezed(alert.name) for alert in shelf.own_alerts + shelf.shared_alerts}
    named = [(squeezed(page.stem), page.stem, page.cite()) for page in shelf.own if page.line_count]
    named += [(section.name, section.title, page.cite(section.line)) for page in shelf.own for section in page.sections]
    if not shelf.own_alerts or not any(name in defined for name, _, _ in named):
        return []
    gone = {name: cite for name, shown, cite in named if _ALERT_NAME.match(shown) and name not in defined}
    return list(gone.values())


def first_lines(pages: Iterable[Page], *, rows_max: int) -> list[JsonValue]:
    """Citations of the first pages that have a line to cite."""
    cited: list[JsonValue] = [page.cite() for page in pages if page.line_count]
    return cited[:rows_max]
