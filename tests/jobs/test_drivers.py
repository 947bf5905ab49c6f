"""Several drivers at one batch, in this process: one answer comes out, whoever dies, stops or takes over."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from actors import ModelReply, ModelRequest
from actors.accounts import hold_id
from actors.models.scripted import says
from budget import Amount
from budget.errors import ManifestError, SettingsError
from orchestrator import Settings, dispatch
from orchestrator.known_outcomes import failed, interrupted
from orchestrator.runs import Run
from orchestrator.shard_driver import Assignment
from orchestrator.shards import DEATHS_MAX, Shard
from orchestrator.store import RunDirectory
from support.crews import COUNTER, TOKENS_MAX, CountingWork, SharedBatch, shared_batch, statuses

RUNS = 12
WHOLE = {f"run-{n:03d}": {f"run-{n:03d}/a": "Result", f"run-{n:03d}/b": "Result"} for n in range(RUNS)}
ALL_OK = sorted((task_id, "ok") for record in WHOLE.values() for task_id in record)


def run(main: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(main, 60.0))


def hangs_on(*words: str) -> Callable[[ModelRequest], ModelReply]:
    """An answer for every task but these, which say nothing useful and fail."""
    return lambda request: says("?" if any(word in str(request.messages[0]) for word in words) else '{"words": 1}')


@pytest.mark.parametrize("drivers", [2, 3])
def test_drivers_together_come_to_what_one_would(drivers: int, tmp_path: Path) -> None:
    """Every run has its record, every task one outcome, and the account above all of them the whole bill."""

    async def main() -> None:
        async with shared_batch(tmp_path, drivers=drivers) as shared:
            await shared.drivers.run()
            standing = await shared.budget.standing()

            assert shared.gathered.records == WHOLE
            assert shared.gathered.tally.statuses == {"ok": 2 * RUNS}
            assert shared.gathered.tally.runs_finished == RUNS
            assert statuses(shared.directory) == ALL_OK
            assert len(shared.asked) == 2 * RUNS
            assert {given.shard.number for given in shared.crew.started} == set(range(drivers))
            assert [account.account_id for account in standing.accounts] == ["batch"]
            assert standing.accounts[0].spent.tokens == shared.gathered.tally.spent_tokens

    run(main())


def test_what_drivers_have_written_is_compacted_to_one_row_per_task(tmp_path: Path) -> None:
    """In the one directory, where one driver's would lie."""

    async def main() -> None:
        async with shared_batch(tmp_path, drivers=3) as shared:
            await shared.drivers.run()
            shared.directory.compact()

            assert statuses(shared.directory) == ALL_OK
            assert [path.suffix for path in (tmp_path / "outcomes").iterdir()] == [".parquet"]

    run(main())


def test_a_driver_that_is_lost_is_replaced_and_its_shard_comes_to_what_it_would_have(tmp_path: Path) -> None:
    """Also while the lost one, which nobody can reach, goes on for a while: it can hold no money any more."""
    noticed, answers = asyncio.Event(), Counter[str]()

    async def reply(_: ModelRequest) -> ModelReply:
        answers["begun"] += 1
        if answers["begun"] > RUNS // 2:  # nobody is done before the loss is noticed
            await noticed.wait()
        return says('{"words": 1}')

    def lost(given: Assignment) -> bool:
        if given.shard.number == 1 and not given.dead and answers["begun"] > RUNS // 2:
            noticed.set()
            return True
        return False

    async def main() -> None:
        async with shared_batch(tmp_path, drivers=2, reply=reply, lost=lost) as shared:
            await shared.drivers.run()
            first = next(given for given in shared.crew.started if given.shard.number == 1)
            second = shared.crew.started[-1]

            assert shared.gathered.records == WHOLE
            assert shared.gathered.tally.statuses == {"ok": 2 * RUNS}
            assert statuses(shared.directory) == ALL_OK
            assert sorted(given.shard.number for given in shared.crew.started) == [0, 1, 1]
            assert second.dead == (first.batch.account,)
            assert second.number > first.number

    run(main())


