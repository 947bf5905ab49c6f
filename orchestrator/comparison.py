"""What changed between two batches over the same services: verdicts, ranks, and findings that are gone or new."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from orchestrator.markdown import plain

Json: TypeAlias = "dict[str, Any]"
SCHEMA = "muster.compare/1"
ANSWERED = "answered"  # the status of a batch that met its quorum and was not ended early
# Of a run's manifest and its settings: what an answer depends on, beside the model and the question.
_MANIFEST = {"source": "the manifest", "fingerprint": "the manifest's text"}
_SETTINGS = {
    "tiers": "tiers", "fallback_model": "fallback model", "turns_max": "turns", "deadline_s": "timeout",
    "tokens_per_run": "tokens per run",
}  # fmt: skip
_VERDICTS = ("needs_work", "watch", "unknown", "healthy")
_UNKNOWN = "unknown"


def compare(
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    *,
    manifests: tuple[Mapping[str, Any], Mapping[str, Any]] = ({}, {}),
) -> Json:
    """Two summaries (schema muster.audit/1), the earlier one first, and what is known of how each was asked.

    Where a batch failed to read a source that the other one has read, or only one found too little for a verdict, the
    service's verdicts are no change: it counts as `too_little_known`, and findings of that source as `unread`. But who
    read less and found it worse has seen a change.
    A finding is the same when source, kind, role and cause are: its figures may differ. A service is listed when its
    verdict, its rank or one of its findings changed; those that now need work come first.
    """
    old, new = _by_name(before), _by_name(after)
    both = [_service(old[name], new[name]) for name in sorted(old.keys() & new.keys())]
    changed = sorted((service for service in both if service["changed"]), key=_weight)
    known = [service for service in both if not service["too_little_known"]]
    return {
        "schema": SCHEMA,
        "before": _head(before),
        "after": _head(after),
        "asked_differently": _asked_differently(before, after, *manifests),
        "services": {
            "compared": len(both),
            "changed": len(changed),
            "verdict_changed": sum(s["verdict"]["before"] != s["verdict"]["after"] for s in known),
            "too_little_known": {
                side: sum(side in s["too_little_known"] for s in both) for side in ("before", "after")
            },
            "only_before": sorted(old.keys() - new.keys()),
            "only_after": sorted(new.keys() - old.keys()),
        },
        "verdicts": _moves(known),
        "findings": {kind: sum(len(s[kind]) for s in both) for kind in ("new", "gone", "unread")},
        "changed": [{name: value for name, value in service.items() if name != "changed"} for service in changed],
    }


def lines(told: Mapping[str, Any], *, services_max: int = 30, findings_max: int = 3) -> list[str]:
    """A comparison for people: what changed, service by service, those with another verdict first."""
    services, findings = told["services"], told["findings"]
    said = [
        *_incomplete("first", told["before"]),
        *_incomplete("second", told["after"]),
        *(f"otherwise  {plain(difference)}" for difference in told["asked_differently"]),
        f"compared   {services['compared']} services: {services['verdict_changed']} with another verdict, "
        f"{services['changed']} changed at all; {findings['new']} findings new, {findings['gone']} gone",
        *(f"           {count} {move}" for move, count in told["verdicts"].items()),
        *(
            f"unclear    {count} services, of which the {which} knows too little: no change of verdict is counted"
            for which, count in zip(("first", "second"), services["too_little_known"].values(), strict=True)
            if count
        ),
    ]
    for where, name in (("only in the first", "only_before"), ("only in the second", "only_after")):
        if services[name]:
            more = f" and {len(services[name]) - 8} more" if len(services[name]) > 8 else ""
            said.append(f"{where}: {', '.join(map(plain, services[name][:8]))}{more}")
    for service in told["changed"][:services_max]:
        said.append(_line(service))
        for sign, kind in (("+", "new"), ("-", "gone"), ("?", "unread")):
            said += [f"    {sign} {_finding(finding)}" for finding in service[kind][:findings_max]]
    if len(told["changed"]) > services_max:
        said.append(f"and {len(told['changed']) - services_max} more changed (--json lists them)")
    return said


def _finding(finding: Mapping[str, Any]) -> str:
    return f"{finding['severity']}, {finding['source']}: {plain(finding['claim'], characters_max=120)}"


def _line(service: Mapping[str, Any]) -> str:
    verdict, rank, score = service["verdict"], service["rank"], service["score"]
    moved = verdict["after"] if verdict["before"] == verdict["after"] else f"{verdict['before']} -> {verdict['after']}"
    moved += " (too little known)" if service["too_little_known"] else ""
    read = "".join(
        f", {source} {states['before']} -> {states['after']}" for source, states in service["sources"].items()
    )
    return (
        f"{plain(service['name'])}: {moved}, rank {rank['before']} -> {rank['after']}, "
        f"score {score['before']:.1f} -> {score['after']:.1f}{read}"
    )


def _service(old: Mapping[str, Any], new: Mapping[str, Any]) -> Json:
    gone, come = _differences(old["findings"], new["findings"])
    blind_before, blind_after = _unread(old, new), _unread(new, old)
    told: Json = {
        "name": new["name"],
        "owner": new["owner"],
        **{key: {"before": old[key], "after": new[key]} for key in ("verdict", "rank", "score")},
        "sources": {
            source: {"before": state, "after": new["sources"][source]}
            for source, state in old["sources"].items()
            if new["sources"].get(source, state) != state
        },
        "too_little_known": [
            side
            for side, blind, one, other in (("before", blind_before, old, new), ("after", blind_after, new, old))
            if _knows_too_little(one, other, blind)
        ],
        "new": [finding for finding in come if finding["source"] not in blind_before],
        "gone": [finding for finding in gone if finding["source"] not in blind_after],
        "unread": [
            *(finding for finding in come if finding["source"] in blind_before),
            *(finding for finding in gone if finding["source"] in blind_after),
        ],
    }
    told["changed"] = bool(gone or come or any(old[key] != new[key] for key in ("verdict", "rank", "sources")))
    return told


def _knows_too_little(one: Mapping[str, Any], other: Mapping[str, Any], blind: set[str]) -> bool:
    """Whether the verdict of one batch, which did not read the `blind` sources, says nothing beside the other's."""
    if one["verdict"] == _UNKNOWN:
        return bool(other["verdict"] != _UNKNOWN or blind)
    return bool(blind) and _place(one["verdict"]) >= _place(other["verdict"])


