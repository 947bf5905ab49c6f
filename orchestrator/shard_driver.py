"""One driver of several at its shard, in whatever process this is: what it is given, and what it says of it."""

from __future__ import annotations

import asyncio
from collections.abc import Container, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from budget import Budget
from orchestrator.batch import Batch
from orchestrator.driver import Driver
from orchestrator.fleets import Fleet
from orchestrator.known_outcomes import Again, Known, interrupted
from orchestrator.model_use import ModelUse
from orchestrator.past_holds import charge_the_dead
from orchestrator.runs import Run, State
from orchestrator.shards import News, Shard, Work
from orchestrator.store import RunDirectory
from orchestrator.tally import Tally
from orchestrator.telemetry import Telemetry

RECORDS_MAX = 4096  # told at once: some 10 MB


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """All that a driver needs to know, as a value that pickles.

    `batch` has the limits and the account of this driver, and `number` is that of its account and its segments. `again`
    is None in a batch without a past, and is asked of attempts up to `begun`, the last one that there was before the
    batch was gone on with. `dead` are the accounts of drivers before it, whose shard it takes over.
    """

    batch: Batch
    number: int
    shard: Shard
    work: Work
    run_dir: Path | str
    again: Again | None = None
    begun: int = 0
    dead: tuple[str, ...] = ()

    @property
    def has_past(self) -> bool:
        return self.again is not None or bool(self.dead)


@dataclass(slots=True)
class ShardDriver:
    """Works on its shard from `begin` on. Ask for `news` until they say that it has ended."""

    given: Assignment
    fleet: Fleet
    budget: Budget
    telemetry: Telemetry
    _records: list[tuple[str, Any]] = field(default_factory=list)  # that nobody was told of for sure
    _told: int = 0  # records before those
    _use: ModelUse = field(default_factory=ModelUse)
    _driver: Driver | None = None
    _stopped: str = ""
    _work: asyncio.Task[None] = field(init=False)

    def begin(self) -> None:
        self._work = asyncio.get_running_loop().create_task(self._run())

    def stop(self, why: str) -> None:
        """End in good order: what is there is kept and told."""
        self._stopped = self._stopped or why
        if self._driver is not None:
            self._driver.stop(why)

    async def news(self, told: int, wait_s: float) -> News:
        """What came since the first `told` records, after `wait_s` or at the end. Raises what the driver died of."""
        await asyncio.wait([self._work], timeout=wait_s)
        if self._work.done():
            self._work.result()
        del self._records[: told - self._told]
        self._told = told
        driver = self._driver
        return News(
            records=self._records[:RECORDS_MAX],
            tally=driver.tally if driver else Tally(),
            shown=driver.shown if driver else Tally(),
            use=self._use,
            stopped=driver.stopped if driver else self._stopped,
            broken=driver is not None and bool(driver.broken),
            ended=self._work.done() and len(self._records) <= RECORDS_MAX,
        )

    async def _run(self) -> None:
        given = self.given
        directory = RunDirectory.beside(given.run_dir, number=given.number, durable=given.batch.settings.durable)
        known, runs = await asyncio.to_thread(self._prepared, directory)
        for account in given.dead:
            await charge_the_dead(self.budget, account, known)
        self._driver = Driver(
            fleet=self.fleet,
            budget=self.budget,
            directory=directory,
            settings=given.batch.settings,
            account=given.batch.account,
            finished=self._finished,
            telemetry=self.telemetry,
            known=known,
            resumed=given.has_past,
        )
        if self._stopped:
            self._driver.stop(self._stopped)
        try:
            await self._driver.run(runs, given.batch.host_specs(given.batch.specialists))
        finally:
            await self.fleet.close()
            await asyncio.to_thread(self.telemetry.close)

    def _prepared(self, directory: RunDirectory) -> tuple[Known, Iterator[Run]]:
        """What is known of the shard's runs, and the runs. Reading both may take a while."""
        work, shard = self.given.work, self.given.shard
        if not self.given.has_past:
            return Known(), work.runs(shard)
        directory.files.settle("outcomes")
        own = {run.id for run in work.runs(shard)}
        known = Known.of(directory.outcomes(), self.given.again or interrupted, runs=own)
        known.again_until = self.given.begun
        known.begun = max(self.given.begun, last_attempt(directory, own))
        return known, work.runs(shard)

    def _finished(self, run: Run, state: State) -> None:
        self._use.add(state.outcomes.values())
        self._records.append((run.id, self.given.work.record(run, state)))


def last_attempt(directory: RunDirectory, runs: Container[str] | None = None) -> int:
    """The highest number of an attempt that was begun at a task of these runs, or of all."""
    last = 0
    for tasks in directory.tasks():
        attempts = zip(tasks.column("run_id").to_pylist(), tasks.column("attempt").to_pylist(), strict=True)
        last = max([last, *(attempt for run_id, attempt in attempts if runs is None or run_id in runs)])
    return last
