"""One batch from its runs to its outcomes, by one driver."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass

from budget import AccountStanding, Alert, Budget
from budget.errors import SettingsError
from orchestrator.batch import Batch
from orchestrator.batch_account import open_account, standing_of
from orchestrator.blockade import guarded
from orchestrator.driver import Driver, FinishedRun
from orchestrator.fleets import Fleet
from orchestrator.known_outcomes import Earlier, Known
from orchestrator.local import LocalFleet
from orchestrator.place import Place, place
from orchestrator.runs import Run
from orchestrator.signals import Signals
from orchestrator.store import RunDirectory
from orchestrator.tally import Tally
from orchestrator.telemetry import Telemetry


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
                stack.enter_context(
                    guarded(driver, fleet, interrupted=lambda: bool(signals.caught), blocked=batch.blocked)
                )
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
