"""The client over the desk in its own process: turns, cancelling, coalescing, lost calls, alerts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from budget import Alert, Amount, Answer, Budget, Limit, Verdict, local_budget
from budget.commands import Command, Many, count
from budget.desk import Desk
from budget.errors import (
    AccountConflictError,
    BudgetUnreachableError,
    JournalError,
    UnknownAccountError,
    UnknownCostError,
)
from budget.sender import TransportLost
from budget.standing import AccountStanding, Standing
from budget.wire import News, Reply

TEN = Amount(10, 10)


@asynccontextmanager
async def batch_of(tokens: int, folder: Path | None = None) -> AsyncIterator[Budget]:
    """A budget with one account, `batch`, of this many tokens."""
    async with local_budget(folder) as budget:
        await budget.open("batch", limit=Limit(tokens))
        yield budget


async def account(budget: Budget, name: str = "batch") -> AccountStanding:
    found = (await budget.standing(name)).of(name)
    assert found is not None
    return found


async def turn_of_the_loop(times: int = 20) -> None:
    for _ in range(times):
        await asyncio.sleep(0)


def test_a_reservation_waits_for_its_turn() -> None:
    """It comes back when another's refund has made room, without asking again."""

    async def scene() -> tuple[bool, Answer]:
        async with batch_of(15) as budget:
            await budget.reserve("a", "batch", TEN)
            waiting = asyncio.ensure_future(budget.reserve("b", "batch", TEN))
            await turn_of_the_loop()
            was_done = waiting.done()
            await budget.reconcile("a", Amount(3, 0))
            return was_done, await waiting

    was_done, answer = asyncio.run(scene())

    assert (was_done, answer.held) == (False, True)


def test_a_reservation_that_can_never_fit_comes_back_at_once() -> None:
    """With whose limit it was, and by how much."""

    async def scene() -> list[Answer]:
        async with batch_of(15) as budget:
            await budget.reserve("a", "batch", TEN)
            never = await budget.reserve("b", "batch", Amount(16, 0))
            skipped = await budget.reserve("c", "batch", TEN, on_exhausted="skip")
            return [never, skipped]

    never, skipped = asyncio.run(scene())

    assert (never.verdict, skipped.verdict) == (Verdict.NEVER, Verdict.SKIPPED)
    assert never.message == "16 tokens are needed and 5 are free (limit 15, account 'batch'): raise its limit"


def test_who_waits_is_turned_away_when_it_can_no_longer_fit() -> None:
    """Nobody waits for money that has been spent."""

    async def scene() -> Answer:
        async with batch_of(15) as budget:
            await budget.reserve("a", "batch", TEN)
            waiting = asyncio.ensure_future(budget.reserve("b", "batch", TEN))
            await turn_of_the_loop()
            await budget.reconcile("a", TEN)
            return await waiting

    assert asyncio.run(scene()).verdict is Verdict.NEVER


def test_who_asks_is_told_that_the_hold_has_to_wait_and_then_that_it_is_there() -> None:
    """Whoever could ask for more meanwhile knows that money is short."""

    async def scene() -> list[Verdict]:
        told: list[Verdict] = []

        def heard(answer: Answer | Exception) -> None:
            assert isinstance(answer, Answer)
            told.append(answer.verdict)

        async with batch_of(15) as budget:
            await budget.reserve("a", "batch", TEN)
            budget.ask("b", "batch", 10, 0, heard)
            await turn_of_the_loop(20)
            await budget.reconcile("a", Amount(0, 0))
            await turn_of_the_loop(20)
        return told

    assert asyncio.run(scene()) == [Verdict.WAITING, Verdict.HELD]


@pytest.mark.parametrize("turns", range(12))
def test_cancelling_gives_the_hold_up_at_any_moment(turns: int) -> None:
    """Before it was sent, while it was under way, in line, or in the moment when it was granted."""

    async def scene() -> tuple[AccountStanding, Answer]:
        async with batch_of(15) as budget:
            await budget.reserve("a", "batch", TEN)
            waiting = asyncio.ensure_future(budget.reserve("b", "batch", TEN))
            refund = asyncio.ensure_future(budget.reconcile("a", Amount(0, 0)))
            await turn_of_the_loop(turns)
            waiting.cancel()
            await asyncio.wait([waiting, refund])
            if not waiting.cancelled():  # it was granted before
                await budget.reconcile("b", Amount(0, 0))
            answer = await budget.reserve("c", "batch", Amount(15, 0))
            return await account(budget), answer

    standing, answer = asyncio.run(scene())

    assert answer.held
    assert (standing.held.tokens, standing.waiting) == (15, 0)


