"""A run whose host hangs exceeds its longest deadline by less than the grace, and only the culprit is lost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from actors.contracts import Failure, Reason, Task
from orchestrator.dispatcher import Dispatcher
from orchestrator.moves import Drained, HostLost, HostReady, Instruction, Planned, Record, Replace, Submit, Tick
from support.tasks import a_task

RESTART_S = 2.0
STEP_S = 0.25


@dataclass
class World:
    """One host at a time, which needs two seconds to come; `bad` hangs it or kills it, all others take `work_s`."""

    dispatch: Dispatcher
    work_s: float
    bad: str
    kills: bool = False
    tells: bool = True  # whether a host that hangs can say what holds it
    now_s: float = 0.0
    answered: dict[str, float] = field(default_factory=dict)
    failed: dict[str, tuple[float, Failure]] = field(default_factory=dict)
    given_s: dict[str, list[float]] = field(default_factory=dict)
    _number: int = 0
    _ready_s: float | None = 0.0
    _tasks: dict[str, tuple[Task, float]] = field(default_factory=dict)  # with the host, and since when

    @property
    def _host(self) -> str:
        return f"host-{self._number}"

    def run(self, tasks: Sequence[Task]) -> None:
        self._do(self.dispatch.step(Planned(tasks)))
        while self.dispatch.open:
            assert self.now_s < 1000.0, "it never ends"
            self._turn()
            self.dispatch.check()
            self.now_s += STEP_S

    def _turn(self) -> None:
        if self._ready_s is not None and self.now_s >= self._ready_s:
            self._ready_s = None
            ready = HostReady(host=self._host, agent="reader", capacity=64, sessions_max=64, now_s=self.now_s)
            self._do(self.dispatch.step(ready))
        hangs = self.bad in self._tasks
        if self._ready_s is None and not hangs:
            done = [(task.id, task.attempt) for task, since_s in self._tasks.values()
                    if self.now_s >= since_s + self.work_s]  # fmt: skip
            self.answered |= {task_id: self.now_s for task_id, _ in done}
            for task_id, _ in done:
                del self._tasks[task_id]
            self._do(self.dispatch.step(Drained(self._host, done, self.now_s)))
        elif hangs and self.kills:
            self._lose(HostLost(self._host))
        self._do(self.dispatch.step(Tick(self.now_s)))

    def _lose(self, lost: HostLost) -> None:
        self._number, self._ready_s, self._tasks = self._number + 1, self.now_s + RESTART_S, {}
        self._do(self.dispatch.step(lost))

    def _do(self, said: Sequence[Instruction]) -> None:
        for instruction in said:
            if isinstance(instruction, Submit):
                assert instruction.host == self._host
                self._tasks |= {task.id: (task, self.now_s) for task in instruction.tasks}
                for task in instruction.tasks:
                    self.given_s.setdefault(task.id, []).append(task.deadline_s)
            elif isinstance(instruction, Record):
                self.failed |= {failure.task_id: (self.now_s, failure) for failure in instruction.failures}
            elif isinstance(instruction, Replace):
                blamed = self.bad if self.tells and self.bad in self._tasks else None
                self._lose(HostLost(instruction.host, silent=True, blamed=blamed))


def world(*, deadline_s: float, work_s: float, tasks: int = 9, kills: bool = False, tells: bool = True) -> World:
    made = World(Dispatcher(frozenset({"reader"}), grace_s=10.0), work_s, bad="r/4", kills=kills, tells=tells)
    made.run([a_task(str(n), deadline_s=deadline_s) for n in range(tasks)])
    return made


@pytest.mark.parametrize("deadline_s", [2.0, 5.0, 10.0, 30.0, 60.0, 300.0])
def test_a_task_that_holds_its_host_ends_within_the_grace_and_its_siblings_are_answered(deadline_s: float) -> None:
    """Known by name, it alone is tried again, after the others, and not when its deadline has passed."""
    made = world(deadline_s=deadline_s, work_s=min(3.0, deadline_s / 2))

    assert sorted(made.answered) == sorted(f"r/{n}" for n in range(9) if n != 4)
    ((ended_s, failure),) = made.failed.values()
    assert failure.reason is Reason.HOST_LOST
    assert ended_s < deadline_s + 10.0
    assert max(made.answered.values()) < deadline_s + 10.0


@pytest.mark.parametrize("deadline_s", [10.0, 30.0, 60.0, 300.0])
def test_a_task_that_stops_its_host_is_found_out_within_the_grace(deadline_s: float) -> None:
    """Nobody can tell which it was, so smaller groups are tried; they share the time that there is."""
    made = world(deadline_s=deadline_s, work_s=0.5, tells=False)

    assert sorted(made.answered) == sorted(f"r/{n}" for n in range(9) if n != 4)
    ((ended_s, failure),) = made.failed.values()
    assert failure.reason is Reason.HOST_LOST
    assert ended_s < deadline_s + 10.0


@pytest.mark.parametrize("deadline_s", [2.0, 30.0])
def test_a_task_that_kills_its_host_ends_within_the_grace(deadline_s: float) -> None:
    """Death is seen at once: three of them take as long as three hosts take to come."""
    made = world(deadline_s=deadline_s, work_s=0.5, kills=True)

    assert sorted(made.answered) == sorted(f"r/{n}" for n in range(9) if n != 4)
    ((ended_s, _),) = made.failed.values()
    assert ended_s < deadline_s + 10.0


def test_those_beside_it_get_what_is_left_of_deadline_and_grace() -> None:
    """30 s and 10 s, of which the host hung for 11.75 and another takes 3 to come: 25.25 s are left."""
    made = world(deadline_s=30.0, work_s=25.0)

    assert made.given_s["r/0"] == [30.0, 25.25]
    assert max(made.answered.values()) < 40.0
    assert [failure.reason for _, failure in made.failed.values()] == [Reason.HOST_LOST]


def test_a_task_alone_that_hung_through_its_deadline_is_not_tried_again() -> None:
    """5 s of deadline, and 1.5 s for an answer that does not come."""
    made = World(Dispatcher(frozenset({"reader"}), grace_s=10.0), work_s=1.0, bad="r/0", tells=False)
    made.run([a_task("0", deadline_s=5.0)])

    ((ended_s, failure),) = made.failed.values()
    assert (failure.reason, failure.attempt) == (Reason.HOST_LOST, 1)
    assert ended_s < 7.0


def test_tasks_that_waited_their_turn_on_a_lost_host_have_lost_no_time() -> None:
    """Two run at once; the third, which had not begun, has its whole deadline when it goes again."""
    dispatch = Dispatcher(frozenset({"reader"}), grace_s=5.0)
    dispatch.step(HostReady(host="one", agent="reader", capacity=8, sessions_max=2, now_s=0.0))
    dispatch.step(Planned([a_task(str(n)) for n in range(3)]))
    dispatch.step(Drained("one", [], 20.0))
    dispatch.step(HostLost("one"))

    said = dispatch.step(HostReady(host="two", agent="reader", capacity=8, sessions_max=2, now_s=21.0))
    said += dispatch.step(Drained("two", [("r/0", 2)], 22.0))
    said += dispatch.step(Drained("two", [("r/1", 2)], 23.0))

    given = {task.id: task.deadline_s for one in said if isinstance(one, Submit) for task in one.tasks}
    assert given["r/2"] == 30.0
