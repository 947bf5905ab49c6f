"""One host's work as a machine: what waits, what has its hold, what runs, and what is finished but not acknowledged."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from actors.contracts import Outcome, Task
from actors.lookahead import Lookahead


@dataclass(frozen=True, slots=True)
class Submitted:
    tasks: Sequence[Task]


@dataclass(frozen=True, slots=True)
class Granted:
    """A task's hold is there."""

    task_id: str


@dataclass(frozen=True, slots=True)
class InLine:
    """A task's hold has to wait until others give back what they do not need."""

    task_id: str


@dataclass(frozen=True, slots=True)
class Settling:
    """A task's session is over; its outcome follows when its bill is in the books. The next task may start."""

    task_id: str


@dataclass(frozen=True, slots=True)
class Ended:
    """An outcome: of a session, or of a task that got no hold."""

    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The driver has the rows of every drain up to this number."""

    drain: int


@dataclass(frozen=True, slots=True)
class Cancelled:
    """These tasks, or all of them, are to end: those that wait at once, those that run as soon as they can."""

    task_ids: frozenset[str] | None = None


Event: TypeAlias = Submitted | Granted | InLine | Settling | Ended | Acknowledged | Cancelled


@dataclass(frozen=True, slots=True)
class Ask:
    """Ask for a task's hold."""

    task: Task


@dataclass(frozen=True, slots=True)
class Begin:
    """Start a task's session: its hold is there."""

    task: Task


@dataclass(frozen=True, slots=True)
class Stop:
    """End a running session."""

    task: Task


@dataclass(frozen=True, slots=True)
class Withdraw:
    """Give a hold back under which nothing was begun: its task ends as cancelled, with nothing spent."""

    task: Task


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Do not wait any longer for a task's hold: it ends as cancelled, with nothing spent."""

    task: Task


@dataclass(frozen=True, slots=True)
class Drop:
    """A task whose hold was never asked for: it ends as cancelled, with nothing spent."""

    task: Task


Instruction: TypeAlias = Ask | Begin | Stop | Withdraw | GiveUp | Drop