def test_a_thousand_waiting_are_all_served_in_order() -> None:
    """First come, first served, by one refund after the other."""

    async def scene() -> list[str]:
        served: list[str] = []
        async with batch_of(10_000) as budget:

            async def task(name: str) -> None:
                assert (await budget.reserve(name, "batch", Amount(3000, 0))).held
                served.append(name)
                await asyncio.sleep(0)
                await budget.reconcile(name, Amount(1, 0))

            await asyncio.gather(*(task(f"t{n}") for n in range(1000)))
            assert (await account(budget)).spent.tokens == 1000
        return served

    assert asyncio.run(scene()) == [f"t{n}" for n in range(1000)]


def test_commands_gather_while_one_call_is_under_way(tmp_path: Path) -> None:
    """1,000 sub-agents at once take a few calls, not 2,000."""

    async def scene() -> list[int]:
        transport = Relay(Desk(tmp_path))
        budget = Budget(transport)
        await budget.open("batch")

        async def task(name: str) -> None:
            await budget.reserve(name, "batch", TEN)
            await budget.reconcile(name, TEN)

        await asyncio.gather(*(task(f"t{n}") for n in range(1000)))
        await budget.aclose()
        await transport.desk.close()
        return transport.batches

    assert asyncio.run(scene()) == [1, 1000, 1000]


class Relay:
    """A way to the desk that can lose calls before they arrive, or answers on the way back, and be restarted."""

    def __init__(self, desk: Desk, lose: Callable[[int], str] = lambda _: "") -> None:
        self.desk = desk
        self.batches: list[int] = []
        self.calls = 0
        self._lose = lose

    async def apply(self, client_id: str, commands: Sequence[Command | Many]) -> Reply:
        self.batches.append(sum(map(count, commands)))
        loss = self._loss()
        if loss == "call":
            raise TransportLost("lost on the way there")
        reply = await self.desk.apply(client_id, commands)
        if loss == "answer":
            raise TransportLost("lost on the way back")
        if loss == "late":  # carried out, said again, and carried out once more
            await self.desk.apply(client_id, commands)
        return reply

    async def news(self, client_id: str, boot: str, alerts_after: int | None, wait_s: float) -> News:
        loss = self._loss()
        if loss == "call":
            raise TransportLost("lost on the way there")
        news = await self.desk.news(client_id, boot, alerts_after, min(wait_s, 0.01))
        if loss == "answer":
            raise TransportLost("lost on the way back")
        return news

    async def standing(self, account_ids: Sequence[str] | None) -> Standing:
        return await self.desk.standing(account_ids)

    def _loss(self) -> str:
        self.calls += 1
        return self._lose(self.calls)


@pytest.mark.parametrize("loss", ["call", "answer", "late"])
@pytest.mark.parametrize("every", [2, 3])
def test_lost_calls_and_answers_are_said_again_and_count_once(loss: str, every: int) -> None:
    """Every second or third call is lost; nothing is held or spent twice, and everybody is served."""

    async def scene() -> AccountStanding:
        transport = Relay(Desk(None), lambda n: loss if n % every == 0 else "")
        budget = Budget(transport)
        await budget.open("batch", limit=Limit(100))

        async def task(name: str) -> None:
            assert (await budget.reserve(name, "batch", TEN)).held
            await budget.reconcile(name, Amount(4, 0))

        await asyncio.gather(*(task(f"t{n}") for n in range(20)))
        standing = await account(budget)
        await budget.aclose()
        return standing

    standing = asyncio.run(scene())

    assert (standing.spent.tokens, standing.held.tokens) == (80, 0)


