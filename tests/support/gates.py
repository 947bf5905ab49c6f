"""Two gates before a cost, and crowds that go through them: the naive one that checks and then spends, and ours."""

from __future__ import annotations

import asyncio
from typing import Any, Protocol

from budget import Amount, Budget

COST = 1000  # tokens of every call


class Gate(Protocol):
    """Whether a call may be made, and what it cost."""

    async def admit(self, call_id: str) -> bool: ...

    async def spend(self, call_id: str) -> None: ...


class NaiveGate:
    """Check, then spend: what nearly everybody builds. Between the two, everybody else checks too."""

    def __init__(self, limit: int) -> None:
        self.limit, self.spent = limit, 0

    async def admit(self, _: str) -> bool:
        return self.spent < self.limit

    async def spend(self, _: str) -> None:
        self.spent += COST

    async def total(self) -> int:
        return self.spent


class RemoteGate:
    """A naive gate that is a Ray actor."""

    def __init__(self, actor: Any) -> None:
        self._actor = actor

    async def admit(self, call_id: str) -> bool:
        return bool(await self._actor.admit.remote(call_id))

    async def spend(self, call_id: str) -> None:
        await self._actor.spend.remote(call_id)


class BudgetGate:
    """Ours: hold the worst case, then reconcile it."""

    def __init__(self, budget: Budget, account_id: str) -> None:
        self._budget, self._account_id = budget, account_id

    async def admit(self, call_id: str) -> bool:
        answer = await self._budget.reserve(call_id, self._account_id, Amount(COST, 0), on_exhausted="skip")
        return answer.held

    async def spend(self, call_id: str) -> None:
        await self._budget.reconcile(call_id, Amount(COST, 0))


class Callers:
    """A process with many callers at once, as a Ray actor has them. Each makes one call of 10 ms."""

    def __init__(self, name: str, gate: Gate) -> None:
        self._name, self._gate = name, gate

    async def call_all(self, callers: int) -> int:
        """How many calls were made; each was billed by whoever serves it, whatever the gate counts."""
        made = await asyncio.gather(*(self._call(f"{self._name}/{n}") for n in range(callers)))
        return sum(made)

    async def _call(self, call_id: str) -> bool:
        if not await self._gate.admit(call_id):
            return False
        await asyncio.sleep(0.01)
        await self._gate.spend(call_id)
        return True


class OurCallers(Callers):
    """Callers that connect to the budget actor from their own process."""

    def __init__(self, name: str, actor: Any, account_id: str) -> None:
        self._name, self._actor, self._account_id = name, actor, account_id

    async def call_all(self, callers: int) -> int:
        from budget.actor import connect  # here, as core tests use this file and must not load Ray

        self._gate = BudgetGate(connect(self._actor), self._account_id)
        return await super().call_all(callers)
