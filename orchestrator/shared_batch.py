"""One batch that several drivers share, from its runs to its outcomes: the same limits, one directory, one answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from budget import Alert, Budget
from orchestrator.batch import Batch
from orchestrator.batch_account import open_account, standing_of
from orchestrator.batch_run import Ending, driver_of, run_batch
from orchestrator.driver import FinishedRun
from orchestrator.drivers import Drivers
from orchestrator.fleets import Fleet
from orchestrator.known_outcomes import Earlier, Known, unfinished_first
from orchestrator.place import place
from orchestrator.runs import Run
from orchestrator.shards import Gathered, Shard, Work, replayed
from orchestrator.signals import Signals
from orchestrator.store import RunDirectory
from orchestrator.tally import Tally, together


async def run_work(
    batch: Batch,
    work: Work,
    directory: RunDirectory,
    *,
    run_dir: Path | str,
    runs_total: int,
    gathered: Gathered,
    progress: Callable[[Tally], None] = lambda _: None,
    alerted: Callable[[Alert], None] = lambda _: None,
    last: Callable[[Tally], Run] | None = None,
    concluded: FinishedRun = lambda *_: None,
    earlier: Earlier | None = None,
) -> Ending:
    """Run a batch to its end by as many drivers as its settings say. `gathered` has a record of every run then.

    `last` makes one more run, as in `run_batch`; it is driven from this process, and told to `concluded`.
    """
    drivers = max(1, min(batch.settings.drivers, runs_total))  # more would have nothing to do
    batch = replace(batch, settings=replace(batch.settings, drivers=drivers))
    if drivers > 1:
        crowd = _Crowd(batch, work, directory, run_dir, runs_total, gathered, progress, earlier)
        return await crowd.run(alerted=alerted, last=last, concluded=concluded)
    runs = work.runs(Shard()) if earlier is None else unfinished_first(work.runs(Shard()), earlier.known)
    ending = await run_batch(
        batch,
        runs,
        directory,
        finished=lambda run, state: gathered.add(work, run, state),
        progress=progress,
        alerted=alerted,
        last=last,
        concluded=concluded,
        earlier=earlier,
    )
    left = replayed(runs, earlier.known if earlier else Known(), work)  # what never began, as gaps
    gathered.records.update(left.records)
    gathered.use.merge(left.use)
    gathered.tally = together([ending.tally, left.tally])
    return replace(ending, tally=gathered.tally)


@dataclass(frozen=True, slots=True)
class _Crowd:
    """A batch that is shared, and its coordinator."""

    batch: Batch
    work: Work
    directory: RunDirectory
    run_dir: Path | str
    runs_total: int
    gathered: Gathered
    progress: Callable[[Tally], None]
    earlier: Earlier | None

    async def run(
        self,
        *,
        alerted: Callable[[Alert], None],
        last: Callable[[Tally], Run] | None,
        concluded: FinishedRun,
    ) -> Ending:
        batch, gathered = self.batch, self.gathered
        async with place(batch, self.directory) as (fleet, budget):
            budget.on_alert(alerted)
            await open_account(budget, batch, self.earlier)
            drivers = self._drivers(fleet, budget)
            lead = driver_of(
                batch, fleet, budget, self.directory, finished=concluded, progress=self.progress, earlier=self.earlier
            )

            def stop(why: str) -> None:
                drivers.stop(why)
                lead.stop(why)

            with Signals(stop) as signals:
                await drivers.run()
                if last is not None and gathered.tally.succeeded and not drivers.stopped:
                    lead.go_on_from(gathered.tally)
                    await lead.run(iter([last(gathered.tally)]), batch.host_specs(batch.leads))
            return Ending(
                tally=gathered.tally,
                standing=await standing_of(budget, batch),
                stopped=drivers.stopped or lead.stopped or drivers.given_up,
                interrupted=bool(signals.caught),
                broken=bool(drivers.broken or lead.broken),
            )

    def _drivers(self, fleet: Fleet, budget: Budget) -> Drivers:
        from orchestrator.driver_actor import RayCrew, with_room  # Ray takes a second to import: only where it is used

        return Drivers(
            batch=with_room(self.batch),
            work=self.work,
            runs_total=self.runs_total,
            run_dir=self.run_dir.resolve() if isinstance(self.run_dir, Path) else self.run_dir,
            directory=self.directory,
            crew=RayCrew(cast(Any, fleet).ledger),
            budget=budget,
            gathered=self.gathered,
            again=self.earlier.known.again if self.earlier else None,
            progress=self.progress,
        )
