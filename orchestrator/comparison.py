"""What changed between two batches over the same services: verdicts, ranks, and findings that are gone or new."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from orchestrator.markdown import plain

Json: TypeAlias = "dict[str, Any]"
SCHEMA = "muster.compare/1"
_VERDICTS = ("needs_work", "watch", "unknown", "healthy")


def compare(before: Mapping[str, Any], after: Mapping[str, Any]) -> Json:
    """Two summaries (schema muster.audit/1), the earlier one first.

    A finding is the same when source, kind, role and cause are: its figures may differ. A service is listed when its
    verdict, its rank or one of its findings changed; those that now need work come first.
    """
    old, new = _by_name(before), _by_name(after)
    both = [_service(old[name], new[name]) for name in sorted(old.keys() & new.keys())]
    changed = sorted((service for service in both if service["changed"]), key=_weight)
    return {
        "schema": SCHEMA,
        "before": _head(before),
        "after": _head(after),
        "services": {
            "compared": len(both),
            "changed": len(changed),
            "verdict_changed": sum(s["verdict"]["before"] != s["verdict"]["after"] for s in both),
            "only_before": sorted(old.keys() - new.keys()),
            "only_after": sorted(new.keys() - old.keys()),
        },
        "verdicts": _moves(both),
        "findings": {"new": sum(len(s["new"]) for s in both), "gone": sum(len(s["gone"]) for s in both)},
        "changed": [{name: value for name, value in service.items() if name != "changed"} for service in changed],
    }


def lines(told: Mapping[str, Any], *, services_max: int = 30, findings_max: int = 3) -> list[str]:
    """A comparison for people: what changed, service by service, those with another verdict first."""
    services, findings = told["services"], told["findings"]
    said = [
        f"compared   {services['compared']} services: {services['verdict_changed']} with another verdict, "
        f"{services['changed']} changed at all; {findings['new']} findings new, {findings['gone']} gone",
        *(f"           {count} {move}" for move, count in told["verdicts"].items()),
    ]
    for where, name in (("only in the first", "only_before"), ("only in the second", "only_after")):
        if services[name]:
            more = f" and {len(services[name]) - 8} more" if len(services[name]) > 8 else ""
            said.append(f"{where}: {', '.join(map(plain, services[name][:8]))}{more}")
    for service in told["changed"][:services_max]:
        said.append(_line(service))
        for sign, kind in (("+", "new"), ("-", "gone")):
            said += [f"    {sign} {_finding(finding)}" for finding in service[kind][:findings_max]]
    if len(told["changed"]) > services_max:
        said.append(f"and {len(told['changed']) - services_max} more changed (--json lists them)")
    return said


def _finding(finding: Mapping[str, Any]) -> str:
    return f"{finding['severity']}, {finding['source']}: {plain(finding['claim'], characters_max=120)}"


def _line(service: Mapping[str, Any]) -> str:
    verdict, rank, score = service["verdict"], service["rank"], service["score"]
    moved = verdict["after"] if verdict["before"] == verdict["after"] else f"{verdict['before']} -> {verdict['after']}"
    read = "".join(
        f", {source} {states['before']} -> {states['after']}" for source, states in service["sources"].items()
    )
    return (
        f"{plain(service['name'])}: {moved}, rank {rank['before']} -> {rank['after']}, "
        f"score {score['before']:.1f} -> {score['after']:.1f}{read}"
    )


def _service(old: Mapping[str, Any], new: Mapping[str, Any]) -> Json:
    gone, come = _differences(old["findings"], new["findings"])
    told: Json = {
        "name": new["name"],
        "owner": new["owner"],
        **{key: {"before": old[key], "after": new[key]} for key in ("verdict", "rank", "score")},
        "sources": {
            source: {"before": state, "after": new["sources"][source]}
            for source, state in old["sources"].items()
            if new["sources"].get(source, state) != state
        },
        "new": come,
        "gone": gone,
    }
    told["changed"] = bool(gone or come or any(old[key] != new[key] for key in ("verdict", "rank", "sources")))
    return told


def _differences(old: Sequence[Mapping[str, Any]], new: Sequence[Mapping[str, Any]]) -> tuple[list[Json], list[Json]]:
    """Problems that only one side has; where a side has the same one several times, the lighter ones count as extra."""
    return _without(old, Counter(map(_identity, new))), _without(new, Counter(map(_identity, old)))


def _without(findings: Sequence[Mapping[str, Any]], others: Counter[tuple[str, ...]]) -> list[Json]:
    left = others.copy()
    extra = []
    for finding in findings:
        if finding["points"] <= 0:
            continue
        left[_identity(finding)] -= 1
        if left[_identity(finding)] < 0:
            extra.append({key: finding[key] for key in ("source", "kind", "severity", "claim", "cause", "citations")})
    return extra


def _identity(finding: Mapping[str, Any]) -> tuple[str, ...]:
    weighs = "" if finding["points"] > 0 else "context"
    cause = " ".join(str(finding["cause"]).casefold().split())
    return finding["source"], finding["kind"], finding["role"], cause, weighs


def _moves(services: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """How many services went from one verdict to another, `watch -> needs_work` and so on."""
    moves = Counter((s["verdict"]["before"], s["verdict"]["after"]) for s in services)
    order = sorted((move for move in moves if move[0] != move[1]), key=lambda m: (_place(m[1]), _place(m[0])))
    return {f"{before} -> {after}": moves[before, after] for before, after in order}


def _weight(service: Mapping[str, Any]) -> tuple[bool, int, float, str]:
    verdict, score = service["verdict"], service["score"]
    stayed = verdict["before"] == verdict["after"]
    return stayed, 0 if stayed else _place(verdict["after"]), -abs(score["after"] - score["before"]), service["name"]


def _place(verdict: str) -> int:
    return _VERDICTS.index(verdict) if verdict in _VERDICTS else len(_VERDICTS)


def _head(summary: Mapping[str, Any]) -> Json:
    return {name: summary[name] for name in ("run_id", "question", "model", "status")}


def _by_name(summary: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return {service["name"]: service for service in summary["services"]}
