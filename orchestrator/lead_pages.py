"""What counts of the page that a lead wrote: nothing that it was not given, and nothing twice."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from actors.contracts import Outcome, Result
from actors.specialists.lead import Overview, Seen, overview, seen
from orchestrator.synthesis_records import Covered, Json

LISTS = {"first": "service", "causes": "name", "owners": "owner", "not_known": "what"}  # and what an entry goes under
# Entries to begin with, other entries, and names or citations in each: causes are the last to go.
SHAPES = ((15, 12, 25), (10, 12, 8), (5, 10, 5), (3, 8, 3), (2, 6, 2), (1, 3, 1), (0, 1, 1), (0, 0, 0))


def page_of(inputs: Mapping[str, Any], outcome: Outcome, covered: Covered) -> tuple[Overview, list[Json], str]:
    """The page that counts, what was struck from it, and why rules had to write it ("": a lead did)."""
    if not isinstance(outcome, Result):
        return overview(inputs), [], f"{outcome.reason.value}: {outcome.message}"
    try:
        page = Overview.model_validate(outcome.output)
    except ValueError:
        return overview(inputs), [], "invalid_output: the answer does not have the form of a page"
    kept, struck = _kept(page, seen(inputs), covered)
    return kept, [{"node": outcome.task_id, **entry} for entry in struck], ""


def shortened(told: Json, first_max: int, entries_max: int, names_max: int) -> Json:
    """A page with fewer entries, and fewer names in each; the counts in it stay what they were."""
    for name in LISTS:
        told[name] = told[name][: first_max if name == "first" else entries_max]
        for entry in told[name]:
            entry |= {key: entry[key][:names_max] for key in ("services", "citations") if key in entry}
    return told


def _kept(page: Overview, given: Seen, covered: Covered) -> tuple[Overview, list[Json]]:
    """A page without what its lead cannot have read, and without what stands on nothing then."""
    told = page.model_dump()
    struck: list[Json] = []
    for entry in (entry for name in LISTS for entry in told[name]):
        text = entry.get("why") or entry.get("claim") or entry["what"]
        for name, read in (("citations", given.findings), ("services", given.services)):
            unread = [said for said in entry.get(name, ()) if said not in read]
            if name in entry:
                entry[name] = list(dict.fromkeys(said for said in entry[name] if said in read))
            if unread:
                struck.append({"claim": text, name: unread})
        if "services_count" in entry:
            entry["services_count"] = min(max(entry["services_count"], len(entry["services"])), covered.services)
    fallen = [f for f in told["first"] if f["service"] not in given.services]
    struck += [{"claim": f["why"], "services": [f["service"]]} for f in fallen]
    told["first"] = [f for f in told["first"] if f["citations"] and f not in fallen]
    told["causes"] = [cause for cause in told["causes"] if cause["citations"] and cause["services"]]
    told["owners"] = [load for load in told["owners"] if load["owner"] in covered.owners]
    once = {name: _once(told[name], key) for name, key in LISTS.items()}
    return Overview.model_validate(told | once), struck


def _once(entries: Iterable[Json], key: str) -> list[Json]:
    """Each service, cause, owner and gap as it is told first: whoever repeats himself has not said more."""
    first: dict[str, Json] = {}
    for entry in entries:
        first.setdefault(entry[key].strip().casefold() if key != "service" else entry[key], entry)
    return list(first.values())
