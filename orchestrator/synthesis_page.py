"""The last page: counts by code over all services, and beside them what leads made of those that they read.

Counting costs nothing, so a page without leads lacks judgement and words, and no figure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from actors.specialists.lead import CAUSES_MAX, FEW_NAMES_MAX, FIRST_MAX, LEAD, NAMES_MAX, OWNERS_MAX, urgent
from orchestrator import synthesis_records as records
from orchestrator.causes import Causes
from orchestrator.estate import Standing
from orchestrator.evidence import Evidence
from orchestrator.groups import Group, by_cause, by_owner
from orchestrator.scoring import Verdict
from orchestrator.synthesis_records import Json
from orchestrator.unread import gaps, not_known

RULES = "rules"
NAME_CHARACTERS_MAX = 200  # of a cause, as the lead's schema bounds it
WHY_FINDINGS_MAX = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Led:
    """What came of the leads. `told` is the page at the top of `nodes`; `trouble` says why no lead wrote it.

    `left_out` are the services that no lead was given.
    """

    told: Mapping[str, Any] = field(default_factory=dict)
    nodes: Sequence[Json] = ()
    left_out: Sequence[str] = ()
    trouble: str = ""

    @property
    def by(self) -> str:
        """Who wrote the page at the top."""
        return RULES if self.trouble else LEAD.name

    def entries(self, name: str) -> list[Json]:
        """What leads say under `name`; nothing where rules wrote every node: code knows that of all services."""
        return list(self.told[name]) if any(node["by"] == LEAD.name for node in self.nodes) else []


def page_over(standings: Sequence[Standing], evidence: Mapping[str, Evidence], led: Led) -> Json:
    """The page as `summary["synthesis"]`. `evidence` has the findings of all `standings`, by name."""
    by_rules = [node for node in led.nodes if node["trouble"]]
    return {
        "by": led.by,
        "trouble": led.trouble,
        "summary": "" if led.trouble else led.told["summary"],
        "first": _first(standings, led) or _urgent(standings, evidence),
        "causes": _causes(standings, led),
        "owners": _owners(standings, led),
        "not_known": _gaps(standings, led),
        "covered": records.total([records.covered_by(standing) for standing in standings]).as_json(),
        "read": led.nodes[-1]["services"] if led.nodes else 0,
        "left_out": list(led.left_out),
        "partial": [{name: node[name] for name in ("node", "services", "trouble")} for node in by_rules],
        "struck": [entry for node in led.nodes for entry in node["struck"]],
        "nodes": [{name: node[name] for name in ("node", "by", "services", "read")} for node in led.nodes],
    }


def _first(standings: Sequence[Standing], led: Led) -> list[Json]:
    said = led.entries("first")
    named = {entry["service"] for entry in said}
    facts = {s.brief.name: records.facts(s) for s in standings if s.brief.name in named}
    return [{**entry, **facts[entry["service"]], "by": led.by} for entry in said]


def _urgent(standings: Sequence[Standing], evidence: Mapping[str, Evidence]) -> list[Json]:
    """The top of the ranking, where leads name nobody."""
    names = Causes({})  # whom a problem goes back to is not asked here
    worst = (s for s in standings if s.verdict in (Verdict.NEEDS_WORK, Verdict.WATCH))
    told = ((s, urgent(records.record(s, evidence[s.brief.name], names, findings_max=WHY_FINDINGS_MAX))) for s in worst)
    return [{**why, **records.facts(s), "by": RULES} for s, why in islice(((s, w) for s, w in told if w), FIRST_MAX)]


def _causes(standings: Sequence[Standing], led: Led) -> list[Json]:
    """What leads name, and the widest that they do not. One that records do not know by its name has `at_least`."""
    known = {group.name[:NAME_CHARACTERS_MAX].casefold(): group for group in by_cause(standings)}
    place = {name: number for number, name in enumerate(known)}
    told: list[Json] = []
    for cause in led.entries("causes"):
        group = known.pop(cause["name"].strip().casefold(), None)
        told.append({**cause, **(_counted(group) if group else _named(cause)), "by": led.by})
    rest = [{"claim": "", "citations": [], **_counted(group), "by": RULES} for group in known.values()]
    found = [*told, *rest[:CAUSES_MAX]]
    return sorted(found, key=lambda c: (-c["services_count"], place.get(c["name"].casefold(), len(place))))


def _counted(group: Group) -> Json:
    return {
        "name": group.name[:NAME_CHARACTERS_MAX],
        "services": list(group.services[:NAMES_MAX]),
        "services_count": len(group.services),
        "at_least": False,
        "findings": group.claims,
    }


def _named(told: Json) -> Json:
    """Of what only a lead counts: as many services as it names, each of which it was given."""
    return {"services_count": len(told["services"]), "at_least": True}


def _owners(standings: Sequence[Standing], led: Led) -> list[Json]:
    """Who has most to do, and what leads say of it."""
    claims = {load["owner"]: load["claim"] for load in led.entries("owners")}
    return [
        {
            "owner": share.owner,
            "claim": claims.get(share.owner, ""),
            "services": list(share.needs_work[:FEW_NAMES_MAX]),
            "owned": share.services,
            "needs_work": len(share.needs_work),
            "watch": len(share.watch),
        }
        for share in by_owner(standings)[:OWNERS_MAX]
        if share.needs_work or share.watch
    ]


def _gaps(standings: Sequence[Standing], led: Led) -> list[Json]:
    """What was not read, and what else leads miss."""
    counted = [
        {"what": what, "services": list(names[:FEW_NAMES_MAX]), "services_count": len(names), "at_least": False}
        for what, names in gaps(not_known(standings))
    ]
    known = {gap["what"] for gap in counted}
    said = [gap for gap in led.entries("not_known") if gap["what"].strip().casefold() not in known]
    return [{**gap, "by": RULES} for gap in counted] + [{**gap, **_named(gap), "by": led.by} for gap in said]
