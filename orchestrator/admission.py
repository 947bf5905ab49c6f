"""Runs are admitted while hosts are hungry, and their tasks begin: nothing is held for all runs at once."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from actors.contracts import Reason, Task, failure
from orchestrator import clockwork, moves
from orchestrator.books import Books
from orchestrator.clockwork import Clockwork
from orchestrator.endings import Endings
from orchestrator.follow_ups import FollowUps
from orchestrator.hands import Hands
from orchestrator.runs import Run

ADMITTED_AT_ONCE = 1_024  # runs whose accounts are opened together, one way to the ledger's disk for all of them
PLANNED_AT_ONCE = 1_024  # tasks of theirs, at least, after which no more of them are taken in
ADMITTING_S = 0.05  # after which what there is of them begins: an iterator of runs may be slow


@dataclass(slots=True)
class Admission:
    """The way in. `told` is to be called when runs may have ended: those of which all was known, or nothing asked.

    `runs_max`: under way at once. `resumed`: the ledger and the tables may know earlier attempts at the tasks.
    """

    follow_ups: FollowUps
    books: Books
    hands: Hands
    endings: Endings
    clockwork: Clockwork
    clock: Callable[[], float]
    told: Callable[[], None]
    runs_max: int
    resumed: bool

    async def admit(self, runs: Iterator[Run]) -> bool:
        """Take in runs while hosts are hungry, or as long as what is known finishes them. False when there are no more.

        Runs that are known to their end are not counted as under way, so a resumed batch is soon where it was.
        """
        under_way = self.follow_ups.runs
        while self._hungry and (room := self.runs_max - len(under_way)) > 0 and not self.endings.stopped:
            admitted = self._next_runs(runs, min(room, ADMITTED_AT_ONCE))
            self.follow_ups.tally.runs_admitted += len(admitted)
            begun = [run for run in admitted if run.id in under_way]
            await self.books.open(begun)
            self.endings.stop_if(self.endings.broken)
            self.clockwork.step(clockwork.Admitted([run.id for run in begun], self.clock()))
            await self.submit()
            await asyncio.sleep(0)  # a signal may have come
            if not admitted:
                return False
        return True

    async def submit(self) -> None:
        """Hand over what patterns planned, unless nothing of it may start any more."""
        tasks = self._that_may_begin(self.follow_ups.take_planned())
        if self.resumed and tasks:
            tasks = await self._next_attempts(tasks)
        if tasks:
            self._keep(tasks)
            self.hands.step(moves.Planned(tasks))

    def cancel(self, tasks: Sequence[Task], why: str) -> None:
        """These were planned, and do not begin."""
        if tasks:
            tasks = [self.follow_ups.known.next_attempt(task) for task in tasks]
            self._keep(tasks)
            failures = [failure(task, Reason.CANCELLED, f"not begun: {why}") for task in tasks]
            self.hands.keeper.add_failures(failures)

    @property
    def _hungry(self) -> bool:
        dispatch = self.hands.dispatch
        return dispatch.hungry or (len(self.follow_ups.known) > 0 and not dispatch.waiting)

    def _next_runs(self, runs: Iterator[Run], room: int) -> list[Run]:
        """The runs that begin together, with their tasks planned; none when there are no more."""
        taken: list[Run] = []
        ends_s = self.clock() + ADMITTING_S
        for run in itertools.islice(runs, room):
            self.follow_ups.admit(run)
            taken.append(run)
            if len(self.follow_ups.planned) >= PLANNED_AT_ONCE or self.clock() > ends_s:
                break
        self.told()
        return taken

    def _that_may_begin(self, tasks: Sequence[Task]) -> Sequence[Task]:
        if not self.endings.any:
            return tasks
        barred = [(task, why) for task in tasks if (why := self.endings.why_not(task))]
        for why in {why for _, why in barred}:
            self.cancel([task for task, of in barred if of == why], why)
        return [task for task in tasks if not self.endings.why_not(task)]

    async def _next_attempts(self, tasks: Sequence[Task]) -> Sequence[Task]:
        """None where the ledger cannot tell: the batch ends."""
        tasks = [self.follow_ups.known.next_attempt(task) for task in tasks]
        tasks = await self.books.unused_attempts(tasks)
        if self.books.broken:
            self.endings.stop(self.endings.broken)
            self.cancel(tasks, self.endings.broken)
            return []
        return tasks

    def _keep(self, tasks: Sequence[Task]) -> None:
        self.follow_ups.tally.tasks_planned += len(tasks)
        self.hands.keeper.add_tasks(tasks)