@dataclass(slots=True)
class Inbox:
    """At most `sessions_max` tasks run at once; the rest wait in the order in which they came.

    Each needs its hold to begin. Holds are asked for as places are free, and for as many tasks more, at most
    `ahead_max`, as begin while the ledger answers.
    """

    sessions_max: int
    ahead_max: int = 0
    _lookahead: Lookahead = field(init=False)
    _waiting: deque[Task] = field(default_factory=deque)
    _asked: dict[str, tuple[Task, float]] = field(default_factory=dict)  # and since when
    _in_line: set[str] = field(default_factory=set)  # those of them whose holds must wait
    _held: OrderedDict[str, Task] = field(default_factory=OrderedDict)  # with holds, and not begun
    _running: dict[str, Task] = field(default_factory=dict)
    _settling: set[str] = field(default_factory=set)
    _known: set[str] = field(default_factory=set)  # ids of all these
    _finished: list[Outcome] = field(default_factory=list)
    _drained: list[Outcome] = field(default_factory=list)  # handed out, not acknowledged
    _drain: int = 0  # number of the last drain that carried rows

    def __post_init__(self) -> None:
        self._lookahead = Lookahead(self.sessions_max, self.ahead_max)

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
        """Tasks that have not begun, whether or not their holds are there."""
        return len(self._waiting) + len(self._asked) + len(self._held)

    def step(self, event: Event, now_s: float) -> list[Instruction]:
        """The one door. A task that the host has already is not taken twice."""
        if now_s >= self._lookahead.next_s:
            self._lookahead.look(len(self._running), now_s)
        match event:  # by class alone: values taken out in a pattern cost thrice as much
            case Granted():
                return self._granted(event.task_id)
            case Ended():
                if self._settled(event.outcome):
                    return []
            case Settling():
                if event.task_id in self._running:  # else its bill was settled in the moment that it was told
                    self._left(event.task_id)
                    self._settling.add(event.task_id)
            case Submitted():
                new = [task for task in event.tasks if task.id not in self._known]
                self._known.update(task.id for task in new)
                self._waiting += new
            case InLine():
                self._in_line.add(event.task_id)
                self._lookahead.short()
            case Acknowledged():
                if event.drain == self._drain:
                    self._drained = []
                return []
            case Cancelled():
                return self._cancel(event.task_ids) + self._begin() + self._ask()
        return self._begin() + self._ask()

    def drain(self, *, rows_max: int) -> tuple[int, Sequence[Outcome]]:
        """The next rows and the number to acknowledge. Unacknowledged rows come again, under the same number."""
        if not self._drained and self._finished:
            self._drained, self._finished = self._finished[:rows_max], self._finished[rows_max:]
            self._drain += 1
        return self._drain, self._drained

    def check(self) -> None:
        """The invariants, for tests."""
        places: list[Iterable[str]] = [
            (task.id for task in self._waiting), self._asked, self._held, self._running, self._settling
        ]  # fmt: skip
        ids = [task_id for place in places for task_id in place]
        assert len(ids) == len(set(ids)), "a task is in two places"
        assert self._known == set(ids)
        assert self._in_line <= self._asked.keys()
        assert len(self._running) <= self.sessions_max
        assert not self._held or len(self._running) == self.sessions_max, "a place is free, and a hold is there"
        assert not self._waiting or self._in_hand >= self.sessions_max, "a place is free, and nobody asks for its hold"
        assert self._in_hand <= self.sessions_max + self.ahead_max

    @property
    def _in_hand(self) -> int:
        """Tasks whose holds are asked for, or there, and whose sessions have not ended."""
        return len(self._asked) + len(self._held) + len(self._running)

    def _granted(self, task_id: str) -> list[Instruction]:
        """A hold is there: its task begins where a place is free, as then no other one has its hold."""
        task, asked_s = self._asked.pop(task_id)
        if task_id in self._in_line:
            self._in_line.discard(task_id)
        else:
            self._lookahead.granted(asked_s)
        if len(self._running) < self.sessions_max:
            self._running[task_id] = task
            return [Begin(task)]
        self._held[task_id] = task
        return []

    def _settled(self, outcome: Outcome) -> bool:
        """Take an outcome over. Whether its task had left its place before."""
        task_id = outcome.task_id
        self._known.discard(task_id)
        self._finished.append(outcome)
        if task_id in self._settling:
            self._settling.discard(task_id)
            return True
        if task_id in self._running:
            self._left(task_id)
        elif self._asked.pop(task_id, None) is not None:
            self._in_line.discard(task_id)
            self._lookahead.short()
        return False

    def _left(self, task_id: str) -> None:
        """A session is over, and its place is free."""
        del self._running[task_id]
        self._lookahead.ended += 1

    def _begin(self) -> list[Instruction]:
        """Whoever has a hold begins when a place is free."""
        said: list[Instruction] = []
        while self._held and len(self._running) < self.sessions_max:
            task_id, task = self._held.popitem(last=False)
            self._running[task_id] = task
            said.append(Begin(task))
        return said

    def _ask(self) -> list[Instruction]:
        """Ask for the next holds, as many as places are free and some ahead."""
        said: list[Instruction] = []
        if self._waiting:
            ahead = 0 if self._in_line else self._lookahead.ahead
            for _ in range(min(len(self._waiting), self.sessions_max + ahead - self._in_hand)):
                task = self._waiting.popleft()
                self._asked[task.id] = task, self._lookahead.now_s
                said.append(Ask(task))
        return said

    def _cancel(self, task_ids: frozenset[str] | None) -> list[Instruction]:
        def meant(ids: Iterable[str]) -> list[str]:
            return [task_id for task_id in ids if task_ids is None or task_id in task_ids]

        said: list[Instruction] = [Stop(self._running[task_id]) for task_id in meant(self._running)]
        for task_id in meant(self._held):
            said.append(Withdraw(self._held.pop(task_id)))
            self._settling.add(task_id)
        for task_id in meant(self._asked):
            said.append(GiveUp(self._asked.pop(task_id)[0]))
            self._in_line.discard(task_id)
            self._known.discard(task_id)
        dropped = {*meant(task.id for task in self._waiting)}
        said += [Drop(task) for task in self._waiting if task.id in dropped]
        self._waiting = deque(task for task in self._waiting if task.id not in dropped)
        self._known -= dropped
        return said
