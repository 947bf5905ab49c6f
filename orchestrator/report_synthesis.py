"""The page that leads wrote, as a section of `report.md`: at most a page, whatever the number of services."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from orchestrator.markdown import code, text

Part: TypeAlias = Mapping[str, Any]
FIRST_MAX, CAUSES_MAX, OWNERS_MAX, GAPS_MAX, PARTIAL_MAX = 10, 8, 8, 8, 8
NAMES_MAX, CITATIONS_MAX, CLAIM_CHARACTERS_MAX = 5, 3, 200


def synthesis(page: Part) -> list[str]:
    """What to do first, what services have in common, whose it is, and what is not known. Nothing without leads."""
    if page["by"] == "rules" and not page.get("nodes"):
        return []
    if "first" not in page:
        return ["## Synthesis", "", f"There is none: {text(page['trouble'])}."]
    shared = [cause for cause in page["causes"] if cause["services_count"] > 1]
    return [
        "## Synthesis",
        "",
        _origin(page),
        *_listed("Begin with", [_first(entry) for entry in page["first"][:FIRST_MAX]]),
        *_listed("Common causes", [_cause(cause) for cause in shared[:CAUSES_MAX]]),
        *_listed("Owners", [_owner(load) for load in page["owners"][:OWNERS_MAX]]),
        *_listed("Not known", _unknown(page)),
    ]


def _origin(page: Part) -> str:
    covered, nodes = page["covered"], page["nodes"]
    tasks = covered["tasks"]
    failed = ", ".join(f"{count} {text(reason)}" for reason, count in tasks["failed"].items())
    ended = f" (failed: {failed})" if failed else ""
    return (
        f"Written by {'a lead' if page['by'] == 'lead' else 'rules'} at the top of {len(nodes)} "
        f"node{'' if len(nodes) == 1 else 's'} over {covered['services']} services, {covered['reported']} of them "
        f"reported, {tasks['succeeded']}/{tasks['planned']} tasks answered{ended}."
    )


def _first(entry: Part) -> str:
    return (
        f"- **{text(entry['service'])}** (#{entry['rank']}, score {entry['score']:.1f}, "
        f"{text(entry['owner']) or 'nobody'}): {text(entry['why'], characters_max=CLAIM_CHARACTERS_MAX)} "
        f"[{_codes(entry['citations'])}]"
    )


def _cause(cause: Part) -> str:
    return (
        f"- **{text(cause['name'])}**, {_services(cause)}: "
        f"{text(cause['claim'], characters_max=CLAIM_CHARACTERS_MAX)} [{_codes(cause['citations'])}]"
    )


def _owner(load: Part) -> str:
    names = f": {_names(load['services'])}" if load["services"] else ""
    return (
        f"- {text(load['owner']) or 'nobody'}: {load['needs_work']} of {load['owned']} services need work, "
        f"{load['watch']} to watch{names}"
    )


def _unknown(page: Part) -> list[str]:
    lines = [f"- {text(gap['what'])}: {_services(gap)}" for gap in page["not_known"][:GAPS_MAX]]
    if page["left_out"]:
        lines.append(
            f"- {len(page['left_out'])} services of the lowest ranks were not read for this page, for want of budget: "
            f"{_names(page['left_out'])}"
        )
    for part in page["partial"][:PARTIAL_MAX]:
        lines.append(
            f"- {code(part['node'])}, {part['services']} services: merged by rules, since its lead failed "
            f"({text(part['trouble'], characters_max=CLAIM_CHARACTERS_MAX)})"
        )
    hidden = len(page["partial"]) - PARTIAL_MAX
    if hidden > 0:
        lines.append(f"- {hidden} more parts merged by rules are named in summary.json")
    if page["struck"]:
        lines.append(f"- {len(page['struck'])} claims of leads lost what they cannot have read (summary.json)")
    return lines


def _services(told: Part) -> str:
    count = told["services_count"]
    return f"{count} service{'' if count == 1 else 's'} ({_names(told['services'], count)})"


def _names(names: Sequence[str], count: int | None = None) -> str:
    more = ", …" if (count or len(names)) > min(len(names), NAMES_MAX) else ""
    return ", ".join(text(name) for name in names[:NAMES_MAX]) + more


def _codes(citations: Sequence[str]) -> str:
    return ", ".join(code(citation) for citation in citations[:CITATIONS_MAX])


def _listed(heading: str, lines: Sequence[str]) -> list[str]:
    return ["", f"### {heading}", "", *lines] if lines else []
