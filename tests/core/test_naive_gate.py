"""What is wrong with checking first and spending after, in the shape in which others reported it."""

from __future__ import annotations

import asyncio

from budget import Limit, local_budget
from support.gates import COST, BudgetGate, Gate, NaiveGate

REQUESTS_MAX = 9


async def requests_made(gate: Gate) -> int:
    """Eight children at once, each of which makes up to two requests under one shared limit of nine."""

    async def child(name: str) -> int:
        made = 0
        for n in range(2):
            if not await gate.admit(f"{name}/{n}"):
                break
            await asyncio.sleep(0)
            await gate.spend(f"{name}/{n}")
            made += 1
        return made

    return sum(await asyncio.gather(*(child(f"child-{n}") for n in range(8))))


def test_a_limit_of_nine_with_eight_children_ends_at_sixteen_when_checked_first() -> None:
    """The public failure: in both rounds everybody checks before anybody has spent."""
    assert asyncio.run(requests_made(NaiveGate(REQUESTS_MAX * COST))) == 16


def test_a_limit_of_nine_with_eight_children_ends_at_nine_when_held_first() -> None:
    """The same eight children through the ledger."""

    async def scene() -> int:
        async with local_budget(None) as budget:
            await budget.open("batch", limit=Limit(REQUESTS_MAX * COST))
            return await requests_made(BudgetGate(budget, "batch"))

    assert asyncio.run(scene()) == 9
