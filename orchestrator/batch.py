"""One batch from its runs to its outcomes, in the place that the settings say: this process, or Ray."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from actors.assembly import HostSpec, ModelFactory
from actors.hosting import patient_gc
from actors.runner import Rules
from actors.specialists.base import Specialist
from budget import AccountStanding, Alert, Budget, Limit, Price, local_budget
from orchestrator.driver import Driver, FinishedRun, Fleet, Tally
from orchestrator.local import LocalFleet
from orchestrator.runs import Run
from orchestrator.settings import Settings
from orchestrator.store import RunDirectory
from orchestrator.telemetry import Telemetry

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What is to be done: who may do it, by which model, under which limits."""

    id: str
    specialists: Sequence[Specialist]
    model: ModelFactory
    settings: Settings
    price: Price | None = None
    telemetry: Telemetry | None = None
    grants: frozenset[str] = frozenset()

    def host_specs(self) -> list[HostSpec]:
        """One spec for each host, with the sessions that the settings allow dealt out among them."""
        hosts = [s for s in self.specialists for _ in range(self.settings.hosts_per_agent)]
        rules = Rules(
            batch=self.id, on_exhausted=self.settings.on_exhausted, grants=self.grants, spans=self.settings.spans
        )
        return [
            HostSpec(
                id=specialist.name,
                specialist=specialist,
                model=self.model,
                model_name=self.settings.model,
                price=self.price,
                rules=rules,
                sessions_max=min(sessions, specialist.resources.sessions_max),
            )
            for specialist, sessions in zip(hosts, _deal(self.settings.sessions_max, len(hosts)), strict=True)
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """What a batch came to. `stopped` says why it ended early, when it did; `standing` is the batch's account."""

    tally: Tally
    standing: AccountStanding
    stopped: str = ""
    interrupted: bool = False


@dataclass(slots=True)
class _Signals:
    """SIGINT and SIGTERM end the batch in good order; a second one ends the process."""

    driver: Driver
    caught: str = ""

    def __enter__(self) -> _Signals:
        if threading.current_thread() is threading.main_thread():  # others may not handle signals
            for number in SIGNALS:
                asyncio.get_running_loop().add_signal_handler(number, self._caught, number)
        return self

    def __exit__(self, *_: object) -> None:
        for number in SIGNALS:
            asyncio.get_running_loop().remove_signal_handler(number)

    def _caught(self, number: int) -> None:
        self.caught = signal.Signals(number).name
        self.driver.stop(f"interrupted by {self.caught}")
        asyncio.get_running_loop().remove_signal_handler(number)


async def run_batch(
    batch: Batch,
    runs: Iterator[Run],
    directory: RunDirectory,
    *,
    finished: FinishedRun,
    progress: Callable[[Tally], None] = lambda _: None,
    alerted: Callable[[Alert], None] = lambda _: None,
) -> Ending:
    """Run a batch to its end. `finished` is called with each run as it ends, before this returns."""
    async with _place(batch, directory) as (fleet, budget):
        budget.on_alert(alerted)
        await budget.open(
            batch.id,
            parent=batch.settings.shared_budget or None,
            limit=Limit(batch.settings.tokens_max, batch.settings.microusd_max),
            alert_percents=batch.settings.alert_percents,
        )
        driver = Driver(
            fleet=fleet,
            budget=budget,
            directory=directory,
            settings=batch.settings,
            account=batch.id,
            finished=finished,
            progress=progress,
            telemetry=batch.telemetry or Telemetry(batch.id),
        )
        with _Signals(driver) as signals:
            tally = await driver.run(runs, batch.host_specs())
        standing = (await budget.standing(batch.id)).of(batch.id)
        assert standing is not None, "the batch's account is open as long as the batch"
        return Ending(tally=tally, standing=standing, stopped=driver.stopped, interrupted=bool(signals.caught))


@asynccontextmanager
async def _place(batch: Batch, directory: RunDirectory) -> AsyncIterator[tuple[Fleet, Budget]]:
    async with AsyncExitStack() as stack:
        stack.enter_context(patient_gc())
        if batch.settings.mode == "local":
            budget = await stack.enter_async_context(local_budget(directory.ledger, durable=batch.settings.durable))
            fleet: Fleet = LocalFleet(budget)
        else:
            from orchestrator.fleet import ray_place  # Ray takes a second to import: only where it is used

            fleet, budget = await stack.enter_async_context(ray_place(batch.settings, directory.ledger))
        stack.push_async_callback(fleet.close)
        yield fleet, budget


def _deal(sessions: int, hosts: int) -> list[int]:
    """`sessions` dealt out to `hosts` as evenly as whole numbers allow, at least one each."""
    return [max(1, sessions // hosts + (n < sessions % hosts)) for n in range(hosts)]
