"""The offline analyst's rules for what changed for good: steps, trends, and levels near a limit."""

from __future__ import annotations

import math

from actors.specialists.findings import Finding
from actors.specialists.metrics.weights import Json, Weighed, figure, symptom, weighed

SAID_TWICE = 0.3  # of a change that another series has shown already


def changes(compared: Json) -> list[Weighed]:
    """Steps and trends in the bad direction: by how far, and how sure."""
    found: list[Weighed] = []
    for one in compared.get("changes", []):
        rule = _change_rule(one)
        if rule is None:
            continue
        kind, points = rule
        points *= one["certainty"] * (1 + 0.05 * (min(one["agreeing_series"], 4) - 1))
        points *= SAID_TWICE if any(known.kind == kind for _, known in found) else 1.0
        verb = "stepped" if one["kind"] == "step" else "drifted"
        when = "at" if one["kind"] == "step" else "since"
        claim = (
            f"{one['metric']} {verb} from {figure(one['before'], one['unit'])} "
            f"to {figure(one['after'], one['unit'])} {when} {one['at']}, compared with {compared['compared_with']}."
        )
        if one["role"] == "symptom":
            found.append(
                symptom(points, kind, f"{claim} {one['cause']}: {one['why']}.", one["cause"], one["citations"])
            )
        else:
            found.append(weighed(points, kind=kind, claim=claim[:600], citations=one["citations"]))
    return found


def _change_rule(one: Json) -> tuple[str, float] | None:
    """Kind and points of a change, before certainty; None for one that hurts nobody."""
    grown, step = float(one["doublings"]), one["kind"] == "step"
    much = 1 - math.exp(-abs(grown))
    if one["scope"] == "of its machine" and one["signal"] != "saturation":
        return None
    match one["signal"]:
        case "errors" if grown > 0 and one["unit"] == "share":
            bad = min(float(one["after"]) / 0.05, 1.0)  # 5 % of errors is as bad as it needs to be
            return ("error_rate_step" if step else "error_rate_creep"), 14 + 26 * max(bad * much, 0.0)
        case "errors" if grown > 0:
            return ("error_rate_step" if step else "error_rate_creep"), 6 + 14 * much
        case "latency" if grown > 0:
            return ("latency_step" if step else "latency_creep"), 9 + 14 * much
        case "saturation" if grown > 0 and one["unit"] == "share":
            full = min(max((float(one["after"]) - 0.5) / 0.4, 0.0), 1.0)  # nothing below half, all at 90 %
            return "saturation", (2 + 20 * full) * (0.5 if one["scope"] == "of its machine" else 1.0)
        case "saturation" if grown > 0.8:
            return "resource_growth", 4 + 10 * much
        case "traffic" if grown < -1.5:
            return "traffic_drop", 4 + 8 * much
    return None


def near_limit(compared: Json) -> list[Weighed]:
    """High but flat utilisation: context, as nothing says that it ever hurt."""
    moved = {one["metric"] for one in compared.get("changes", [])}
    flat = [one for one in compared.get("near_limit", []) if one["metric"] not in moved]
    if not flat:
        return []
    names = ", ".join(f"{one['metric']} {figure(one['high'], 'share')}" for one in flat[:4])
    claim = f"Runs near a limit without change (95th percentile): {names}."
    cited = [one["citation"] for one in flat[:4]]
    return [
        (0.0, Finding(kind="high_utilisation", claim=claim[:600], severity="info", confidence=0.9, citations=cited))
    ]
