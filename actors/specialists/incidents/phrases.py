"""What the incidents analyst says besides its findings: the summary, the facts, the gaps; and figures in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from actors.wording import counted

Part = Mapping[str, Any]  # a tool's content, or a part of it


def facts_of(summary: Part) -> dict[str, float | str | bool]:
    facts: dict[str, float | str | bool] = {"incidents": float(summary["records"]["incidents_in_window"])}
    facts["unavailable_minutes"] = float(summary["own"]["unavailable_minutes"])
    if summary["users_affected"] is not None:
        facts["users_affected"] = bool(summary["users_affected"])
    return facts


def gaps_of(summary: Part) -> list[str]:
    """What the records leave open, one sentence each."""
    records, own = summary["records"], summary["own"]
    gaps: list[str] = []
    if not records["of_all_times"]:
        gaps.append("The tracker has no record of this service at all: it is quiet, or known there under another name.")
    if records["undated"]:
        gaps.append(f"{counted(records['undated'], 'record')} without any date: in no window, not counted.")
    if own["without_duration"]:
        gaps.append(
            f"{own['without_duration']} of {counted(own['count'], 'incident')} do not tell how long they lasted."
        )
    if own["by_severity"].get("unknown"):
        gaps.append(
            f"{own['by_severity']['unknown']} of {counted(own['count'], 'incident')} do not tell how bad they were."
        )
    if not summary["before"]["reaches_back"] and records["of_all_times"]:
        gaps.append("The tracker does not reach back through the window before, so no trend can be told.")
    if records["in_window"] and not records["incidents_in_window"] and summary["not_incidents"]["mentions"]:
        gaps.append("The tracker only mentions tickets here; whether users were hurt is not known.")
    return gaps


def in_words(summary: Part) -> str:
    own, caused, others = summary["own"], summary["caused_elsewhere"]["count"], summary["not_incidents"]["count"]
    told = f"{counted(own['count'], 'incident')} of its own in {summary['window']['days']:g} days"
    told += f" ({severities(own)})" if own["count"] else ""
    told += f", {summary['before']['count']} in the window before" if summary["before"]["reaches_back"] else ""
    return f"{told}; {caused} caused elsewhere; {counted(others, 'other record')} that are no incidents."


def severities(own: Part) -> str:
    return ", ".join(f"{count} {name}" for name, count in own["by_severity"].items())


def lasting(minutes: float) -> str:
    if minutes < 120:
        return f"{minutes:.0f} min"
    return f"{minutes / 60:.1f} h" if minutes < 2_880 else f"{minutes / 1_440:.1f} days"
