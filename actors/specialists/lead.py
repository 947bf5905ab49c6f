"""The lead: what many services have in common and what to do first, from records small enough to be read together.

Its inputs are one node of a tree: `services` (records, on the lowest level) or `parts` (what lower nodes came to), and
`covered` (figures that code added up). It has no tools: all that it may cite stands in its inputs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from pydantic import BaseModel, ConfigDict, Field

from actors.contracts import JsonValue
from actors.specialists.base import Answered, Resources, Specialist
from actors.tools.base import ToolContext

FIRST_MAX, CAUSES_MAX, OWNERS_MAX, GAPS_MAX = 15, 10, 10, 12
NAMES_MAX, CITATIONS_MAX = 25, 12  # of one cause
WHY_CITATIONS_MAX, FEW_NAMES_MAX = 6, 10


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class First(_Strict):
    """A service to begin with."""

    service: str
    why: str = Field(min_length=1, max_length=400)
    citations: list[str] = Field(min_length=1, max_length=WHY_CITATIONS_MAX, description="Ids of its findings")


class Cause(_Strict):
    """What several services suffer from."""

    name: str = Field(min_length=1, max_length=200, description="A few words; two names never mean the same cause")
    claim: str = Field(min_length=1, max_length=400, description="What it does to them, with the figures that matter")
    services: list[str] = Field(min_length=1, max_length=NAMES_MAX, description="Names, the worst first")
    services_count: int = Field(ge=1, description="All of them, also those that are not named")
    citations: list[str] = Field(min_length=1, max_length=CITATIONS_MAX, description="Ids of findings that show it")


class OwnerLoad(_Strict):
    """What one owner has to do."""

    owner: str
    claim: str = Field(min_length=1, max_length=300)
    services: list[str] = Field(default_factory=list, max_length=FEW_NAMES_MAX, description="The worst first")


class Unknown(_Strict):
    """Something that could not be known, and of which services."""

    what: str = Field(min_length=1, max_length=300)
    services: list[str] = Field(default_factory=list, max_length=FEW_NAMES_MAX)
    services_count: int = Field(ge=0)


class Overview(_Strict):
    """What one node of the tree came to: one page, whatever it read."""

    summary: str = Field(min_length=1, max_length=1_500, description="For somebody who reads nothing else")
    first: list[First] = Field(default_factory=list, max_length=FIRST_MAX, description="In the order of urgency")
    causes: list[Cause] = Field(default_factory=list, max_length=CAUSES_MAX, description="The widest first")
    owners: list[OwnerLoad] = Field(default_factory=list, max_length=OWNERS_MAX, description="Most to do first")
    not_known: list[Unknown] = Field(default_factory=list, max_length=GAPS_MAX)


PROMPT = """\
You read one part of a reliability audit over many services and write one page about it, for people who decide what
to do first. On the lowest level you are given records of services: rank, score (0 to 100) and verdict come from stated
rules and are not yours to change; findings carry ids such as cart#2. Above it you are given what other leads wrote
about their parts, with the rank, score, verdict and owner of each service that they name.

- Begin with what is urgent and shared. Join causes that mean the same under one name and add their services up;
  services of different parts are different services. Where records name a cause, take one of their names as it
  stands: code counts the services of a name that it knows.
- A symptom belongs to the service that causes it.
- Cite ids of findings as they stand. Cite and name only what you were given.
- Say what is not known: sources that are absent or failed, parts that are missing.
- `covered` was counted by code. Never contradict it.
"""


def analyst(inputs: Mapping[str, JsonValue], _: Sequence[Answered]) -> Overview:
    """Rules instead of a model: the same inputs give the same page."""
    return overview(inputs)


def overview(inputs: Mapping[str, Any]) -> Overview:
    """The page about one node, by rules: what is worst first, causes by the number of their services."""
    covered = inputs["covered"]
    parts: Sequence[Mapping[str, Any]] = inputs.get("parts", ())
    pages = [part["overview"] for part in parts] or [_page_of(record) for record in inputs.get("services", ())]
    ranks = _ranks(inputs)
    first = sorted((f for page in pages for f in page["first"]), key=lambda f: ranks[f["service"]])[:FIRST_MAX]
    causes = _causes(pages, ranks)[:CAUSES_MAX]
    owners = _owners(covered, ranks, inputs)
    gaps = _gaps(pages, ranks)[:GAPS_MAX]
    return Overview(
        summary=_summary(first, causes, owners),
        first=[First(**f) for f in first],
        causes=causes,
        owners=owners,
        not_known=gaps,
    )


@dataclass(frozen=True, slots=True)
class Seen:
    """What a lead was given: services by name, findings by id."""

    services: frozenset[str]
    findings: frozenset[str]


def seen(inputs: Mapping[str, Any]) -> Seen:
    """All that a lead with these inputs may name and cite."""
    services, parts = inputs.get("services", ()), inputs.get("parts", ())
    pages = [part["overview"] for part in parts]
    return Seen(
        frozenset(record["service"] for record in services).union(*(part["facts"] for part in parts)),
        frozenset(finding["id"] for record in services for finding in record["findings"]).union(
            *(told["citations"] for page in pages for told in (*page["first"], *page["causes"]))
        ),
    )


def check_citations(context: ToolContext, citations: Sequence[str]) -> Iterable[str]:
    """The citations of what it was not given."""
    given = seen(context.inputs).findings
    return [citation for citation in citations if citation not in given]


def urgent(record: Mapping[str, Any]) -> dict[str, Any] | None:
    """Why to look at this service, if anybody should."""
    findings = record["findings"][:3] if record["verdict"] in ("needs_work", "watch") else []
    if not findings:
        return None
    return {"service": record["service"], "why": findings[0]["claim"], "citations": [f["id"] for f in findings]}


def _page_of(record: Mapping[str, Any]) -> Mapping[str, Any]:
    """One service's record in the form of a page, so that records and pages are merged by the same rules."""
    name, findings = record["service"], record["findings"]
    why = urgent(record)
    causes: dict[str, dict[str, Any]] = {}
    for finding in findings:
        if finding["cause"] and finding["cause"] not in causes:
            causes[finding["cause"]] = {
                "name": finding["cause"][:200],
                "claim": f"{name}: {finding['claim']}",  # of the worst of those who share it, when they are joined
                "services": [name],
                "services_count": 1,
                "citations": [finding["id"]],
            }
    gaps = [{"what": what[:300], "services": [name], "services_count": 1} for what in record["not_known"]]
    return {"first": [why] if why else [], "causes": list(causes.values()), "not_known": gaps}


