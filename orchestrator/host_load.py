"""What the driver knows of one host: the tasks that it has, how many more it may hold, and since when it is silent."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from actors.contracts import Task
from orchestrator.suspects import ANSWER_S, patience_s

IDLE_S = 30.0  # the deadline that a host without tasks is measured by
ROUNDS_AHEAD = 8  # a host may hold this many times what it answers between two rounds of the driver
AHEAD_MAX = 4_096  # tasks that it may hold for this reason
SUBMISSIONS_KEPT = 64  # of a host, to know since when its tasks are at work


@dataclass(slots=True)
class HostLoad:
    """One host of `agent`. It may hold `capacity` tasks, or more where it is quick, and runs `sessions_max` at once."""

    id: str
    agent: str
    capacity: int
    sessions_max: int
    heard_s: float
    tasks: dict[str, Task] = field(default_factory=dict)  # submitted, unanswered
    round: int = 0  # how many it answered between two rounds of the driver, lately
    suspects: bool = False  # it has tasks that were lost with a host before, and takes no others beside them
    patience_s: float = 0.0  # how long it may be silent then
    gone: bool = False  # it is being replaced
    at_once: list[tuple[float, Sequence[Task]]] = field(default_factory=list)  # submissions that found sessions free

    @property
    def free(self) -> int:
        return 0 if self.suspects or self.gone else max(0, self.room - len(self.tasks))

    @property
    def room(self) -> int:
        """How many tasks it may hold: more than its capacity, where it is through with so many before others come."""
        return max(self.capacity, min(AHEAD_MAX, ROUNDS_AHEAD * self.round))

    def take(self, tasks: Sequence[Task], now_s: float) -> None:
        self.tasks.update((task.id, task) for task in tasks)
        if len(self.tasks) <= self.sessions_max:
            if len(self.at_once) >= SUBMISSIONS_KEPT:
                self.at_once = [(s, of) for s, of in self.at_once if any(task.id in self.tasks for task in of)]
            self.at_once.append((now_s, tasks))

    def began_s(self, now_s: float, blamed: str | None) -> dict[str, float]:
        """Since when each of its tasks is at work, at least: those that wait their turn have not begun.

        Who holds its event loop has, though no row has come of those whose turn was before.
        """
        at_work, turn = list(self.tasks)[: self.sessions_max], list(self.tasks)[self.sessions_max :]
        known = {task.id: submitted_s for submitted_s, tasks in self.at_once for task in tasks}
        # One that had begun earlier than this would have met its deadline when the host was last heard.
        least_s = {task_id: self.heard_s - self.tasks[task_id].deadline_s for task_id in at_work}
        began_s = {task_id: max(known.get(task_id, self.heard_s), least_s[task_id]) for task_id in at_work}
        return began_s | {task_id: self.heard_s if task_id == blamed else now_s for task_id in turn}

    def is_hung(self, now_s: float) -> bool:
        silent_s = now_s - self.heard_s
        if self.gone or silent_s <= ANSWER_S:
            return False
        if self.suspects:
            return silent_s > self.patience_s
        return silent_s > patience_s((task.deadline_s for task in self.tasks.values()) if self.tasks else (IDLE_S,))


def shares(hosts: Sequence[HostLoad], tasks: int) -> Iterable[tuple[HostLoad, int]]:
    """How many of `tasks` each host gets, within its room: so many that all come to hold as many as the others."""
    able = sorted(((len(host.tasks), host.free, host) for host in hosts if host.free > 0), key=lambda one: one[:2])
    able = able[: max(0, tasks)]  # no more than that get one, and they have the fewest
    most = max((held + free for held, free, _ in able), default=0)
    level = bisect_left(range(most), tasks, key=lambda level: sum(_up_to(level, held, free) for held, free, _ in able))
    left = tasks - sum(_up_to(level - 1, held, free) for held, free, _ in able)  # too few to bring all to the level
    for held, free, host in able:
        share = _up_to(level - 1, held, free)
        if left > 0 and _up_to(level, held, free) > share:
            share, left = share + 1, left - 1
        if share:
            yield host, share


def _up_to(level: int, held: int, free: int) -> int:
    """How many more a host takes until it holds so many."""
    return min(free, max(0, level - held))
