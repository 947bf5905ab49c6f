"""The budget actor: what only a cluster can break."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
import ray

from budget import AccountStanding, Alert, Amount, Answer, Budget, Limit, Verdict
from budget.actor import connect, set_limit, shared_budget, show, start_budget
from budget.client import LISTEN_S
from budget.errors import BudgetUnreachableError, JournalError, UnknownAccountError
from budget.journal import framed
from support.gates import COST, Callers, NaiveGate, OurCallers, RemoteGate
from support.small_ray import kill_holder, small_ray

LIMIT = 10 * COST
T = TypeVar("T")


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[None]:
    with small_ray():
        yield


def with_budget(folder: Path, scene: Callable[[Budget, Any], Awaitable[T]]) -> T:
    """Play a scene with a client of a new budget actor, and end the actor."""

    async def play() -> T:
        actor = start_budget(folder)
        budget = connect(actor)
        try:
            return await scene(budget, actor)
        finally:
            await budget.aclose()
            ray.kill(actor)

    return asyncio.run(play())


async def account(budget: Budget, name: str = "batch") -> AccountStanding:
    found = (await budget.standing(name)).of(name)
    assert found is not None
    return found


async def calls_made(crowd: list[Any], callers: int) -> int:
    shares = [callers // len(crowd)] * len(crowd)
    return sum(await asyncio.gather(*(one.call_all.remote(share) for one, share in zip(crowd, shares, strict=True))))


@pytest.mark.parametrize("callers", [8, 64, 512])
def test_no_crowd_of_callers_passes_the_ceiling(tmp_path: Path, callers: int) -> None:
    """Ten calls are allowed; 8, 64 and 512 callers in two processes ask at once."""

    async def scene(budget: Budget, actor: Any) -> tuple[int, AccountStanding]:
        await budget.open("batch", limit=Limit(LIMIT))
        crowd = [ray.remote(num_cpus=0)(OurCallers).remote(name, actor, "batch") for name in ("a", "b")]
        made = await calls_made(crowd, callers)
        return made, await account(budget)

    made, standing = with_budget(tmp_path, scene)

    assert made == min(callers, 10)
    assert standing.spent == Amount(made * COST, 0)


@pytest.mark.parametrize("callers", [64, 512])
def test_the_same_crowd_passes_a_gate_that_checks_first(callers: int) -> None:
    """So the test above can fail: the naive gate, as an actor, lets several times the limit through."""

    async def scene() -> int:
        gate = ray.remote(num_cpus=0)(NaiveGate).remote(LIMIT)
        crowd = [ray.remote(num_cpus=0)(Callers).remote(name, RemoteGate(gate)) for name in ("a", "b")]
        return await calls_made(crowd, callers)

    assert asyncio.run(scene()) > 10


def test_a_killed_actor_comes_back_with_every_hold(tmp_path: Path) -> None:
    """kill -9 between reserve and reconcile; who waits is told its turn by the next process."""

    async def scene(budget: Budget, _: Any) -> tuple[bool, Answer, AccountStanding]:
        await budget.open("batch", limit=Limit(100))
        await budget.reserve("a", "batch", Amount(80, 0))
        waiting = asyncio.ensure_future(budget.reserve("b", "batch", Amount(80, 0)))
        await asyncio.sleep(0.2)
        await asyncio.to_thread(kill_holder, tmp_path / "lock")
        await budget.reconcile("a", Amount(20, 0))
        answer = await asyncio.wait_for(waiting, 60)
        again = await budget.reserve("a", "batch", Amount(80, 0))
        return answer.held, again, await account(budget)

    held, again, standing = with_budget(tmp_path, scene)

    assert held
    assert (again.verdict, again.repeated) == (Verdict.RECONCILED, True)
    assert (standing.spent.tokens, standing.held.tokens) == (20, 80)


def test_commands_under_way_while_the_actor_is_killed_count_once(tmp_path: Path) -> None:
    """Hundreds at once, three kills; the client says lost ones again under the same ids."""

    async def scene(budget: Budget, _: Any) -> AccountStanding:
        await budget.open("batch")

        async def subagent(n: int) -> None:
            await asyncio.sleep(n / 100)
            assert (await budget.reserve(f"t{n}", "batch", Amount(10, 0))).held
            await budget.reconcile(f"t{n}", Amount(4, 0))

        crowd = [asyncio.ensure_future(subagent(n)) for n in range(300)]
        for _ in range(3):
            await asyncio.sleep(0.5)
            await asyncio.to_thread(kill_holder, tmp_path / "lock")
        await asyncio.gather(*crowd)
        return await account(budget)

    standing = with_budget(tmp_path, scene)

    assert (standing.spent.tokens, standing.held.tokens) == (1200, 0)


def test_the_next_job_goes_on_where_the_last_one_was(tmp_path: Path) -> None:
    """The actor ends with its driver, the ledger does not; what was left held is charged when the next job says so."""

    async def first(budget: Budget, _: Any) -> None:
        await budget.open("batch", limit=Limit(100))
        await budget.reserve("a", "batch", Amount(30, 0), owner="host-1")

    async def second(budget: Budget, _: Any) -> Answer:
        await budget.open("batch", limit=Limit(100))
        return await budget.expire(account_id="batch")

    with_budget(tmp_path, first)
    answer = with_budget(tmp_path, second)

    assert answer.charged == Amount(30, 0)


def test_a_ledger_that_cannot_be_opened_says_why(tmp_path: Path) -> None:
    """To whoever calls, at once, as the error that it is."""
    (tmp_path / "journal-000000.log").write_bytes(b"00000000 1 []\n" + framed(b'[["close","x"]]', 1))

    async def scene(budget: Budget, _: Any) -> None:
        await budget.open("batch")

    with pytest.raises(JournalError, match="damaged at byte 0"):
        with_budget(tmp_path, scene)


def test_an_actor_that_is_gone_for_good_is_an_error(tmp_path: Path) -> None:
    """Not a wait without end."""

    async def scene(budget: Budget, actor: Any) -> None:
        await budget.open("batch")
        ray.kill(actor)
        await asyncio.wait_for(budget.reserve("a", "batch", Amount(1, 0)), 60)

    with pytest.raises(BudgetUnreachableError):
        with_budget(tmp_path, scene)


def test_an_alert_is_pushed_not_polled_for(tmp_path: Path) -> None:
    """From a bill that a host reports to the driver's callback in another process."""

    async def scene(budget: Budget, actor: Any) -> tuple[list[Alert], float]:
        seen: list[tuple[Alert, float]] = []
        budget.on_alert(lambda alert: seen.append((alert, time.monotonic())))
        await budget.open("batch", limit=Limit(100))
        host = connect(actor)
        await host.reserve("a", "batch", Amount(90, 0))
        await host.reconcile("a", Amount(60, 0))
        crossed_at_s = time.monotonic()
        while not seen and time.monotonic() < crossed_at_s + 30:
            await asyncio.sleep(0.01)
        await host.aclose()
        return [alert for alert, _ in seen], seen[0][1] - crossed_at_s

    alerts, delay_s = with_budget(tmp_path, scene)

    assert [(alert.account_id, alert.percent) for alert in alerts] == [("batch", 50)]
    assert delay_s < LISTEN_S / 4


