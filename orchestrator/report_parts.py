"""The sections of `report.md`, each from its part of a summary, each bounded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from actors.wording import counted
from orchestrator.claims import SOURCES
from orchestrator.markdown import code, text

Part: TypeAlias = Mapping[str, Any]
NAMES_MAX, GAP_NAMES_MAX, LINES_MAX, GROUPS_MAX = 12, 25, 200, 15
SERVICES_IN_FULL_MAX = 40
FINDINGS_MAX, CITATIONS_MAX, GAPS_MAX = 10, 6, 10
_LETTERS = {"incidents": "I", "git": "G", "metrics": "M", "runbooks": "R"}
_MARKS = {"read": "{}", "absent": "–", "failed": "{}✗"}


@dataclass(slots=True)
class Listed:
    """A section of bullets: the first of them, and how many there are."""

    heading: str
    shown: list[str] = field(default_factory=list)
    count: int = 0

    def add(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.count += 1
            if len(self.shown) < LINES_MAX:
                self.shown.append(line)

    def lines(self) -> list[str]:
        more = _more(self.count - len(self.shown), "lines")
        return [self.heading, "", *self.shown, *more] if self.shown else []


@dataclass(slots=True)
class Noted:
    """What several sections say of all services, of each at most so many: gathered in one walk over them."""

    in_full: list[Part] = field(default_factory=list)
    conflicts: Listed = field(default_factory=lambda: Listed("## Conflicts between sources"))
    struck: Listed = field(default_factory=lambda: Listed("## Struck out"))
    gaps_told: int = 0  # by specialists, beside sources that are absent or failed

    def add(self, told: Part) -> None:
        name = text(told["name"])
        self.conflicts.add(f"- {name}: {text(conflict)}" for conflict in told["conflicts"])
        self.struck.add(f"- {name}, {_struck(claim)}" for claim in told["struck"])
        self.gaps_told += sum(": absent," not in gap and ": failed," not in gap for gap in told["gaps"])
        worth = told["verdict"] != "healthy" and (told["findings"] or told["conflicts"] or told["struck"])
        if worth and len(self.in_full) < SERVICES_IN_FULL_MAX:
            self.in_full.append(told)


@dataclass(slots=True)
class Failures:
    """Failures as they are listed, and for each source how many there are by reason."""

    listed: Listed = field(default_factory=lambda: Listed("## Failures"))
    reasons: dict[str, Counter[str]] = field(default_factory=dict)

    def add(self, failed: Part) -> None:
        agent = str(failed["agent"])
        self.reasons.setdefault(SOURCES.get(agent, agent), Counter())[failed["reason"]] += 1
        said = text(failed["message"], characters_max=400)
        self.listed.add(
            [f"- {text(failed['task_id'])}: {text(failed['reason'])}, {said} ({failed['spent_tokens']:,} tokens spent)"]
        )

    def of_source(self, source: str) -> str:
        """A source's reasons as the end of a line; "" where none failed."""
        counted = sorted(self.reasons.get(source, Counter()).items())
        return ": " + ", ".join(f"{count} {text(reason)}" for reason, count in counted) if counted else ""


def gaps(known: Part, noted: Noted, failures: Failures) -> list[str]:
    """What was not read, by source, with the reason where there is one."""
    lines = [
        *(f"- {source} absent in {_names(names, GAP_NAMES_MAX)}" for source, names in known["absent"].items()),
        *(
            f"- {source} failed in {_names(names, GAP_NAMES_MAX)}{failures.of_source(source)}"
            for source, names in known["failed"].items()
        ),
    ]
    if known["unknown"]:
        lines.append(f"- too little was read to call {_names(known['unknown'], GAP_NAMES_MAX)} healthy")
    if known["not_reported"]:
        lines.append(f"- nothing was read of {_names(known['not_reported'], GAP_NAMES_MAX)}")
    if noted.gaps_told:
        lines.append(f"- {noted.gaps_told} more gaps that specialists named stand with their services")
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


def _struck(claim: Part) -> str:
    """A claim that fell, or one that lost some of its citations."""
    said = f"~~{text(claim['claim'])}~~" if claim["whole"] else f"citations of: {text(claim['claim'])}"
    cited = ", ".join(f"{code(c['citation'])} {c['reason']}" for c in claim["citations"][:CITATIONS_MAX])
    return f"{claim['source']}: {said}; {cited}"


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
    return f"{counted(len(names), 'service')} ({shown}{', …' if len(names) > names_max else ''})"


def _more(count: int, what: str) -> list[str]:
    return [f"- and {count} more {what} in summary.json"] if count > 0 else []
