"""How the offline analyst weighs what the runbook tools found. Pure: tool results in, findings out.

Each rule gives points on the scale of the synthesis (high 20, medium 8, low 2, times confidence), so that more of a
problem weighs more without a jump; `graded` turns the points into severity and confidence. docs/specialists/runbooks.md
states the same in words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import exp
from typing import Any

from actors.specialists.findings import Finding, Severity
from actors.wording import counted

ALERTS_POINTS_MAX = 26.0  # every alert that pages, and many of them, without help: surely high, never critical
TICKETS_POINTS_MAX = 1.6  # alerts that wake nobody up: hygiene
STALE_POINTS_MAX = 18.0
INCIDENTS_POINTS_MAX = 6.5  # found by words, which errs, and the incidents themselves weigh elsewhere: medium at most
HYGIENE_POINTS_MAX = 1.7
NO_RUNBOOKS_POINTS = 1.6
OVERDUE_FULL_DAYS = 365.0  # a review that is overdue by a year counts in full
QUIET_WEIGHT = 0.1  # old pages of a service that does not change: most likely still right
CHANGES_A_YEAR_HALF = 20.0  # a change every two or three weeks leaves a page behind within its year
CHANGES_DAYS_MIN = 90.0  # one commit in a history of a week is no rate
CHANGES_UNKNOWN_WEIGHT = 0.4
UNSTATED_WEIGHT = 0.5  # an alert whose labels do not say whether it pages, beside alerts that do say
POINTS_MIN = 0.3  # below this it is not worth a line in a report
CITATIONS_MAX = 8
CLAIM_CHARACTERS_MAX = 600  # of the schema

Found = Mapping[str, Any]


def graded(points: float) -> tuple[Severity, float]:
    """The severity and confidence whose product is nearest to `points`, rounded to what a reader can tell apart."""
    for severity, weight, least in (("high", 20.0, 9.0), ("medium", 8.0, 2.0), ("low", 2.0, 0.0)):
        if points >= least:
            return severity, round(min(0.95, max(0.2, points / weight)), 2)  # type: ignore[return-value]
    return "info", 0.2


def _finding(kind: str, points: float, claim: str, citations: Sequence[str]) -> Finding:
    severity, confidence = graded(points)
    return Finding(
        kind=kind,
        claim=claim if len(claim) <= CLAIM_CHARACTERS_MAX else f"{claim[: CLAIM_CHARACTERS_MAX - 1]}…",
        severity=severity,
        confidence=confidence,
        citations=list(dict.fromkeys(citations))[:CITATIONS_MAX],
    )


def saturating(count: float, half: float) -> float:
    """From 0 towards 1 as `count` grows; 0.5 at `half`."""
    return 1.0 - exp(-0.693 * count / half) if count > 0 else 0.0


def alerts_without_runbook(alerts: Found) -> Finding | None:
    """Alerts that page people and have no usable page: by share and by number. Those that page nobody are hygiene."""
    states = alerts["states"]
    weights = _weights(states)
    total = sum(weights[calls] * sum(states[calls].values()) for calls in weights)
    missing = sum(weights[calls] * _missing(states[calls]) for calls in weights)
    tickets = states.get("ticket", {})
    points = ALERTS_POINTS_MAX * (missing / total) * saturating(missing, 1.8) if total else 0.0
    if tickets:
        points += TICKETS_POINTS_MAX * _missing(tickets) / sum(tickets.values()) * saturating(_missing(tickets), 2)
    rows = [row for row in alerts["rows"] if row["state"] in ("none", "dead", "unusable")]
    if points < POINTS_MIN or not rows:
        return None
    return _finding("alerts_without_runbook", points, _alerts_claim(states, rows), _cites(rows))


def _weights(states: Found) -> dict[str, float]:
    """Which alerts count as paging: those that say so; the silent ones by half, or in full when none says anything."""
    silent = 1.0 if not (states.keys() - {"unstated"}) else UNSTATED_WEIGHT
    return {calls: weight for calls, weight in (("paging", 1.0), ("unstated", silent)) if calls in states}


def _missing(states: Mapping[str, int]) -> int:
    return sum(states.get(state, 0) for state in ("none", "dead", "unusable"))


def _alerts_claim(states: Found, rows: Sequence[Found]) -> str:
    words = {"paging": "alerts that page", "unstated": "alerts of unstated severity", "ticket": "other alerts"}
    parts = [
        f"{_missing(found)} of {sum(found.values())} {words[calls]}"
        for calls, found in states.items()
        if _missing(found)
    ]
    why = {"none": "no page", "dead": "a dead link", "unusable": "a stub"}
    named = ", ".join(f"{row['alert'][:60]} ({why[row['state']]})" for row in rows[:4])
    return f"No usable runbook for {', '.join(parts)}: {named}{' …' if len(rows) > 4 else ''}."


def stale_runbooks(pages: Found) -> Finding | None:
    """Own pages past their review: by share, by number, by how long, and by whether what they describe has moved on.

    One old page is nothing, unless an alert leads to it.
    """
    stale = pages["stale"]
    count, linked = stale["count"], stale["linked"]
    number = count if linked else count - 1
    if number < 1 or not stale["rows"]:
        return None
    overdue = min(1.0, stale["overdue_days"] / OVERDUE_FULL_DAYS)
    points = STALE_POINTS_MAX * (count / stale["of"]) * saturating(number, 1.2) * (0.3 + 0.7 * overdue)
    points *= _moved_on(pages)
    if points < POINTS_MIN:
        return None
    latest = [stale["latest_change"]] if stale.get("latest_change") else []
    return _finding("stale_runbooks", points, _stale_claim(stale), [*_cites(stale["rows"]), *latest])


def _stale_claim(stale: Found) -> str:
    worst = stale["rows"][0]
    dated = counted(stale["of"], "dated page")
    parts = [f"{stale['count']} of {dated} past review, by {stale['overdue_days']} days in median"]
    parts += [f"{stale['linked']} of them belong to alerts"] if stale["linked"] else []
    parts += [f"{stale['changes']} changes in {stale['changes_days']} days"] if stale.get("changes") else []
    return f"{'; '.join(parts)}. For example {worst['page']!r}, due {worst['due']} ({worst['limit']})."


def _moved_on(pages: Found) -> float:
    """From 0 to 1: how surely the pages no longer describe the service.

    By its changes in a year, or by what the pages contradict themselves: links to pages that are gone, alerts that no
    rule defines. Where its changes are unknown, an old page is an old page.
    """
    changes, days = pages["stale"].get("changes"), pages["stale"].get("changes_days")
    known = changes is not None and days
    by_changes = _changing(changes * 365 / max(days, CHANGES_DAYS_MIN)) if known else CHANGES_UNKNOWN_WEIGHT
    return max(by_changes, saturating(pages["dead_links"]["count"] + pages["gone_alerts"]["count"], 2))


def _changing(changes_a_year: float) -> float:
    """Near QUIET_WEIGHT for a change every few months, towards 1 for a service that changes every week."""
    squared = changes_a_year**2
    return QUIET_WEIGHT + (1 - QUIET_WEIGHT) * squared / (squared + CHANGES_A_YEAR_HALF**2)


def incidents_without_runbook(incidents: Found) -> Finding | None:
    """Incidents of the window that no page speaks of: by share, number and how bad they were."""
    total = incidents["incidents"] or 0
    clear = total - incidents.get("unclear", 0)
    without = incidents.get("without", 0)
    rows = [row for row in incidents.get("rows", ()) if row["helped_by"] is None]
    if not without or not rows:
        return None
    severe = incidents["without_severe"] / without
    points = INCIDENTS_POINTS_MAX * (without / clear) * saturating(without, 4) * (0.4 + 0.6 * severe)
    named = "; ".join(f"{row['what'][:80]!r} ({row['incidents']})" for row in rows[:3])
    claim = f"No page speaks of {without} of {counted(clear, 'incident')} in the window: {named}."
    return _finding("incidents_without_runbook", points, claim, [cite for row in rows for cite in row["cite"]])


def no_runbooks(pages: Found, alerts: Found) -> Finding | None:
    """No own page that says what to do in an incident. Pages of shared folders make it weigh half as much."""
    citations = [*pages["first"], *alerts["shared_without"]]
    if pages["runbooks"] or not citations:
        return None
    points = NO_RUNBOOKS_POINTS * (0.5 if pages["shared_runbooks"] else 1.0)
    held = f"holds {counted(pages['pages'], 'page')} and no runbook" if pages["pages"] else "holds no page"
    shared = f"; shared folders have {pages['shared_runbooks']}" if pages["shared_pages"] else ""
    return _finding("no_runbooks", points, f"The service's own folder {pages['folder']!r} {held}{shared}.", citations)


def dead_links(pages: Found) -> Finding | None:
    """Links between pages that lead nowhere, and pages for alerts that no rule defines any more."""
    links, gone = pages["dead_links"], pages["gone_alerts"]
    count = links["count"] + gone["count"]
    if not count:
        return None
    parts = []
    if links["count"]:
        example = f"{links['rows'][0]['target'][:100]!r} ({links['rows'][0]['why']})"
        parts.append(f"{counted(links['count'], 'link')} to nowhere, such as {example}")
    if gone["count"]:
        parts.append(f"{counted(gone['count'], 'page or section')} on alerts that no rule defines")
    points = HYGIENE_POINTS_MAX * saturating(count, 4)
    return _finding("dead_links", points, "; ".join(parts) + ".", [*_cites(links["rows"]), *gone["cite"]])


def thin_runbooks(pages: Found) -> Finding | None:
    """Stubs among the service's own pages: by share and number."""
    thin = pages["thin"]
    points = HYGIENE_POINTS_MAX * (thin["count"] / thin["of"]) * saturating(thin["count"], 1.5) if thin["of"] else 0.0
    if points < POINTS_MIN or not thin["rows"]:
        return None
    claim = f"Stubs are {thin['count']} of {counted(thin['of'], 'page')}, the first with {thin['rows'][0]['why']}."
    return _finding("thin_runbooks", points, claim, _cites(thin["rows"]))


def _cites(rows: Sequence[Found]) -> list[str]:
    return [str(row["cite"]) for row in rows]