def test_what_a_lost_driver_had_held_is_charged_in_full_and_counts_against_the_batch(tmp_path: Path) -> None:
    """Nobody can tell what of it was billed. The driver beside it keeps its holds, and its answers."""
    at_work: set[str] = set()  # accounts whose drivers are lost now
    noticed = asyncio.Event()  # until then no model answers, so that nobody is done before

    def lost(given: Assignment) -> bool:
        if given.batch.account in at_work:
            noticed.set()
        return given.batch.account in at_work

    async def answered(_: ModelRequest) -> ModelReply:
        await noticed.wait()
        return says('{"words": 1}')

    async def main() -> None:
        async with shared_batch(tmp_path, drivers=2, reply=answered, lost=lost) as shared:
            begun = asyncio.ensure_future(shared.drivers.run())
            account = await account_of(shared, 0)
            await shared.budget.reserve(hold_id(account, "run-000/z", 1), account, Amount(TOKENS_MAX, None))
            at_work.add(account)
            await begun
            standing = (await shared.budget.standing("batch")).of("batch")

            assert standing is not None
            assert standing.unseen.tokens % TOKENS_MAX == 0
            assert standing.unseen.tokens >= TOKENS_MAX
            assert standing.held.tokens == 0
            assert standing.spent.tokens >= shared.gathered.tally.spent_tokens + standing.unseen.tokens
            assert shared.gathered.records == WHOLE

    run(main())


async def account_of(shared: SharedBatch, shard: int) -> str:
    """The account of a shard's driver, once it is open."""
    while not any(given.shard.number == shard for given in shared.crew.started):
        await asyncio.sleep(0)
    return next(given.batch.account for given in shared.crew.started if given.shard.number == shard)


def test_a_shard_whose_drivers_all_die_is_given_up_and_its_gaps_are_named(tmp_path: Path) -> None:
    """The others go on; what its drivers had made durable counts all the same."""

    async def main() -> None:
        async with shared_batch(tmp_path, drivers=2, lost=lambda given: given.shard.number == 0) as shared:
            for_nobody = shared.crew.start
            shared.crew.start = lambda given: _unborn(for_nobody, given)  # type: ignore[method-assign]
            await shared.drivers.run()

            mine = {run_id for run_id, record in shared.gathered.records.items() if not record}
            assert set(shared.gathered.records) == set(WHOLE)
            assert len(mine) == RUNS // 2
            assert shared.gathered.tally.statuses == {"ok": RUNS, "cancelled": RUNS}
            assert shared.drivers.given_up == f"driver 1 of 2 died {DEATHS_MAX} times in a row"
            assert shared.drivers.stopped == ""
            assert Counter(given.shard.number for given in shared.crew.started) == {0: DEATHS_MAX, 1: 1}

    def _unborn(start: Callable[[Assignment], Any], given: Assignment) -> Any:
        hand = start(given)
        if given.shard.number == 0:
            hand.driver.stop("it dies before it has done anything")
        return hand

    run(main())


def test_a_batch_that_is_stopped_has_a_record_of_every_run(tmp_path: Path) -> None:
    """And no driver is started in place of one that dies then."""

    async def main() -> None:
        async with shared_batch(tmp_path, drivers=3, runs_total=RUNS) as shared:
            shared.drivers.stop("enough")
            await shared.drivers.run()

            assert set(shared.gathered.records) == set(WHOLE)
            assert shared.drivers.stopped == "enough"
            assert shared.crew.started == []

    run(main())


@pytest.mark.parametrize("drivers", [1, 2, 4])
def test_a_batch_goes_on_under_another_number_of_drivers(drivers: int, tmp_path: Path) -> None:
    """Whoever did a task before, its outcome stands; what was cancelled goes again, as another attempt."""

    async def main() -> None:
        async with shared_batch(tmp_path, drivers=3) as shared:
            stop = asyncio.ensure_future(shared.drivers.run())
            while len(shared.asked) < RUNS:
                await asyncio.sleep(0)
            shared.drivers.stop("interrupted")
            await stop
            before = dict(statuses(shared.directory))
        async with shared_batch(tmp_path, drivers=drivers, again=interrupted) as shared:
            await shared.drivers.run()

            answered = [task_id for task_id, status in before.items() if status == "ok"]
            assert shared.gathered.records == WHOLE
            assert statuses(shared.directory) == ALL_OK
            assert answered
            assert not {task_id for task_id in answered if any(task_id in said for said in shared.asked)}

    run(main())