def _ranks(inputs: Mapping[str, Any]) -> dict[str, int]:
    ranks = {record["service"]: record["rank"] for record in inputs.get("services", ())}
    for part in inputs.get("parts", ()):
        ranks |= {name: facts["rank"] for name, facts in part["facts"].items()}
    return ranks


def _causes(pages: Iterable[Mapping[str, Any]], ranks: Mapping[str, int]) -> list[Cause]:
    """Causes of the same name as one, the widest first; one that a single service has stands behind all others."""
    found = _by_name((cause["name"], cause) for page in pages for cause in page["causes"])
    merged = []
    for name, told in found.items():
        told.sort(key=lambda cause: ranks[cause["services"][0]])
        services = _worst((service for cause in told for service in cause["services"]), ranks)
        cited = [
            citation for turn in range(CITATIONS_MAX) for c in told for citation in c["citations"][turn : turn + 1]
        ]
        merged.append(
            Cause(
                name=name,
                claim=told[0]["claim"][:400],
                services=services[:NAMES_MAX],
                services_count=sum(cause["services_count"] for cause in told),
                citations=list(dict.fromkeys(cited))[:CITATIONS_MAX],
            )
        )
    return sorted(merged, key=lambda cause: (-cause.services_count, ranks[cause.services[0]], cause.name))


def _gaps(pages: Iterable[Mapping[str, Any]], ranks: Mapping[str, int]) -> list[Unknown]:
    found = _by_name((gap["what"], gap) for page in pages for gap in page["not_known"])
    merged = [
        Unknown(
            what=what,
            services=_worst((service for gap in told for service in gap["services"]), ranks)[:FEW_NAMES_MAX],
            services_count=sum(gap["services_count"] for gap in told),
        )
        for what, told in found.items()
    ]
    return sorted(merged, key=lambda gap: (-gap.services_count, gap.what))


def _owners(covered: Mapping[str, Any], ranks: Mapping[str, int], inputs: Mapping[str, Any]) -> list[OwnerLoad]:
    """The owners with most to do, as `covered` counts them, with those of their services that are at hand."""
    whose = {record["service"]: record for record in inputs.get("services", ())}
    for part in inputs.get("parts", ()):
        whose |= part["facts"]
    services: dict[str, list[str]] = {}
    for name in sorted(whose, key=lambda name: ranks[name]):
        if whose[name]["verdict"] == "needs_work":
            services.setdefault(whose[name]["owner"], []).append(name)
    return [
        OwnerLoad(
            owner=share["owner"],
            claim=_begin_with(services.get(share["owner"], [])) or "Nothing that cannot wait",
            services=services.get(share["owner"], [])[:FEW_NAMES_MAX],
        )
        for share in covered["owners"][:OWNERS_MAX]
        if share["needs_work"] or share["watch"]
    ]


def _summary(first: Sequence[Any], causes: Sequence[Cause], owners: Sequence[OwnerLoad]) -> str:
    """What stands out, without figures: those of the whole estate stand beside it."""
    wide = [cause.name for cause in causes[:3] if cause.services_count > 1]
    said = [
        _begin_with([f["service"] for f in first]),
        f"Shared causes: {'; '.join(name.rstrip('.') for name in wide)}." if wide else "",
        f"Most of the work is with {owners[0].owner or 'nobody'}." if owners else "",
    ]
    return " ".join(filter(None, said))[:1_500] or "Nothing stands out."


def _begin_with(names: Sequence[str]) -> str:
    return f"Begin with {', '.join(names[:5])}." if names else ""


def _by_name(named: Iterable[tuple[str, Mapping[str, Any]]]) -> dict[str, list[Mapping[str, Any]]]:
    found: dict[str, list[Mapping[str, Any]]] = {}
    for name, told in named:
        found.setdefault(name, []).append(told)
    return found


def _worst(names: Iterable[str], ranks: Mapping[str, int]) -> list[str]:
    return sorted(dict.fromkeys(names), key=lambda name: (ranks[name], name))


LEAD = Specialist(
    name="lead",
    purpose="What many services have in common, what to do first, and what is not known",
    prompt=PROMPT,
    output=Overview,
    resources=Resources(num_cpus=0.25, memory_bytes=256 * 1024 * 1024, sessions_max=16),
    tier="lead",
    output_tokens_max=8_192,  # a page at the schema's bounds, at four bytes a token
    analyst=cast(Any, analyst),
    check_citations=check_citations,
)
