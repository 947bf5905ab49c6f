"""One batch from its runs to its outcomes, in the place that the settings say: this process, or Ray."""

from __future__ import annotations

import asyncio
import copy
import logging
import os
import signal
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeAlias

from actors.accounts import driver_account, is_driver_account
from actors.assembly import Assigned, HostSpec, ModelFactory
from actors.rules import Rules
from actors.specialists.base import Specialist
from actors.threads import Threads
from budget import AccountStanding, Alert, Budget, Limit, Price, local_budget, price_of
from budget.errors import SettingsError
from budget.patience import patient_gc
from orchestrator.blockade import guarded
from orchestrator.driver import Driver, FinishedRun
from orchestrator.fleets import Fleet
from orchestrator.known_outcomes import Earlier, Known
from orchestrator.local import LocalFleet
from orchestrator.past_holds import count_what_was_spent, settle_the_dead
from orchestrator.runs import Run
from orchestrator.settings import Settings
from orchestrator.store import RunDirectory
from orchestrator.tally import Tally
from orchestrator.telemetry import Telemetry

log = logging.getLogger("muster.batch")

SIGNALS = (signal.SIGINT, signal.SIGTERM)
INTERRUPTED = 130  # exit status, as of a shell's Ctrl-C


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What is to be done: who may do it, by which model, under which limits.

    `blocked` is called from a thread, with a sentence, when hosts share this process and one holds its event loop for
    good; it may end the process.
    """

    id: str
    specialists: Sequence[Specialist]
    model: ModelFactory
    settings: Settings
    leads: Sequence[Specialist] = ()  # those who work on the last run, when all others have finished
    price: Price | None = None
    assigned: Callable[[Specialist], Assigned] | None = None  # models by specialist; None: the settings' one at `price`
    telemetry: Telemetry | None = None
    grants: frozenset[str] = frozenset()
    blocked: Callable[[str], None] = log.error
    driver: int | None = None  # the number of the driver's account, where several share the batch
    drivers: int = 1  # so many share it

    @property
    def account(self) -> str:
        """Under which its runs spend."""
        return self.id if self.driver is None else driver_account(self.id, self.driver)

    def host_specs(self, specialists: Sequence[Specialist]) -> list[HostSpec]:
        """One spec for each host, with the sessions that the settings allow dealt out among them.

        Every specialist's first host comes before anybody's second: where there is no room for all, each has one.
        """
        hosts = [s for _ in range(self.settings.hosts_per_agent) for s in specialists]
        processes = 1 if self.settings.mode == "local" else len(hosts) * self.drivers
        rules = Rules(
            batch=self.id,
            account=self.account,
            on_exhausted=self.settings.on_exhausted,
            grants=self.grants,
            spans=self.settings.spans,
            traced=self.telemetry is not None and self.telemetry.traces,
            transcripts=self.settings.transcripts,
        )
        return [
            HostSpec(
                id=specialist.name,
                specialist=specialist,
                model=self.model,
                assigned=self._assigned(specialist),
                rules=rules,
                cache=self.settings.cache,
                sessions_max=min(sessions, specialist.resources.sessions_max),
                sharers=processes,
            )
            for specialist, sessions in zip(hosts, _deal(self.settings.sessions_max, len(hosts)), strict=True)
        ]

    def _assigned(self, specialist: Specialist) -> Assigned:
        if self.assigned is not None:
            return self.assigned(specialist)
        settings = self.settings
        return Assigned(
            model=settings.model,
            price=self.price,
            effort=specialist.effort,
            others={name: price_of(name) for name in settings.other_models},
            overseer=settings.overseer,
        )


# Where a batch runs and what it pays from, for as long as it is there.
Place: TypeAlias = "Callable[[Batch, RunDirectory], AbstractAsyncContextManager[tuple[Fleet, Budget]]]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """What a batch came to. `stopped` says why it ended early, when it did; `standing` is the batch's account.

    `broken`: outcomes or what they cost could be kept no longer, mostly because a disk was full.

    `tally` counts the runs without the last one, so that a quorum is one of what was asked.
    """

    tally: Tally
    standing: AccountStanding
    stopped: str = ""
    interrupted: bool = False
    broken: bool = False


@dataclass(slots=True, repr=False)  # the signal module writes a handler out to compare it
class Signals:
    """SIGINT and SIGTERM end the batch in good order; a second one ends the process at once.

    They are caught outside of the event loop, so that a second one also ends a process whose loop is blocked.
    """

    stop: Callable[[str], None]
    caught: str = ""
    _before: dict[int, Any] = field(default_factory=dict)
    _loop: asyncio.AbstractEventLoop = field(init=False)

    def __enter__(self) -> Signals:
        self._loop = asyncio.get_running_loop()
        if threading.current_thread() is threading.main_thread():  # others may not handle signals
            self._before = {number: signal.signal(number, self._caught) for number in SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            if not self.caught:  # what follows an interruption is short, and may be cut short
                signal.signal(number, handler)

    def _caught(self, number: int, _: object) -> None:
        if self.caught:
            os._exit(INTERRUPTED)
        self.caught = signal.Signals(number).name
        self._loop.call_soon_threadsafe(self.stop, f"interrupted by {self.caught}")


async def run_batch(
    batch: Batch,
    runs: Iterator[Run],
    directory: RunDirectory,
    *,
    finished: FinishedRun,
    progress: Callable[[Tally], None] = lambda _: None,
    alerted: Callable[[Alert], None] = lambda _: None,
    last: Callable[[Tally], Run] | None = None,
    concluded: FinishedRun = lambda *_: None,
    earlier: Earlier | None = None,
    at: Place | None = None,
) -> Ending:
    """Run a batch to its end. `finished` is called with each run as it ends, before this returns.

    `last` makes one more run, for the batch's leads, when all others have finished and some task was answered;
    `concluded` is called with it.
    `earlier`: what an attempt before this one has left in the directory and in its ledger.
    `at`: the place to run in, where it is not the one of the settings.
    Raises SettingsError for settings that want several drivers: runs that a program makes do not travel.
    """
    if batch.settings.drivers > 1:
        raise SettingsError(
            f"drivers is {batch.settings.drivers}, and tasks that a program plans have one driver: leave it out"
        )
    async with (at or place)(batch, directory) as (fleet, budget):
        budget.on_alert(alerted)
        await open_account(budget, batch, earlier)
        driver = driver_of(batch, fleet, budget, directory, finished=finished, progress=progress, earlier=earlier)
        with ExitStack() as stack:
            signals = stack.enter_context(Signals(driver.stop))
            if isinstance(fleet, LocalFleet):
                interrupted = partial(getattr, signals, "caught")
                stack.enter_context(guarded(driver, fleet, interrupted=interrupted, blocked=batch.blocked))
            tally = copy.deepcopy(await driver.run(runs, batch.host_specs(batch.specialists)))
            if last is not None and tally.succeeded and not driver.stopped:
                driver.finished = concluded
                await driver.run(iter([last(tally)]), batch.host_specs(batch.leads))
        return Ending(
            tally=tally,
            standing=await standing_of(budget, batch),
            stopped=driver.stopped,
            interrupted=bool(signals.caught),
            broken=bool(driver.broken),
        )


def driver_of(
    batch: Batch,
    fleet: Fleet,
    budget: Budget,
    directory: RunDirectory,
    *,
    finished: FinishedRun,
    progress: Callable[[Tally], None],
    earlier: Earlier | None,
) -> Driver:
    """The driver of a batch's runs in this process."""
    return Driver(
        fleet=fleet,
        budget=budget,
        directory=directory,
        settings=batch.settings,
        account=batch.account,
        finished=finished,
        progress=progress,
        telemetry=batch.telemetry or Telemetry(batch.id),
        known=earlier.known if earlier else Known(),
        resumed=earlier is not None,
    )