def test_a_restarted_ledger_still_tells_those_who_wait(tmp_path: Path) -> None:
    """The new process has forgotten who asked; the client asks again under the same id and keeps its place."""

    async def scene() -> list[str]:
        transport = Relay(Desk(tmp_path))
        budget, other = Budget(transport), Budget(transport)
        await budget.open("batch", limit=Limit(15))
        await other.reserve("a", "batch", TEN)
        served: list[str] = []

        async def task(name: str) -> None:
            await budget.reserve(name, "batch", TEN)
            served.append(name)
            await budget.reconcile(name, Amount(0, 0))

        waiting = [asyncio.ensure_future(task(f"t{n}")) for n in range(3)]
        await asyncio.sleep(0.05)
        await transport.desk.close()
        transport.desk = Desk(tmp_path)
        await other.reconcile("a", Amount(0, 0))
        await asyncio.wait_for(asyncio.gather(*waiting), 10)
        for one in (budget, other):
            await one.aclose()
        await transport.desk.close()
        return served

    assert asyncio.run(scene()) == ["t0", "t1", "t2"]


def test_a_budget_that_never_answers_is_given_up() -> None:
    """With an error that says so, for everybody who waits for it."""

    async def scene() -> list[BaseException | Answer]:
        budget = Budget(Relay(Desk(None), lambda _: "call"), give_up_s=0.1)
        calls = [budget.open("batch"), budget.reserve("a", "batch", TEN), budget.reconcile("a", TEN)]
        return await asyncio.gather(*calls, return_exceptions=True)

    assert [type(answer) for answer in asyncio.run(scene())] == [BudgetUnreachableError] * 3


def test_alerts_come_once_each_to_who_opened_the_account() -> None:
    """Also those of the accounts above it; not those of other people's accounts."""

    async def scene() -> tuple[list[Alert], list[Alert]]:
        desk = Desk(None)
        driver, host, stranger = Budget(desk), Budget(desk), Budget(desk)
        mine: list[Alert] = []
        theirs: list[Alert] = []
        driver.on_alert(mine.append)
        stranger.on_alert(theirs.append)
        await driver.open("batch", limit=Limit(100))
        await driver.open("run", parent="batch", alert_percents=(10,), limit=Limit(100))
        await stranger.open("elsewhere", limit=Limit(100))
        for n, tokens in enumerate((40, 20, 40)):
            await host.reserve(f"t{n}", "run", Amount(tokens, 0))
            await host.reconcile(f"t{n}", Amount(tokens, 0))
        await asyncio.sleep(0.05)
        for one in (driver, host, stranger):
            await one.aclose()
        return mine, theirs

    mine, theirs = asyncio.run(scene())

    assert [(alert.account_id, alert.percent, alert.spent) for alert in mine] == [
        ("run", 10, 40),
        ("batch", 50, 60),
        ("batch", 80, 100),
        ("batch", 95, 100),
    ]
    assert theirs == []


def test_a_callback_that_fails_stops_neither_alerts_nor_turns() -> None:
    """It is somebody else's mistake, and is logged."""

    async def scene() -> tuple[int, bool]:
        seen: list[Alert] = []

        def alerted(alert: Alert) -> None:
            seen.append(alert)
            raise ValueError("the callback is broken")

        async with local_budget(None) as budget:
            budget.on_alert(alerted)
            await budget.open("batch", limit=Limit(100))
            await budget.reserve("a", "batch", Amount(90, 0))
            waiting = asyncio.ensure_future(budget.reserve("b", "batch", Amount(20, 0)))
            await turn_of_the_loop()
            await budget.reconcile("a", Amount(80, 0))
            answer = await waiting
            await asyncio.sleep(0.05)
            return len(seen), answer.held

    assert asyncio.run(scene()) == (2, True)


def test_many_accounts_are_opened_together_and_those_that_were_not_are_left_out() -> None:
    """A closed one and one under other terms need a look of their own; the others are open."""

    async def scene() -> tuple[Sequence[str], list[bool], Sequence[str]]:
        async with batch_of(100) as budget:
            await budget.open("shut", parent="batch", alert_percents=())
            await budget.close("shut")
            await budget.open("other", parent="batch", limit=Limit(5), alert_percents=())
            limits = {name: Limit(20) for name in ("a", "shut", "other", "b")}
            opened = await budget.open_all(limits, parent="batch")
            held = [(await budget.reserve(name, name, TEN)).held for name in opened]
            return opened, held, await budget.open_all({}, parent="batch")

    assert asyncio.run(scene()) == (["a", "b"], [True, True], [])