def test_a_shared_budget_outlives_its_jobs_and_is_shown_and_set(tmp_path: Path) -> None:
    """Two jobs draw on one ceiling under a name; whoever comes second finds it as it is."""

    async def scene() -> tuple[AccountStanding | None, Answer, AccountStanding | None]:
        first = await shared_budget("team", tmp_path, limit=Limit(100))
        job = connect(first)
        await job.open("job-1", parent="team")
        await job.reserve("a", "job-1", Amount(70, 0))
        await job.reconcile("a", Amount(70, 0))
        await job.aclose()
        second = await shared_budget("team", tmp_path / "ignored", limit=Limit(5))
        job = connect(second)
        await job.open("job-2", parent="team")
        refused = await job.reserve("b", "job-2", Amount(40, 0))
        shown = (await show("team")).of("team")
        after = (await set_limit("team", Limit(200))).of("team")
        await job.aclose()
        ray.kill(second)
        return shown, refused, after

    shown, refused, after = asyncio.run(scene())

    assert shown is not None
    assert (shown.limit, shown.spent) == (Limit(100), Amount(70, 0))
    assert refused.verdict is Verdict.NEVER
    assert [no.account_id for no in refused.refusals] == ["team"]
    assert after is not None
    assert after.limit == Limit(200)


def test_a_shared_budget_that_does_not_exist_is_said() -> None:
    """By name."""
    with pytest.raises(UnknownAccountError, match="no shared budget 'nobody'"):
        asyncio.run(show("nobody"))