async def standing_of(budget: Budget, batch: Batch) -> AccountStanding:
    standing = (await budget.standing(batch.id)).of(batch.id)
    assert standing is not None, "the batch's account is open as long as the batch"
    return standing


async def open_account(budget: Budget, batch: Batch, earlier: Earlier | None) -> None:
    """The batch's own account; that of an earlier attempt goes on where it was, under the ceiling of now."""
    settings = batch.settings
    limit = Limit(settings.tokens_max, settings.microusd_max)
    lost = earlier is not None and (await budget.standing(batch.id)).of(batch.id) is None
    await budget.open(
        batch.id,
        parent=settings.shared_budget or None,
        limit=earlier.limit if earlier else limit,
        alert_percents=settings.alert_percents,
    )
    if earlier is None:
        return
    if lost and len(earlier.known):
        await count_what_was_spent(budget, batch.id, earlier.known)
    await lock_out_drivers(budget, batch.id)
    await settle_the_dead(budget, batch.id, earlier.known)
    account = (await budget.standing(batch.id)).of(batch.id)
    if account is None or account.limit != limit:  # whatever the attempt before this one was given
        await budget.set_limit(batch.id, limit)


async def lock_out_drivers(budget: Budget, batch_id: str) -> None:
    """Drivers of an earlier attempt, and hosts of theirs that still live, can hold nothing any more."""
    for account in (await budget.standing()).accounts:
        if is_driver_account(batch_id, account.account_id) and not account.closing:
            await budget.close(account.account_id)


@asynccontextmanager
async def place(batch: Batch, directory: RunDirectory) -> AsyncIterator[tuple[Fleet, Budget]]:
    """Where a batch runs, for as long as it does: hosts to be, and the budget that all pay from."""
    async with AsyncExitStack() as stack:
        stack.enter_context(patient_gc())
        asyncio.get_running_loop().set_default_executor(Threads(name="driver"))
        if batch.settings.mode == "local":
            budget = await stack.enter_async_context(local_budget(directory.ledger, durable=batch.settings.durable))
            fleet: Fleet = LocalFleet(budget)
        else:
            from orchestrator.fleet import ray_place  # Ray takes a second to import: only where it is used

            hosts = batch.host_specs(batch.specialists) if batch.settings.drivers == 1 else ()
            fleet, budget = await stack.enter_async_context(ray_place(batch.settings, directory.ledger, hosts=hosts))
            if batch.telemetry is not None:
                from orchestrator.ray_meter import RayMeter

                batch.telemetry.add_meter(RayMeter())
        stack.push_async_callback(fleet.close)
        yield fleet, budget


def _deal(sessions: int, hosts: int) -> list[int]:
    """`sessions` dealt out to `hosts` as evenly as whole numbers allow, at least one each."""
    return [max(1, sessions // hosts + (n < sessions % hosts)) for n in range(hosts)]
