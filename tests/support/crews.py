"""Drivers of a shared batch in this process, that die when a test says so, and small work for them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from actors import ModelReply, ModelRequest, Specialist
from actors.models.scripted import Script, ScriptedModel, says
from budget import Budget, Limit
from budget.desk import Desk
from orchestrator.batch import Batch
from orchestrator.drivers import DriverLost, Drivers
from orchestrator.known_outcomes import Again
from orchestrator.local import LocalFleet
from orchestrator.patterns import FanOut
from orchestrator.runs import Run, State
from orchestrator.settings import Settings
from orchestrator.shard_driver import Assignment, ShardDriver
from orchestrator.shards import Gathered, News, Shard
from orchestrator.store import RunDirectory
from orchestrator.telemetry import Telemetry

TOKENS_MAX = 50_000  # that a task holds


class Count(BaseModel):
    words: int


COUNTER = Specialist(name="counter", purpose="Counts.", prompt="Count.", output=Count)


@dataclass(frozen=True)
class CountingWork:
    """Runs of two tasks each. A record holds what the tasks came to."""

    runs_total: int

    def runs(self, shard: Shard) -> Iterator[Run]:
        return (Run(id=f"run-{n:03d}", pattern=_pattern(n)) for n in shard.pick(range(self.runs_total)))

    def record(self, run: Run, state: State) -> dict[str, str]:
        assert run.id
        return {task_id: type(outcome).__name__ for task_id, outcome in sorted(state.outcomes.items())}


def _pattern(n: int) -> FanOut:
    run_id = f"run-{n:03d}"
    return FanOut(tuple(COUNTER.task(f"{run_id}/{x}", f"{run_id}/{x}", run_id=run_id) for x in "ab"))


@dataclass
class LocalHand:
    """A driver in this process. One that is lost may go on for a while, as true ones do."""

    driver: ShardDriver
    lost: Callable[[Assignment], bool]

    async def news(self, told: int, wait_s: float) -> News:
        news = await self.driver.news(told, min(wait_s, 0.01))
        if self.lost(self.driver.given):
            raise DriverLost("its machine is out of reach")
        return news

    def stop(self, why: str) -> None:
        self.driver.stop(why)

    def kill(self) -> None:
        pass


@dataclass
class LocalCrew:
    """Drivers that share a desk. `lost` is asked whenever one has said something."""

    desk: Desk
    lost: Callable[[Assignment], bool] = lambda _: False
    started: list[Assignment] = field(default_factory=list)
    drivers: list[ShardDriver] = field(default_factory=list)

    def start(self, given: Assignment) -> LocalHand:
        budget = Budget(self.desk)
        driver = ShardDriver(given, LocalFleet(budget), budget, Telemetry("batch"))
        driver.begin()
        self.started.append(given)
        self.drivers.append(driver)
        return LocalHand(driver, self.lost)


@dataclass
class SharedBatch:
    """A batch that is shared in this process. `asked` lists what the model was asked, in order."""

    drivers: Drivers
    crew: LocalCrew
    budget: Budget
    directory: RunDirectory
    gathered: Gathered
    asked: list[str]


@asynccontextmanager
async def shared_batch(
    folder: Path,
    *,
    drivers: int,
    runs_total: int = 12,
    reply: Script = lambda _: says('{"words": 1}'),
    lost: Callable[[Assignment], bool] = lambda _: False,
    again: Again | None = None,
    tokens_max: int | None = None,
    work: CountingWork | None = None,
    **settings: Any,
) -> AsyncIterator[SharedBatch]:
    """In a new folder, or in one that an earlier batch has left."""
    asked: list[str] = []

    def model(request: ModelRequest) -> ModelReply | Awaitable[ModelReply]:
        asked.append(request.messages[0].blocks[0].text)  # type: ignore[union-attr]
        return reply(request)

    began = (folder / "manifest.json").exists()
    directory = RunDirectory.reopen(folder) if began else RunDirectory.create(folder, manifest={"run_id": "batch"})
    desk = Desk(folder / "ledger")
    budget, gathered, crew = Budget(desk), Gathered(), LocalCrew(desk, lost)
    batch = Batch(
        id="batch",
        specialists=[COUNTER],
        model=lambda _: ScriptedModel(model),
        settings=Settings(mode="embedded", model="scripted", drivers=drivers, sessions_max=4, **settings),
    )
    await budget.open("batch", limit=Limit(tokens_max))
    made = Drivers(
        batch, work or CountingWork(runs_total), runs_total, folder, directory, crew, budget, gathered, again=again
    )
    try:
        yield SharedBatch(made, crew, budget, directory, gathered, asked)
    finally:
        for driver in crew.drivers:
            driver.stop("the test is over")
        await asyncio.gather(*(driver._work for driver in crew.drivers), return_exceptions=True)
        for driver in crew.drivers:
            await driver.budget.aclose()
        await budget.aclose()
        await desk.close()
        directory.close()


def statuses(directory: RunDirectory) -> Sequence[tuple[str, str]]:
    """Task and status of each outcome that counts."""
    rows = directory.effective()
    return sorted(zip(rows.column("task_id").to_pylist(), rows.column("status").to_pylist(), strict=True))
