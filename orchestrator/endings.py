"""What ends before all of it is done: a batch that is stopped or broken, and runs whose time is up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from actors.contracts import Task
from orchestrator import clockwork, moves
from orchestrator.books import Books
from orchestrator.clockwork import Clockwork
from orchestrator.hands import Hands
from orchestrator.runs import Runs

OVER_KEPT = 512  # runs that were cancelled and have ended since


@dataclass(slots=True)
class Endings:
    """Of what has ended nothing starts any more, what runs is cancelled, and what is there is kept."""

    hands: Hands
    clockwork: Clockwork
    books: Books
    runs: Runs
    clock: Callable[[], float]
    stopped: str = ""  # why the batch was ended early, when it was
    _over: set[str] = field(default_factory=set)  # runs that were cancelled

    @property
    def broken(self) -> str:
        """Why outcomes or what they cost can be kept no longer; empty when they can."""
        keeper = self.hands.keeper
        return str(keeper.broken or "") or self.books.broken or keeper.directory.full

    def stop(self, why: str) -> None:
        """End the batch."""
        if not self.stopped:
            self.stopped = why
            self.clockwork.step(clockwork.Stopped(self.clock()))
        self.hands.step(moves.Cancelled())

    def stop_if(self, why: str) -> None:
        if why:
            self.stop(why)

    def cancel(self, run_id: str) -> None:
        """End a run with what it has."""
        if len(self._over) > 2 * max(OVER_KEPT, len(self.runs)):
            self._over = {one for one in self._over if one in self.runs}  # of others nothing is planned any more
        self._over.add(run_id)
        self.clockwork.step(clockwork.RunCancelled(run_id, self.clock()))
        self.hands.step(moves.Cancelled(frozenset({run_id})))

    @property
    def any(self) -> bool:
        """Whether there may be tasks that may not begin."""
        return bool(self.stopped or self._over)

    def has_cancelled(self, run_id: str) -> bool:
        return run_id in self._over

    def why_not(self, task: Task) -> str:
        """Why a task may not begin any more; empty when it may."""
        return self.stopped or ("its run's deadline had passed" if task.run_id in self._over else "")