def test_the_callers_mistakes_are_errors() -> None:
    """Accounts that do not exist or have other terms, and costs that nobody knows under a dollar ceiling."""

    async def scene() -> None:
        async with local_budget(None) as budget:
            with pytest.raises(UnknownAccountError, match="'nobody', the parent of 'run'"):
                await budget.open("run", parent="nobody")
            with pytest.raises(UnknownAccountError, match="'nobody' was never opened"):
                await budget.reserve("a", "nobody", TEN)
            await budget.open("batch", limit=Limit(None, 100))
            with pytest.raises(AccountConflictError, match="set its limit instead"):
                await budget.open("batch", limit=Limit(None, 101))
            with pytest.raises(UnknownCostError, match="'a' has no known cost"):
                await budget.reserve("a", "batch", Amount(10, None))
            await budget.close("batch")
            with pytest.raises(AccountConflictError, match="closed"):
                await budget.open("batch", limit=Limit(None, 100))
            assert (await budget.reserve("b", "batch", TEN)).verdict is Verdict.CLOSED

    asyncio.run(scene())


def test_a_ledger_is_resumed_from_its_folder(tmp_path: Path) -> None:
    """What the last process left held is charged when its successor says so; the spend goes on where it was."""

    async def first() -> None:
        async with batch_of(100, tmp_path) as budget:
            await budget.reserve("a", "batch", TEN, owner="host-1")
            await budget.reconcile("a", Amount(4, 0))
            await budget.reserve("b", "batch", TEN, owner="host-1")

    async def second() -> tuple[Answer, AccountStanding]:
        async with batch_of(100, tmp_path) as budget:
            return await budget.expire(account_id="batch"), await account(budget)

    asyncio.run(first())
    answer, standing = asyncio.run(second())

    assert (answer.charged, answer.expired_ids) == (Amount(10, 10), ("b",))
    assert (standing.spent.tokens, standing.held.tokens, standing.unseen.tokens) == (14, 0, 10)


def test_two_processes_cannot_keep_one_ledger(tmp_path: Path) -> None:
    """The second is told which folder is in use. (Here it is the same process, with its own descriptor.)"""
    desk = Desk(tmp_path)

    with pytest.raises(JournalError, match="in use by another process"):
        Desk(tmp_path, lock_wait_s=0.0)

    asyncio.run(desk.close())


def test_a_period_renews_the_ceiling_and_lets_in_who_waits() -> None:
    """By the clock, in UTC, without anybody's command."""

    async def scene() -> tuple[bool, AccountStanding]:
        now_s = 1_796_083_199.0  # a second before midnight
        desk = Desk(None, period="day", clock=lambda: now_s)
        budget = Budget(desk)
        await budget.open("shared", limit=Limit(100))
        await budget.reserve("a", "shared", Amount(60, 0))
        await budget.reconcile("a", Amount(60, 0))
        await budget.reserve("b", "shared", Amount(30, 0))
        waiting = asyncio.ensure_future(budget.reserve("c", "shared", Amount(40, 0)))
        await turn_of_the_loop()
        await desk.tick()
        was_done = waiting.done()
        now_s += 1
        await desk.tick()
        await waiting
        standing = await account(budget, "shared")
        await budget.aclose()
        return was_done, standing

    was_done, standing = asyncio.run(scene())

    assert not was_done
    assert (standing.period, standing.earlier.tokens, standing.held.tokens) == ("2026-12-01", 60, 70)


def test_a_shared_ledger_charges_users_that_have_gone() -> None:
    """A job that was killed holds nothing for ever; one that only waits stays in line."""

    async def scene() -> dict[str, tuple[int, int]]:
        now_s = 0.0
        desk = Desk(None, lease_s=300.0, clock=lambda: now_s)
        gone, alive = Budget(desk), Budget(desk)
        await gone.open("shared")
        await gone.open("batch-1", parent="shared")
        await alive.open("batch-2", parent="shared")
        await gone.reserve("a", "batch-1", TEN)
        await alive.reserve("b", "batch-2", TEN)
        now_s = 200.0
        await alive.standing()
        await alive.reserve("c", "batch-2", TEN)
        now_s = 400.0
        await desk.tick()
        found = await desk.standing(["batch-1", "batch-2"])
        for one in (gone, alive):
            await one.aclose()
        return {one.account_id: (one.unseen.tokens, one.held.tokens) for one in found.accounts}

    assert asyncio.run(scene()) == {"batch-1": (10, 0), "batch-2": (0, 20)}
