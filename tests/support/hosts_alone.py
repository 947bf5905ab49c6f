"""One host in this process, without a driver: its outcomes, and what its ledger was told."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from actors.assembly import Assigned, HostSpec, assemble
from actors.contracts import Outcome, Task
from actors.hosting import Host
from actors.models.base import ModelClient
from actors.rules import Rules
from actors.specialists.base import Specialist
from actors.tables import outcomes_of
from budget import AccountStanding, Limit
from budget.client import local_budget


@dataclass(frozen=True, slots=True)
class Ran:
    """What came of the tasks, in their order, and the batch's account after them."""

    outcomes: list[Outcome]
    standing: AccountStanding


def ran(specialist: Specialist, model: ModelClient, tasks: Sequence[Task], *, assigned: Assigned, **limit: Any) -> Ran:
    """Run `tasks` on one host, one after the other. `limit` is the batch's: tokens, microusd."""
    return asyncio.run(_ran(specialist, model, tasks, assigned, Limit(limit.get("tokens"), limit.get("microusd"))))


async def _ran(
    specialist: Specialist, model: ModelClient, tasks: Sequence[Task], assigned: Assigned, limit: Limit
) -> Ran:
    async with local_budget(None) as budget:
        await budget.open("batch", limit=limit)
        spec = HostSpec(
            id="host-1",
            specialist=specialist,
            model=lambda _: model,
            assigned=assigned,
            rules=Rules(transcripts="all"),
            sessions_max=1,
        )
        host = assemble(spec, budget)
        outcomes = [await _outcome(host, task) for task in tasks]
        await host.close()
        standing = (await budget.standing("batch")).of("batch")
    assert standing is not None
    return Ran(outcomes, standing)


async def _outcome(host: Host, task: Task) -> Outcome:
    host.submit([task])
    acknowledged = 0
    while True:
        drained = await host.drain(acknowledged=acknowledged, rows_max=1, wait_s=1.0)
        acknowledged = drained.number
        for outcome in outcomes_of(drained.rows):
            if outcome.task_id == task.id:
                return outcome
