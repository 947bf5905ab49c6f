"""Where an answer may be wrong for want of a source: which services lack one, and of which too little was read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from orchestrator.claims import SOURCES
from orchestrator.estate import Standing
from orchestrator.evidence import State
from orchestrator.scoring import Verdict


def not_known(standings: Sequence[Standing]) -> dict[str, Any]:
    """Names by source, and services that nothing is known of."""
    return {
        "absent": _without(standings, State.ABSENT),
        "failed": _without(standings, State.FAILED),
        "unknown": [s.brief.name for s in standings if s.verdict is Verdict.UNKNOWN],
        "not_reported": [s.brief.name for s in standings if not s.brief.weights],
    }


def gaps(known: Mapping[str, Any]) -> list[tuple[str, Sequence[str]]]:
    """What `not_known` says, each gap in a few words with the services that have it, the widest first."""
    found = [(f"{source} {state}", known[state][source]) for state in ("absent", "failed") for source in known[state]]
    found.append(("too little was read to call them healthy", known["unknown"]))
    found.append(("nothing was read", known["not_reported"]))
    return [gap for gap in sorted(found, key=lambda gap: -len(gap[1])) if gap[1]]


def _without(standings: Sequence[Standing], state: State) -> dict[str, list[str]]:
    found = {}
    for source in SOURCES.values():
        names = [s.brief.name for s in standings if s.brief.states[source] is state]
        if names:
            found[source] = names
    return found
