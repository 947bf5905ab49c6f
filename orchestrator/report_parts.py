"""The sections of `report.md`, each from its part of a summary, each bounded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from orchestrator.claims import SOURCES
from orchestrator.markdown import code, text

Part: TypeAlias = Mapping[str, Any]
NAMES_MAX, GAP_NAMES_MAX, LINES_MAX, GROUPS_MAX = 12, 100, 200, 15
FINDINGS_MAX, CITATIONS_MAX, GAPS_MAX = 10, 6, 10
_LETTERS = {"incidents": "I", "git": "G", "metrics": "M", "runbooks": "R"}
_MARKS = {"read": "{}", "absent": "–", "failed": "{}✗"}


def gaps(summary: Part) -> list[str]:
    """What was not read, by source, with the reason where there is one."""
    known = summary["not_known"]
    reasons = _reasons(summary["failures"])
    lines = [
        *(f"- {source} absent in {_names(names, GAP_NAMES_MAX)}" for source, names in known["absent"].items()),
        *(
            f"- {source} failed in {_names(names, GAP_NAMES_MAX)}{reasons.get(source, '')}"
            for source, names in known["failed"].items()
        ),
    ]
    if known["unknown"]:
        lines.append(f"- too little was read to call {_names(known['unknown'], GAP_NAMES_MAX)} healthy")
    if known["not_reported"]:
        lines.append(f"- nothing was read of {_names(known['not_reported'], GAP_NAMES_MAX)}")
    told = sum(1 for s in summary["services"] for gap in s["gaps"] if ": absent," not in gap and ": failed," not in gap)
    if told:
        lines.append(f"- {told} more gaps that specialists named stand with their services")
    return ["## What is not known", "", *(lines or ["- nothing that was asked for"])]


def sources_read(sources: Mapping[str, str]) -> str:
    """The four sources in one cell: a letter was read, a dash is absent, a cross failed."""
    return " ".join(_MARKS[state].format(_LETTERS[source]) for source, state in sources.items())


def first_finding(service: Part) -> str:
    for finding in service["findings"]:
        return f"{finding['severity']}: {text(finding['claim'], characters_max=160)}"
    return "none" if any(state == "read" for state in service["sources"].values()) else "nothing was read"


def groups(grouped: Part) -> list[str]:
    """Common causes, common kinds of problems, and owners."""
    causes = [_group(group) for group in grouped["causes"][:GROUPS_MAX]]
    kinds = [_group(group) for group in grouped["kinds"][:GROUPS_MAX]]
    owners = [_owner(owner) for owner in grouped["owners"][:GROUPS_MAX] if owner["needs_work"] or owner["watch"]]
    lines: list[str] = []
    for heading, found in (("Common causes", causes), ("Common problems", kinds), ("Owners", owners)):
        if found:
            lines += ["", f"### {heading}", "", *found]
    return ["## What services have in common", *lines] if lines else []


def service(told: Part) -> list[str]:
    """One service in full: claims with citations, conflicts, gaps."""
    findings = [finding for finding in told["findings"] if finding["points"] > 0] or told["findings"]
    return [
        f"## {told['rank']}. {text(told['name'])}",
        "",
        f"Score {told['score']:.1f}, {told['verdict'].replace('_', ' ')}; owner {text(told['owner']) or 'nobody'}; "
        + ", ".join(f"{source} {state}" for source, state in told["sources"].items())
        + (f"; pointed at by {_names(told['pointed_at_by'])}" if told["pointed_at_by"] else "")
        + ".",
        "",
        *(_finding(finding) for finding in findings[:FINDINGS_MAX]),
        *_more(len(findings) - FINDINGS_MAX, "findings"),
        *(f"- conflict: {text(conflict)}" for conflict in told["conflicts"]),
        *(f"- not known: {text(gap, characters_max=400)}" for gap in told["gaps"][:GAPS_MAX]),
        *_more(len(told["gaps"]) - GAPS_MAX, "gaps"),
    ]


def conflicts(services: Sequence[Part]) -> list[str]:
    return _listed(
        "## Conflicts between sources",
        (f"- {text(s['name'])}: {text(conflict)}" for s in services for conflict in s["conflicts"]),
    )


def struck(services: Sequence[Part]) -> list[str]:
    """Claims that fell, and claims that lost some of their citations."""
    return _listed(
        "## Struck out",
        (
            f"- {text(s['name'])}, {claim['source']}: "
            + (f"~~{text(claim['claim'])}~~" if claim["whole"] else f"citations of: {text(claim['claim'])}")
            + "; "
            + ", ".join(f"{code(c['citation'])} {c['reason']}" for c in claim["citations"][:CITATIONS_MAX])
            for s in services
            for claim in s["struck"]
        ),
    )


def failures(failed: Sequence[Part]) -> list[str]:
    return _listed(
        "## Failures",
        (
            f"- {text(f['task_id'])}: {text(f['reason'])}, {text(f['message'], characters_max=400)} "
            f"({f['spent_tokens']:,} tokens spent)"
            for f in failed
        ),
    )


def _finding(finding: Part) -> str:
    citations = [code(citation) for citation in finding["citations"]]
    more = f" and {len(citations) - CITATIONS_MAX} more" if len(citations) > CITATIONS_MAX else ""
    symptom = f", symptom of {text(finding['cause']) or 'another service'}" if finding["role"] == "symptom" else ""
    return (
        f"- **{finding['severity']}** ({finding['source']}, {finding['confidence']:.0%} sure{symptom}) "
        f"{text(finding['claim'])} [{', '.join(citations[:CITATIONS_MAX])}{more}]"
    )


def _group(group: Part) -> str:
    return f"- {text(group['name'].replace('_', ' '))}: {_names(group['services'])}"


def _owner(owner: Part) -> str:
    needy = f"; {_names(owner['needs_work'])} need work" if owner["needs_work"] else ""
    watched = f"; {_names(owner['watch'])} to watch" if owner["watch"] else ""
    return f"- {text(owner['owner']) or 'nobody'}: {owner['services']} services{needy}{watched}"


def _names(names: Sequence[str], names_max: int = NAMES_MAX) -> str:
    shown = ", ".join(text(name) for name in names[:names_max])
    counted = f"{len(names)} service{'' if len(names) == 1 else 's'}"
    return f"{counted} ({shown}{', …' if len(names) > names_max else ''})"


def _reasons(failed: Iterable[Part]) -> dict[str, str]:
    """For each source, its failures by reason, as the end of a line."""
    counts: dict[str, dict[str, int]] = {}
    for failure in failed:
        agent = str(failure["agent"])
        of_source = counts.setdefault(SOURCES.get(agent, agent), {})
        of_source[failure["reason"]] = of_source.get(failure["reason"], 0) + 1
    return {
        source: ": " + ", ".join(f"{count} {text(reason)}" for reason, count in sorted(reasons.items()))
        for source, reasons in counts.items()
    }


def _listed(heading: str, lines: Iterable[str]) -> list[str]:
    every = list(lines)
    return [heading, "", *every[:LINES_MAX], *_more(len(every) - LINES_MAX, "lines")] if every else []


def _more(count: int, what: str) -> list[str]:
    return [f"- and {count} more {what} in summary.json"] if count > 0 else []
