"""The last answer as a section of `report.md`, by leads or by rules: a page at most, for any number of services."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from actors.wording import counted
from orchestrator.markdown import code, text
from orchestrator.unread import gaps

Part: TypeAlias = Mapping[str, Any]
FIRST_MAX, CAUSES_MAX, OWNERS_MAX, GAPS_MAX, PARTIAL_MAX = 10, 8, 8, 8, 8
NAMED_MAX = 4  # causes and gaps that only leads name
NAMES_MAX, CITATIONS_MAX, CLAIM_CHARACTERS_MAX = 5, 3, 200
SERVICES_MIN = 20  # fewer stand on a page as it is


def synthesis(summary: Part) -> list[str]:
    """What to do first, what services have in common, whose it is, and what is not known.

    Nothing for a few services without leads: the report is a page then.
    """
    page = summary["synthesis"]
    if "first" not in page:  # nobody asked for leads
        return _by_rules(summary) if len(summary["services"]) >= SERVICES_MIN else []
    shared = [cause for cause in page["causes"] if cause["services_count"] > 1]
    return [
        "## Synthesis",
        "",
        _origin(page),
        *_listed("Begin with", [_first(entry) for entry in page["first"][:FIRST_MAX]]),
        *_listed("Common causes", [_cause(cause) for cause in _counted_first(shared, CAUSES_MAX)]),
        *_listed("Owners", [_owner(load) for load in page["owners"][:OWNERS_MAX]]),
        *_listed("Not known", _unknown(page)),
    ]


def _by_rules(summary: Part) -> list[str]:
    """The page without leads: the ranking, the groups and the gaps, each as far as a page goes."""
    services, grouped = summary["services"], summary["groups"]
    urgent = [s for s in services[:FIRST_MAX] if s["verdict"] in ("needs_work", "watch") and s["findings"]]
    owners = [owner for owner in grouped["owners"][:OWNERS_MAX] if owner["needs_work"] or owner["watch"]]
    return [
        "## Synthesis",
        "",
        f"Written by rules from the ranking of {len(services)} services. No lead has read them together "
        "(`--synthesis tree`), so nobody has judged what hangs together beyond the causes that findings name.",
        *_listed("Begin with", [_first(_urgent(service)) for service in urgent]),
        *_listed("Common causes", [_shared(cause) for cause in grouped["causes"][:CAUSES_MAX]]),
        *_listed("Owners", [_owner(_load(owner)) for owner in owners]),
        *_listed("Not known", _gaps(summary["not_known"], summary["coverage"])),
    ]


def _urgent(service: Part) -> Part:
    findings = service["findings"]
    cited = [f"{service['name']}#{number}" for number in range(1, 1 + min(len(findings), CITATIONS_MAX))]
    return {**service, "service": service["name"], "why": findings[0]["claim"], "citations": cited}


def _shared(cause: Part) -> str:
    told = {"services": cause["services"], "services_count": len(cause["services"])}
    return f"- **{text(cause['name'])}**, {_services(told)}: {counted(cause['findings'], 'finding')}"


def _load(owner: Part) -> Part:
    needy, watched = owner["needs_work"], len(owner["watch"])
    return {**owner, "services": needy, "needs_work": len(needy), "owned": owner["services"], "watch": watched}


def _gaps(known: Part, coverage: Part) -> list[str]:
    """Of which services what was not read, the most first, and which tasks came to nothing."""
    told = [f"- {what}: {_services({'services': names, 'services_count': len(names)})}" for what, names in gaps(known)]
    failed = ", ".join(f"{count} {text(reason)}" for reason, count in coverage["tasks"]["failed"].items())
    return told[:GAPS_MAX] + ([f"- tasks that came to nothing: {failed}"] if failed else [])


def _origin(page: Part) -> str:
    return f"{_author(page)} {_whereof(page['covered'])}"


def _author(page: Part) -> str:
    """Who wrote the page, and what leads read of it."""
    if not page["nodes"]:
        return f"Written by rules from the ranking, without leads: {text(page['trouble'])}."
    who = "a lead" if page["by"] == "lead" else "rules"
    nodes, services = counted(len(page["nodes"]), "node"), counted(page["covered"]["services"], "service")
    told = (
        f"Written by {who} at the top of {nodes}, which read {page['read']} of {services}; counts are by code, of all."
    )
    by_ranking = any(entry["by"] != page["by"] for entry in page["first"])
    return f"{told} Whom to begin with says the ranking." if by_ranking else told


def _whereof(covered: Part) -> str:
    tasks = covered["tasks"]
    failed = ", ".join(f"{count} {text(reason)}" for reason, count in tasks["failed"].items())
    ended = f" (failed: {failed})" if failed else ""
    return (
        f"{covered['reported']}/{covered['services']} services reported, "
        f"{tasks['succeeded']}/{tasks['planned']} tasks answered{ended}."
    )


def _first(entry: Part) -> str:
    return (
        f"- **{text(entry['service'])}** (#{entry['rank']}, score {entry['score']:.1f}, "
        f"{text(entry['owner']) or 'nobody'}): {text(entry['why'], characters_max=CLAIM_CHARACTERS_MAX)} "
        f"[{_codes(entry['citations'])}]"
    )


def _cause(cause: Part) -> str:
    if not cause["citations"]:  # nobody but code names it
        return f"- **{text(cause['name'])}**, {_services(cause)}: {counted(cause['findings'], 'finding')}"
    return (
        f"- **{text(cause['name'])}**, {_services(cause)}: "
        f"{text(cause['claim'], characters_max=CLAIM_CHARACTERS_MAX)} [{_codes(cause['citations'])}]"
    )


def _counted_first(told: Sequence[Part], entries_max: int) -> list[Part]:
    """What code counts, as far as a page goes, and then some of what only leads name."""
    sure = [one for one in told if not one["at_least"]]
    named = [one for one in told if one["at_least"]]
    return [*sure[:entries_max], *named[:NAMED_MAX]]


def _owner(load: Part) -> str:
    names = f": {_names(load['services'], load['needs_work'])}" if load["services"] else ""
    return (
        f"- {text(load['owner']) or 'nobody'}: {load['needs_work']} of {load['owned']} services need work, "
        f"{load['watch']} to watch{names}"
    )


def _unknown(page: Part) -> list[str]:
    lines = [f"- {text(gap['what'])}: {_services(gap)}" for gap in _counted_first(page["not_known"], GAPS_MAX)]
    if page["left_out"]:
        lines.append(
            f"- {counted(len(page['left_out']), 'service')} of the lowest ranks were read by no lead, for want of "
            f"budget: {_names(page['left_out'])}"
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
    if not told["services"]:
        return "services that its lead does not name"
    more = "at least " if told.get("at_least") else ""
    return f"{more}{counted(count, 'service')} ({_names(told['services'], count)})"


def _names(names: Sequence[str], count: int | None = None) -> str:
    more = ", …" if (count or len(names)) > min(len(names), NAMES_MAX) else ""
    return ", ".join(text(name) for name in names[:NAMES_MAX]) + more


def _codes(citations: Sequence[str]) -> str:
    return ", ".join(code(citation) for citation in citations[:CITATIONS_MAX])


def _listed(heading: str, lines: Sequence[str]) -> list[str]:
    return ["", f"### {heading}", "", *lines] if lines else []