def test_failures_go_again_when_they_are_asked_for(tmp_path: Path) -> None:
    """Each driver finds those of its own shard."""

    async def main() -> None:
        async with shared_batch(tmp_path, drivers=2, reply=hangs_on("run-003/a", "run-008/b")) as shared:
            await shared.drivers.run()
            assert shared.gathered.tally.statuses["ok"] == 2 * RUNS - 2
        async with shared_batch(tmp_path, drivers=2, again=failed()) as shared:
            await shared.drivers.run()

            assert shared.gathered.records == WHOLE
            assert len(shared.asked) == 2

    run(main())


def test_what_fails_again_is_not_tried_a_third_time_because_its_driver_is_lost(tmp_path: Path) -> None:
    """Failures of before go again once; those of now stand, whoever goes on with the shard."""
    hopeless, stays = "run-003/a", hangs_on("run-003/a")
    first: set[int] = set()

    def failed_again(given: Assignment) -> bool:
        rows = RunDirectory.look(tmp_path).effective().to_pylist()
        done = any(row["task_id"] == hopeless and row["attempt"] == 2 for row in rows)
        if done and not first and given.shard.has(3):
            first.add(given.number)
        return given.number in first

    async def main() -> None:
        async with shared_batch(tmp_path, drivers=2, reply=stays) as shared:
            await shared.drivers.run()
        async with shared_batch(tmp_path, drivers=2, reply=stays, again=failed(), lost=failed_again) as shared:
            await shared.drivers.run()
            attempts = [
                attempt
                for batch in shared.directory.outcomes()
                for task_id, attempt in zip(*(batch.column(n).to_pylist() for n in ("task_id", "attempt")), strict=True)
                if task_id == hopeless
            ]

            assert len(shared.crew.started) == 3
            assert attempts == [1, 2]

    run(main())


@dataclass(frozen=True)
class Unreadable(CountingWork):
    """Work whose input one driver cannot read."""

    def runs(self, shard: Shard) -> Iterator[Run]:
        if shard.number == 1:
            raise ManifestError("the manifest is another one here")
        return super().runs(shard)


def test_what_a_driver_fails_of_ends_the_batch_with_that_error(tmp_path: Path) -> None:
    """It is no death: another driver in its place would fail as well."""

    async def main() -> None:
        async with shared_batch(tmp_path, drivers=2, work=Unreadable(RUNS)) as shared:
            with pytest.raises(ManifestError, match="another one here"):
                await shared.drivers.run()

            assert len(shared.crew.started) == 2

    run(main())


def test_a_driver_that_can_keep_no_more_outcomes_ends_the_batch_in_good_order(tmp_path: Path) -> None:
    """Where one cannot write, the others will not be able to for long: make room, and resume."""

    async def main() -> None:
        async with shared_batch(tmp_path, drivers=2) as shared:
            (tmp_path / "outcomes").rename(tmp_path / "elsewhere")
            await shared.drivers.run()
            (tmp_path / "elsewhere").rename(tmp_path / "outcomes")

            assert shared.drivers.broken
            assert "cannot be used" in shared.drivers.stopped
            assert set(shared.gathered.records) == set(WHOLE)

    run(main())


def test_tasks_that_a_program_plans_have_one_driver() -> None:
    """What it makes them of need not travel, and nothing is spent before that is said."""
    with pytest.raises(SettingsError, match="drivers is 2, and tasks that a program plans have one driver"):
        dispatch([COUNTER.task("a", "a")], specialists=[COUNTER], settings=Settings(drivers=2))