def _unread(one: Mapping[str, Any], other: Mapping[str, Any]) -> set[str]:
    """Sources that the other batch has read and this one failed to."""
    states = other["sources"]
    return {source for source, state in one["sources"].items() if state == "failed" and states.get(source) == "read"}


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


def _weight(service: Mapping[str, Any]) -> tuple[bool, bool, int, float, str]:
    verdict, score = service["verdict"], service["score"]
    stayed = verdict["before"] == verdict["after"]
    unclear = bool(service["too_little_known"])
    return (
        unclear,
        stayed,
        0 if stayed else _place(verdict["after"]),
        -abs(score["after"] - score["before"]),
        service["name"],
    )


def _place(verdict: str) -> int:
    return _VERDICTS.index(verdict) if verdict in _VERDICTS else len(_VERDICTS)


def _head(summary: Mapping[str, Any]) -> Json:
    services, tasks = (summary["coverage"][of] for of in ("services", "tasks"))
    return {
        **{name: summary[name] for name in ("run_id", "question", "model", "status")},
        "complete": summary["status"] == ANSWERED and tasks["succeeded"] == tasks["planned"],
        "coverage": {
            "services": {name: services[name] for name in ("total", "reported")},
            "tasks": {name: tasks[name] for name in ("planned", "succeeded")},
        },
    }


def _incomplete(which: str, head: Mapping[str, Any]) -> list[str]:
    """A line about a batch that is not complete; none about one that is."""
    services, tasks = head["coverage"]["services"], head["coverage"]["tasks"]
    if head["complete"]:
        return []
    return [
        f"{which:<10} not complete ({plain(head['status'])}): {tasks['succeeded']:,} of {tasks['planned']:,} tasks "
        f"answered, {services['reported']:,} of {services['total']:,} services reported"
    ]


def _asked_differently(
    before: Mapping[str, Any], after: Mapping[str, Any], was: Mapping[str, Any], now: Mapping[str, Any]
) -> list[str]:
    """In what the second batch was asked otherwise than the first, in words; nothing where nobody knows."""
    old, new = was.get("settings", {}), now.get("settings", {})
    pairs = [(f"the {name}", before[name], after[name]) for name in ("model", "question")]
    pairs += [(said, was[name], now[name]) for name, said in _MANIFEST.items() if name in was and name in now]
    pairs += [(said, old[name], new[name]) for name, said in _SETTINGS.items() if name in old and name in new]
    return [f"{name} was {_text(one)} and is {_text(other)}" for name, one, other in pairs if one != other]


def _text(value: object) -> str:
    return repr(value) if value != "" else "none"


def _by_name(summary: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return {service["name"]: service for service in summary["services"]}
