"""Which task goes to which host, and what becomes of it: the driver's machine. No clock, no Ray, no files.

Events in, instructions out. Every task that comes in as Planned leaves as exactly one kept outcome: the host's,
or one of the driver's own (no such agent, host lost, cancelled).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from math import isqrt
from typing import TypeAlias

from actors.contracts import Failure, Reason, Task

TRIES_MAX = 3  # hosts that a task may be lost with before it counts as poison


@dataclass(frozen=True, slots=True, kw_only=True)
class HostReady:
    """A host of `agent` takes tasks, at most `capacity` unanswered ones at a time."""

    host: str
    agent: str
    capacity: int
    now_s: float


@dataclass(frozen=True, slots=True)
class Planned:
    tasks: Sequence[Task]


@dataclass(frozen=True, slots=True)
class Drained:
    """A host answered: the ids (task, attempt) of the rows that it gave, in their order."""

    host: str
    rows: Sequence[tuple[str, int]]
    now_s: float


@dataclass(frozen=True, slots=True)
class HostLost:
    """A host died. Its unanswered tasks go again, on another."""

    host: str


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed: the batch's clock, in seconds."""

    now_s: float


@dataclass(frozen=True, slots=True)
class Cancelled:
    """These runs, or all, are to end: nothing of theirs is submitted any more."""

    run_ids: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class GivenUp:
    """What hosts still hold of these runs, or of all, is waited for no longer: it is recorded as cancelled."""

    run_ids: frozenset[str] | None = None


Event: TypeAlias = HostReady | Planned | Drained | HostLost | Tick | Cancelled | GivenUp


@dataclass(frozen=True, slots=True)
class Submit:
    host: str
    tasks: Sequence[Task]


@dataclass(frozen=True, slots=True)
class Keep:
    """Which rows of the drain are outcomes; the others are duplicates of outcomes that are there already."""

    host: str
    rows: Sequence[bool]


@dataclass(frozen=True, slots=True)
class Record:
    """Outcomes that no host gives: the driver's own."""

    failures: Sequence[Failure]


@dataclass(frozen=True, slots=True)
class Replace:
    """A host is silent past its deadline and grace: kill it and start another of its agent."""

    host: str
    agent: str


@dataclass(frozen=True, slots=True)
class Cancel:
    """A host is to end these tasks."""

    host: str
    task_ids: frozenset[str]


Instruction: TypeAlias = Submit | Keep | Record | Replace | Cancel


@dataclass(slots=True)
class _Host:
    id: str
    agent: str
    capacity: int
    heard_s: float
    tasks: dict[str, Task] = field(default_factory=dict)  # submitted, unanswered
    suspects: bool = False  # it has tasks that were lost with a host before, and takes no others beside them

    @property
    def free(self) -> int:
        return 0 if self.suspects else self.capacity - len(self.tasks)


@dataclass(frozen=True, slots=True)
class _Suspect:
    """A task that was lost with a host `losses` times; `company_max` tasks may share its next host, itself included."""

    task: Task
    losses: int
    company_max: int


