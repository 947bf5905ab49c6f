"""The code specialist without a model: which tools to call, and what their results amount to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

from pydantic import BaseModel

from actors.contracts import JsonValue
from actors.models.base import ModelError
from actors.sources import Incidents
from actors.specialists.base import Answered, Call
from actors.specialists.code.findings import hot, keeper, mended, rework_findings, risky, surge
from actors.specialists.code.words import BOTS_SHARE, CODE_SHARE, DOCUMENTS_SHARE, gaps, sentence
from actors.specialists.findings import Findings
from actors.tools.code.change_files import HotFiles
from actors.tools.code.change_incidents import BeforeIncidents
from actors.tools.code.change_rework import Rework
from actors.tools.code.change_summary import Summary
from actors.tools.code.tools import records

INCIDENT_HOURS = (6.0, 24.0)  # a bad change shows at once, or by the next day's peak

T = TypeVar("T")


def analyse(inputs: Mapping[str, JsonValue], answered: Sequence[Answered]) -> Sequence[Call] | BaseModel:
    """The calls to make, and when they are answered, the findings. The same answers give the same findings."""
    if answered:
        return _findings(answered)
    calls = [Call("change_summary"), Call("find_rework"), Call("hot_files")]
    hours = INCIDENT_HOURS if inputs.get(Incidents.key) is not None else ()
    return [*calls, *(Call("changes_before_incidents", {"hours": span}) for span in hours)]


def _findings(answered: Sequence[Answered]) -> Findings:
    failed = [f"{answer.call.tool}: {answer.error}" for answer in answered if answer.error is not None]
    summaries, reworks = _all(answered, "change_summary", Summary), _all(answered, "find_rework", Rework)
    if not summaries or not reworks:
        raise ModelError(f"without the history's summary and rework nothing can be said: {'; '.join(failed)}")
    summary, rework = summaries[0], reworks[0]
    trust, days = trust_in(summary), summary.window.days
    files = [file for found in _all(answered, "hot_files", HotFiles) for file in found.files[:1]]
    undone = list(rework_findings(rework, trust, days))
    findings = [
        *undone,
        *mended(rework, trust, days),
        *risky(_all(answered, "changes_before_incidents", BeforeIncidents), trust),
        *(finding for file in files for finding in hot(file, trust, told=bool(undone))),
        *keeper(summary, trust),
        *surge(summary),
    ]
    return Findings(
        summary=sentence(summary, rework),
        findings=findings,
        facts={
            "changes": summary.window.changes,
            "reverts": rework.window.reverts,
            "hotfixes": rework.window.hotfixes,
            "authors": summary.window.authors,
        },
        gaps=[gap[:400] for gap in (*failed, *gaps(summary))][:20],
    )


def _all(answered: Sequence[Answered], tool: str, kind: type[T]) -> list[T]:
    """What the calls of `tool` returned, as records; calls that failed are left out."""
    return [records(kind).validate_python(a.content) for a in answered if a.call.tool == tool and a.error is None]


def trust_in(summary: Summary) -> float:
    """How much this history can say about a running service: 1 for code, less for documents and programs' output.

    Confidence is multiplied by it.
    """
    if summary.bot_share >= BOTS_SHARE:
        return 0.3
    if summary.touched.get("docs", 0.0) >= DOCUMENTS_SHARE:
        return 0.5
    return 1.0 if summary.touched.get("code", 0.0) >= CODE_SHARE else 0.7
