"""The answer in one paragraph: plain text, made from the ranking, and behind it what a lead says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from actors.wording import counted
from orchestrator.claims import SOURCES
from orchestrator.estate import Standing
from orchestrator.groups import by_cause
from orchestrator.scoring import Verdict

NAMES_MAX = 5
CAUSE_SERVICES_MIN = 3  # a cause that two services share is no headline


def answer(standings: Sequence[Standing], page: Mapping[str, Any]) -> str:
    """Which services need work, what they have in common, and how much of the answer rests on what was read.

    Figures are counted here. The words of the lead who wrote the last `page`, if one did, follow as his: nobody can
    check them.
    """
    if not standings:
        return "There was no service to audit."
    verdicts = Counter(standing.verdict for standing in standings)
    needy = [standing.brief.name for standing in standings if standing.verdict is Verdict.NEEDS_WORK]
    parts = [_need(needy, len(standings))]
    if verdicts[Verdict.WATCH]:
        parts.append(f"{verdicts[Verdict.WATCH]} should be watched.")
    shared = next(iter(by_cause(standings)), None)
    if shared is not None and len(shared.services) >= CAUSE_SERVICES_MIN:
        parts.append(f"The widest common cause is {shared.name}, in {counted(len(shared.services), 'service')}.")
    parts.append(_well(verdicts[Verdict.HEALTHY], verdicts[Verdict.UNKNOWN]))
    nowhere = [source for source in SOURCES.values() if not any(source in s.brief.weights for s in standings)]
    if nowhere:
        parts.append(f"Read for no service, so unknown of all: {', '.join(nowhere)}.")
    if page.get("summary"):
        whom = "them all" if page["read"] == len(standings) else f"{page['read']} of them"
        parts.append(f"In the words of the lead that read {whom}: {page['summary']}")
    return " ".join(parts)


def _need(needy: Sequence[str], total: int) -> str:
    if not needy:
        return f"None of {counted(total, 'service')} was found to need reliability work."
    more = f" and {len(needy) - NAMES_MAX} more" if len(needy) > NAMES_MAX else ""
    verb = "needs" if len(needy) == 1 else "need"
    return f"{len(needy)} of {counted(total, 'service')} {verb} reliability work: {', '.join(needy[:NAMES_MAX])}{more}."


def _well(healthy: int, unknown: int) -> str:
    well = f"{healthy} look healthy in what was read" if healthy != 1 else "1 looks healthy in what was read"
    if not unknown:
        return f"{well}."
    return f"{well}; of {unknown} too little was read to say."
