"""One host's work as a machine: what waits, what runs, and what is finished but not yet acknowledged."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from actors.contracts import Outcome, Task


@dataclass(frozen=True, slots=True)
class Submitted:
    tasks: Sequence[Task]


@dataclass(frozen=True, slots=True)
class Settling:
    """A task's session is over; its outcome follows when its bill is in the books. The next task may start."""

    task_id: str


@dataclass(frozen=True, slots=True)
class Ended:
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The driver has the rows of every drain up to this number."""

    drain: int


@dataclass(frozen=True, slots=True)
class Cancelled:
    """These tasks, or all of them, are to end: those that wait at once, those that run as soon as they can."""

    task_ids: frozenset[str] | None = None


Event: TypeAlias = Submitted | Settling | Ended | Acknowledged | Cancelled


@dataclass(frozen=True, slots=True)
class Start:
    task: Task


@dataclass(frozen=True, slots=True)
class Stop:
    """End a running session."""

    task: Task


@dataclass(frozen=True, slots=True)
class Drop:
    """A task that never started: it ends as cancelled, with nothing spent."""

    task: Task


Instruction: TypeAlias = Start | Stop | Drop


@dataclass(slots=True)
class Inbox:
    """At most `sessions_max` tasks run at once; the rest wait in the order in which they came."""

    sessions_max: int
    _waiting: deque[Task] = field(default_factory=deque)
    _running: dict[str, Task] = field(default_factory=dict)
    _settling: set[str] = field(default_factory=set)
    _known: set[str] = field(default_factory=set)  # ids of those that wait, run or are settled
    _finished: list[Outcome] = field(default_factory=list)
    _drained: list[Outcome] = field(default_factory=list)  # handed out, not acknowledged
    _drain: int = 0  # number of the last drain that carried rows

    @property
    def has_rows(self) -> bool:
        return bool(self._finished or self._drained)

    @property
    def unacknowledged(self) -> Sequence[Outcome]:
        """What has finished and may not have arrived."""
        return [*self._drained, *self._finished]

    @property
    def running(self) -> int:
        """Tasks that have begun, and have no outcome yet."""
        return len(self._running) + len(self._settling)

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def step(self, event: Event) -> list[Instruction]:
        """The one door. A task that waits or runs already is not taken twice."""
        match event:
            case Ended(outcome):
                begun = self._running.pop(outcome.task_id, None) is not None or outcome.task_id in self._settling
                if begun:
                    self._settling.discard(outcome.task_id)
                    self._known.discard(outcome.task_id)
                self._finished.append(outcome)
                return self._start()
            case Settling(task_id):
                if self._running.pop(task_id, None) is not None:
                    self._settling.add(task_id)
                return self._start()
            case Submitted(tasks):
                for task in tasks:
                    if task.id not in self._known:
                        self._known.add(task.id)
                        self._waiting.append(task)
                return self._start()
            case Acknowledged(drain):
                if drain == self._drain:
                    self._drained = []
                return []
            case Cancelled(task_ids):
                return self._cancel(task_ids)

    def drain(self, *, rows_max: int) -> tuple[int, Sequence[Outcome]]:
        """The next rows and the number to acknowledge. Unacknowledged rows come again, under the same number."""
        if not self._drained and self._finished:
            self._drained, self._finished = self._finished[:rows_max], self._finished[rows_max:]
            self._drain += 1
        return self._drain, self._drained

    def check(self) -> None:
        """The invariants, for tests."""
        assert len(self._running) <= self.sessions_max
        assert self._known == self._running.keys() | self._settling | {task.id for task in self._waiting}
        assert not self._running.keys() & self._settling
        assert not self._running.keys() & {task.id for task in self._waiting}
        assert not self._waiting or len(self._running) == self.sessions_max

    def _start(self) -> list[Instruction]:
        started: list[Instruction] = []
        while self._waiting and len(self._running) < self.sessions_max:
            task = self._waiting.popleft()
            self._running[task.id] = task
            started.append(Start(task))
        return started

    def _cancel(self, task_ids: frozenset[str] | None) -> list[Instruction]:
        def meant(ids: Iterable[str]) -> list[str]:
            return [task_id for task_id in ids if task_ids is None or task_id in task_ids]

        stopped: list[Instruction] = [Stop(self._running[task_id]) for task_id in meant(self._running)]
        dropped = {*meant(task.id for task in self._waiting)}
        stopped += [Drop(task) for task in self._waiting if task.id in dropped]
        self._waiting = deque(task for task in self._waiting if task.id not in dropped)
        self._known -= dropped
        return stopped