@dataclass(slots=True)
class Dispatch:
    """`agents` are those that have, or will have, hosts. `unanswered_max` bounds all hosts together (None: they do).

    Tasks that were lost with a host go again in smaller and smaller company, and the last time alone: so a task that
    kills hosts is found out, and those that were lost beside it are answered.
    """

    agents: frozenset[str]
    grace_s: float = 10.0
    unanswered_max: int | None = None
    tries_max: int = TRIES_MAX
    _hosts: dict[str, _Host] = field(default_factory=dict)
    _waiting: dict[str, deque[Task]] = field(default_factory=dict)
    _suspects: dict[str, deque[_Suspect]] = field(default_factory=dict)  # by agent, in the order of their tasks
    _losses: dict[str, _Suspect] = field(default_factory=dict)  # those of them that a host has
    _unanswered: int = 0

    def step(self, event: Event) -> list[Instruction]:
        """The one door."""
        match event:
            case Drained(host, rows, now_s):
                return self._drained(host, rows, now_s)
            case Planned(tasks):
                return self._planned(tasks)
            case Tick(now_s):
                return self._tick(now_s)
            case HostReady():
                self._hosts[event.host] = _Host(event.host, event.agent, event.capacity, event.now_s)
                return self._submit(event.agent)
            case HostLost(host):
                return self._host_lost(host)
            case Cancelled(run_ids):
                return self._cancel(run_ids)
            case GivenUp(run_ids):
                return self._give_up(run_ids)

    @property
    def waiting(self) -> int:
        """Tasks that no host has yet."""
        return sum(map(len, self._waiting.values())) + sum(map(len, self._suspects.values()))

    @property
    def unanswered(self) -> int:
        """Tasks that a host has and has not answered."""
        return self._unanswered

    @property
    def open(self) -> int:
        return self.waiting + self._unanswered

    @property
    def hungry(self) -> bool:
        """Whether hosts could hold more than what waits: the moment to admit further runs."""
        return self.waiting < sum(host.free for host in self._hosts.values()) + len(self._hosts)

    def check(self) -> None:
        """The invariants, for tests."""
        assert self._unanswered == sum(len(host.tasks) for host in self._hosts.values())
        assert all(len(host.tasks) <= host.capacity for host in self._hosts.values())
        ids = [task_id for host in self._hosts.values() for task_id in host.tasks]
        ids += [task.id for tasks in self._waiting.values() for task in tasks]
        ids += [suspect.task.id for suspects in self._suspects.values() for suspect in suspects]
        assert len(ids) == len(set(ids)), "a task is in two places"
        for host in self._hosts.values():
            known = [self._losses[task_id] for task_id in host.tasks if task_id in self._losses]
            assert len(known) == (len(host.tasks) if host.suspects else 0), "a suspect has other company"
            assert all(len(known) <= suspect.company_max for suspect in known)

    def _planned(self, tasks: Sequence[Task]) -> list[Instruction]:
        known = [task for task in tasks if task.agent in self.agents]
        unknown = [task for task in tasks if task.agent not in self.agents]
        for task in known:
            self._waiting.setdefault(task.agent, deque()).append(task)
        said = [instruction for agent in {task.agent: None for task in known} for instruction in self._submit(agent)]
        return said + (_record(unknown, Reason.NO_SUCH_AGENT, self._no_such_agent) if unknown else [])

    def _no_such_agent(self, task: Task) -> str:
        return f"no agent is named {task.agent!r}; registered are {', '.join(sorted(self.agents)) or 'none'}"

    def _submit(self, agent: str) -> list[Instruction]:
        """Waiting tasks of one agent, in their order, to its hosts with the most room."""
        waiting, suspects = self._waiting.get(agent), self._suspects.get(agent)
        if not waiting and not suspects:
            return []
        hosts = [host for host in self._hosts.values() if host.agent == agent]
        instructions = self._submit_suspects(suspects, hosts) if suspects else []
        if not waiting:
            return instructions
        for host, share in _shares(hosts, min(len(waiting), self._allowance())):
            tasks = [waiting.popleft() for _ in range(share)]
            host.tasks.update((task.id, task) for task in tasks)
            self._unanswered += share
            instructions.append(Submit(host.id, tasks))
        return instructions

    def _submit_suspects(self, suspects: deque[_Suspect], hosts: Sequence[_Host]) -> list[Instruction]:
        """To each host that has nothing else, as many as may share one."""
        instructions: list[Instruction] = []
        for host in hosts:
            if host.tasks or not suspects:
                continue
            group_max = min(host.capacity, self._allowance())
            group: list[_Suspect] = []
            while suspects and len(group) < min(group_max, suspects[0].company_max):
                group_max = min(group_max, suspects[0].company_max)
                group.append(suspects.popleft())
            if group:
                host.suspects = True
                host.tasks = {suspect.task.id: suspect.task for suspect in group}
                self._losses |= {suspect.task.id: suspect for suspect in group}
                self._unanswered += len(group)
                instructions.append(Submit(host.id, list(host.tasks.values())))
        return instructions

    def _allowance(self) -> int:
        return 1 << 40 if self.unanswered_max is None else self.unanswered_max - self._unanswered

    def _drained(self, host_id: str, rows: Sequence[tuple[str, int]], now_s: float) -> list[Instruction]:
        host = self._hosts.get(host_id)
        if host is None:  # it was given up; its tasks have gone elsewhere
            return [Keep(host_id, [False] * len(rows))]
        host.heard_s = now_s
        kept = []
        for task_id, attempt in rows:
            task = host.tasks.get(task_id)
            keep = task is not None and task.attempt == attempt
            if keep:
                del host.tasks[task_id]
                self._losses.pop(task_id, None)
            kept.append(keep)
        self._unanswered -= sum(kept)
        host.suspects = host.suspects and bool(host.tasks)
        return [Keep(host_id, kept), *self._submit_after(host.agent)]

    def _submit_after(self, agent: str) -> list[Instruction]:
        """Room came free: for the same agent, or, where all hosts share a bound, for whichever waits."""
        agents = [agent] if self.unanswered_max is None else list(self._waiting)
        return [instruction for name in agents for instruction in self._submit(name)]

    def _tick(self, now_s: float) -> list[Instruction]:
        silent = [host for host in self._hosts.values() if now_s > self._due_s(host)]
        said: list[Instruction] = [Replace(host.id, host.agent) for host in silent]
        return said + self._lose(silent)

    def _due_s(self, host: _Host) -> float:
        """When a host must have answered: its longest deadline, and the grace, after it was last heard."""
        return host.heard_s + max((task.deadline_s for task in host.tasks.values()), default=0.0) + self.grace_s

    def _host_lost(self, host_id: str) -> list[Instruction]:
        host = self._hosts.get(host_id)
        return self._lose([host]) if host else []

    def _lose(self, hosts: Sequence[_Host]) -> list[Instruction]:
        """All of them leave before any of their tasks goes to another."""
        for host in hosts:
            del self._hosts[host.id]
            self._unanswered -= len(host.tasks)
        poison = [task for host in hosts for task in self._suspected(host)]
        said = [instruction for agent in {host.agent: None for host in hosts} for instruction in self._submit(agent)]
        return said + (_record(poison, Reason.HOST_LOST, self._poison_message) if poison else [])

    def _suspected(self, host: _Host) -> list[Task]:
        """Queue a lost host's tasks again, before all others; returns those that were lost too often."""
        poison, again = [], []
        for task in host.tasks.values():
            before = self._losses.pop(task.id, None)
            losses = before.losses + 1 if before else 1
            company_max = 1 if losses >= self.tries_max - 1 else max(1, isqrt(len(host.tasks)))
            if losses >= self.tries_max:
                poison.append(task)
            else:
                again.append(_Suspect(replace(task, attempt=task.attempt + 1), losses, company_max))
        self._suspects.setdefault(host.agent, deque()).extendleft(reversed(again))
        return poison

    def _poison_message(self, _: Task) -> str:
        return f"lost with its host {self.tries_max} times (at most {self.tries_max} tries), the last time alone there"

    def _cancel(self, run_ids: frozenset[str] | None) -> list[Instruction]:
        dropped = self._drop(run_ids)
        said: list[Instruction] = []
        for host in self._hosts.values():
            running = frozenset(t.id for t in host.tasks.values() if run_ids is None or t.run_id in run_ids)
            said += [Cancel(host.id, running)] if running else []
        return said + (
            _record(dropped, Reason.CANCELLED, lambda _: "cancelled before a host had it") if dropped else []
        )

    def _drop(self, run_ids: frozenset[str] | None) -> list[Task]:
        """Take what waits of these runs, or of all, out of the line."""
        dropped: list[Task] = []
        for agent, tasks in self._waiting.items():
            dropped += [task for task in tasks if run_ids is None or task.run_id in run_ids]
            self._waiting[agent] = deque(t for t in tasks if run_ids is not None and t.run_id not in run_ids)
        for agent, suspects in self._suspects.items():
            dropped += [s.task for s in suspects if run_ids is None or s.task.run_id in run_ids]
            self._suspects[agent] = deque(s for s in suspects if run_ids is not None and s.task.run_id not in run_ids)
        return dropped

    def _give_up(self, run_ids: frozenset[str] | None) -> list[Instruction]:
        """A host that has such tasks may still be at them; whatever it says of them later is not kept."""
        given_up: list[Task] = []
        for host in self._hosts.values():
            meant = [task for task in host.tasks.values() if run_ids is None or task.run_id in run_ids]
            for task in meant:
                del host.tasks[task.id]
                self._losses.pop(task.id, None)
            given_up += meant
            host.suspects = host.suspects and bool(host.tasks)
        self._unanswered -= len(given_up)
        given_up += self._drop(run_ids)
        said = _record(given_up, Reason.CANCELLED, lambda _: "cancelled, and its host did not answer in time")
        return said if given_up else []


def _shares(hosts: Sequence[_Host], tasks: int) -> Iterable[tuple[_Host, int]]:
    """How many of `tasks` each host gets: those with the fewest unanswered first, evenly, within their room."""
    rest = sorted((host for host in hosts if host.free > 0), key=lambda host: len(host.tasks))
    while rest and tasks > 0:
        host, *rest = rest
        share = min(host.free, -(-tasks // (len(rest) + 1)))
        tasks -= share
        yield host, share


def _record(tasks: Sequence[Task], reason: Reason, message: Callable[[Task], str]) -> list[Instruction]:
    return [
        Record(
            [
                Failure(
                    task_id=task.id,
                    run_id=task.run_id,
                    agent=task.agent,
                    attempt=task.attempt,
                    reason=reason,
                    message=message(task),
                )
                for task in tasks
            ]
        )
    ]
