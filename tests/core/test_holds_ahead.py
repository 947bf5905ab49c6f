"""A host and its ledger, on a virtual clock: holds that are there before a place is free, and what becomes of them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest
from pydantic import BaseModel
from sim.virtual_time import VirtualLoop

from actors.accounts import run_account
from actors.assembly import Assigned, HostSpec, assemble
from actors.contracts import Failure, Outcome, Reason, Task
from actors.hosting import Host
from actors.models.base import ModelReply, ModelRequest
from actors.models.scripted import ScriptedModel, says
from actors.rules import Rules
from actors.specialists.base import Specialist
from actors.tables import outcomes_of
from budget import Budget, Limit
from budget.commands import Command, Many, ReserveMany
from budget.desk import Desk
from budget.standing import AccountStanding, Standing
from budget.wire import News, Reply
from support.tasks import a_task

ANSWER_S = 0.020
NOBODY = ThreadPoolExecutor(1)  # never used: nothing here blocks


class Note(BaseModel):
    text: str


@dataclass
class FarDesk:
    """A ledger that takes a while to answer."""

    desk: Desk = field(default_factory=lambda: Desk(None))
    asked: int = 0  # holds

    async def apply(self, client_id: str, commands: Sequence[Command | Many]) -> Reply:
        self.asked += sum(len(command.hold_ids) for command in commands if isinstance(command, ReserveMany))
        await asyncio.sleep(ANSWER_S)
        return await self.desk.apply(client_id, commands)

    async def news(self, client_id: str, boot: str, alerts_after: int | None, wait_s: float) -> News:
        return await self.desk.news(client_id, boot, alerts_after, wait_s)

    async def standing(self, account_ids: Sequence[str] | None) -> Standing:
        return await self.desk.standing(account_ids)


@dataclass
class Scene:
    """One host with `places`, whose sessions take `session_s` each.

    What is seen: how many ran at once, when the last ended, how the batch stands at the end, and how it stood, and how
    many holds had been asked for, when all was cancelled.
    """

    places: int
    session_s: float
    on_exhausted: str = "wait"
    clock: Callable[[], float] = time.time
    ledger: FarDesk = field(default_factory=FarDesk)
    at_once: int = 0
    at_once_max: int = 0
    took_s: float = 0.0
    asked_then: int = 0
    standing: Standing = field(init=False)
    standing_then: Standing = field(init=False)

    async def reply(self, _: ModelRequest) -> ModelReply:
        self.at_once += 1
        self.at_once_max = max(self.at_once, self.at_once_max)
        try:
            await asyncio.sleep(self.session_s)
        finally:
            self.at_once -= 1
        return says('{"text": "well"}')

    def play(self, tasks: int, *, cancel_after: int | None = None, limit_tokens: int | None = None) -> list[Outcome]:
        """The outcomes of so many tasks; all that are left are cancelled when so many have ended."""
        loop = VirtualLoop()
        try:
            return loop.run_until_complete(
                self._play([a_task(str(n)) for n in range(tasks)], cancel_after, limit_tokens)
            )
        finally:
            loop.close()

    async def _play(self, tasks: Sequence[Task], cancel_after: int | None, limit_tokens: int | None) -> list[Outcome]:
        budget = Budget(self.ledger)
        await budget.open("batch", limit=Limit(limit_tokens, None))
        await budget.open(run_account("batch", "r"), parent="batch")
        host = self._host(budget)
        began_s = asyncio.get_running_loop().time()
        host.submit(tasks)
        outcomes: list[Outcome] = []
        acknowledged = 0
        while len(outcomes) < len(tasks):
            drained = await host.drain(acknowledged=acknowledged, rows_max=1_000, wait_s=1.0)
            outcomes += outcomes_of(drained.rows) if drained.number != acknowledged else ()
            acknowledged = drained.number
            if cancel_after is not None and len(outcomes) >= cancel_after:
                self.standing_then, self.asked_then = await self.ledger.standing(["batch"]), self.ledger.asked
                host.cancel()
                cancel_after = None
        self.took_s = asyncio.get_running_loop().time() - began_s
        await host.close()
        await budget.aclose()
        self.standing = await self.ledger.standing(["batch"])
        return outcomes

    def _host(self, budget: Budget) -> Host:
        reader = Specialist(name="reader", purpose="Reads.", prompt="Read.", output=Note)
        spec = HostSpec(
            id="host-1",
            specialist=reader,
            model=lambda _: ScriptedModel(self.reply),
            assigned=Assigned(model="scripted", price=None),
            rules=Rules(on_exhausted=self.on_exhausted),
            sessions_max=self.places,
        )
        host = assemble(spec, budget, threads=NOBODY)
        host.runner.clock = self.clock
        return host


def batch(standing: Standing) -> AccountStanding:
    found = standing.of("batch")
    assert found is not None
    return found


def test_short_sessions_follow_each_other_without_waiting_for_the_ledger() -> None:
    """Four places, sessions of 2 ms and a ledger of 20 ms: one after the other they would take 20 times as long."""
    scene = Scene(places=4, session_s=0.002)

    outcomes = scene.play(2_000)

    assert len({outcome.task_id for outcome in outcomes}) == 2_000
    assert scene.took_s < 2 * 2_000 / 4 * scene.session_s
    assert scene.at_once_max == 4
    assert (batch(scene.standing).held.tokens, batch(scene.standing).spent.tokens) == (0, 2_000 * 15)


def test_sessions_of_seconds_have_no_idle_holds() -> None:
    """A hold of a dead host is charged in full, so none is there for a task that has not begun."""
    scene = Scene(places=40, session_s=2.0)

    scene.play(400, cancel_after=200)

    assert scene.asked_then <= 200 + 40


def test_a_cancelled_task_whose_hold_is_there_spends_nothing() -> None:
    """It ends as cancelled, and its hold is given back before its outcome is told."""
    scene = Scene(places=2, session_s=0.002)

    outcomes = scene.play(1_000, cancel_after=500)

    cancelled = [one for one in outcomes if getattr(one, "reason", None) is Reason.CANCELLED]
    idle = [one for one in cancelled if one.message == "cancelled before it started"]
    assert batch(scene.standing_then).held.tokens > 2 * 10_000
    assert len({outcome.task_id for outcome in outcomes}) == 1_000
    assert all(one.work.spent_tokens == 0 for one in idle)
    assert batch(scene.standing).held.tokens == 0
    assert batch(scene.standing).spent.tokens == sum(one.work.spent_tokens for one in outcomes)


def test_where_nobody_waits_nothing_is_asked_for_ahead() -> None:
    """With `skip`, what is asked for too early would be skipped, and could be paid a moment later."""
    scene = Scene(places=2, session_s=0.002, on_exhausted="skip")

    outcomes = scene.play(500, limit_tokens=2 * 10_000 + 500 * 15)

    assert not [one for one in outcomes if getattr(one, "reason", None) is Reason.BUDGET_SKIP]


@pytest.mark.parametrize("fit", [1, 3, 4, 7])
def test_where_money_is_short_every_task_is_answered_and_the_ceiling_holds(fit: int) -> None:
    """Those that are asked for ahead do not keep the money from those that could begin."""
    scene = Scene(places=4, session_s=0.002)

    outcomes = scene.play(600, limit_tokens=fit * 10_000 + 600 * 15)

    assert not [one for one in outcomes if isinstance(one, Failure)]
    assert batch(scene.standing).held.tokens == 0


def test_a_session_that_breaks_is_billed_at_its_worst_case() -> None:
    """Were its hold left standing, who waits for what is over would wait as long as the batch runs."""
    scene = Scene(places=1, session_s=0.1, clock=lambda: 1 // 0)

    outcomes = scene.play(2)

    assert all(isinstance(one, Failure) and one.reason is Reason.TOOL_ERROR for one in outcomes)
    assert [one.work.spent_tokens for one in outcomes] == [a_task().tokens_max] * 2
    assert batch(scene.standing).spent.tokens == 2 * a_task().tokens_max
    assert batch(scene.standing).held.tokens == 0
