"""Which task goes to which host, and what becomes of it: the driver's machine. No clock, no Ray, no files.

Events in, instructions out. Every task that comes in as Planned leaves as exactly one kept outcome: the host's,
or one of the driver's own (no such agent, host lost, cancelled).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from actors.contracts import Reason, Task, failure
from orchestrator.host_load import AHEAD_MAX, HostLoad, shares
from orchestrator.moves import (
    Cancel,
    Cancelled,
    Drained,
    Event,
    GivenUp,
    HostLost,
    HostReady,
    Instruction,
    Keep,
    Planned,
    Record,
    Replace,
    Submit,
    Tick,
)
from orchestrator.suspects import TRIES_MAX, Suspect, lost_again, suspects_patience_s

ENDED_KEPT = 1_024  # runs that were cancelled, until those without tasks are left out


@dataclass(slots=True)
class Dispatcher:
    """`agents` are those that have, or will have, hosts. `unanswered_max` bounds all hosts together (None: they do).

    Tasks that were lost with a host go again by the rules of `suspects`. `grace_s` is what a run may take above its
    longest deadline; infinity: hosts are never taken for hung.
    """

    agents: frozenset[str]
    grace_s: float = 10.0
    unanswered_max: int | None = None
    tries_max: int = TRIES_MAX
    _hosts: dict[str, HostLoad] = field(default_factory=dict)
    _waiting: dict[str, deque[Task]] = field(default_factory=dict)
    _suspects: dict[str, deque[Suspect]] = field(default_factory=dict)  # by agent, in the order of their tasks
    _losses: dict[str, Suspect] = field(default_factory=dict)  # those of them that a host has
    _ended: set[str] = field(default_factory=set)  # runs that were cancelled, some of them without tasks by now
    _ended_max: int = ENDED_KEPT  # then those are left out
    _all_ended: bool = False
    _unanswered: int = 0
    _now_s: float = 0.0  # when something happened last

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
                return self._host_ready(event)
            case HostLost(host, silent, blamed):
                return self._host_lost(host, silent, blamed)
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

    @property
    def longest_deadline_s(self) -> float:
        """Of the tasks that hosts have."""
        tasks = (task for host in list(self._hosts.values()) for task in list(host.tasks.values()))
        return max((task.deadline_s for task in tasks), default=0.0)

    def task(self, task_id: str) -> Task | None:
        """A task that a host has."""
        return next((host.tasks[task_id] for host in self._hosts.values() if task_id in host.tasks), None)

    def check(self) -> None:
        """The invariants, for tests."""
        assert all(host.tasks or not host.suspects for host in self._hosts.values())
        assert self._unanswered == sum(len(host.tasks) for host in self._hosts.values())
        assert all(len(host.tasks) <= max(host.capacity, AHEAD_MAX) for host in self._hosts.values())
        ids = [task_id for host in self._hosts.values() for task_id in host.tasks]
        ids += [task.id for tasks in self._waiting.values() for task in tasks]
        ids += [suspect.task.id for suspects in self._suspects.values() for suspect in suspects]
        assert len(ids) == len(set(ids)), "a task is in two places"
        for host in self._hosts.values():
            known = [self._losses[task_id] for task_id in host.tasks if task_id in self._losses]
            assert len(known) == (len(host.tasks) if host.suspects else 0), "a suspect has other company"
            assert all(len(known) <= suspect.company_max for suspect in known)

    def _host_ready(self, ready: HostReady) -> list[Instruction]:
        self._now_s = ready.now_s
        self._hosts[ready.host] = HostLoad(ready.host, ready.agent, ready.capacity, ready.sessions_max, ready.now_s)
        return self._submit(ready.agent)

    def _planned(self, tasks: Sequence[Task]) -> list[Instruction]:
        known = [task for task in tasks if task.agent in self.agents]
        unknown = [task for task in tasks if task.agent not in self.agents]
        for task in known:
            self._waiting.setdefault(task.agent, deque()).append(task)
        said = [instruction for agent in {task.agent: None for task in known} for instruction in self._submit(agent)]
        return said + _record(unknown, Reason.NO_SUCH_AGENT, self._no_such_agent)

    def _no_such_agent(self, task: Task) -> str:
        return f"no agent is named {task.agent!r}; registered are {', '.join(sorted(self.agents)) or 'none'}"

    def _submit(self, agent: str) -> list[Instruction]:
        """Waiting tasks of one agent, in their order, to the hosts that have the fewest."""
        waiting, suspects = self._waiting.get(agent), self._suspects.get(agent)
        if not waiting and not suspects:
            return []
        hosts = [host for host in self._hosts.values() if host.agent == agent]
        instructions = self._submit_suspects(suspects, hosts) if suspects else []
        if not waiting:
            return instructions
        for host, share in shares(hosts, min(len(waiting), self._allowance())):
            tasks = [waiting.popleft() for _ in range(share)]
            host.take(tasks, self._now_s)
            self._unanswered += share
            instructions.append(Submit(host.id, tasks))
        return instructions

    def _submit_suspects(self, suspects: deque[Suspect], hosts: Sequence[HostLoad]) -> list[Instruction]:
        """To each host that has nothing else, as many as may share one."""
        instructions: list[Instruction] = []
        for host in hosts:
            if host.tasks or host.gone or not suspects:
                continue
            group_max = min(host.capacity, self._allowance())
            group: list[Suspect] = []
            while suspects and len(group) < min(group_max, suspects[0].company_max):
                group_max = min(group_max, suspects[0].company_max)
                group.append(suspects.popleft())
            if group:
                instructions.append(self._submit_group(host, group))
        return instructions

    def _submit_group(self, host: HostLoad, group: Sequence[Suspect]) -> Submit:
        host.suspects, host.patience_s = True, suspects_patience_s(group, self._now_s)
        host.heard_s = max(host.heard_s, self._now_s)
        tasks = [suspect.on_its_way(self._now_s, self.grace_s) for suspect in group]
        host.take(tasks, self._now_s)
        self._losses |= {suspect.task.id: suspect for suspect in group}
        self._unanswered += len(group)
        return Submit(host.id, tasks)

    def _allowance(self) -> int:
        return 1 << 40 if self.unanswered_max is None else self.unanswered_max - self._unanswered

    def _drained(self, host_id: str, rows: Sequence[tuple[str, int]], now_s: float) -> list[Instruction]:
        host = self._hosts.get(host_id)
        if host is None:  # it was given up; its tasks have gone elsewhere
            return [Keep(host_id, [False] * len(rows))]
        host.heard_s = self._now_s = now_s
        kept = []
        for task_id, attempt in rows:
            task = host.tasks.get(task_id)
            keep = task is not None and task.attempt == attempt
            if keep:
                del host.tasks[task_id]
                self._losses.pop(task_id, None)
            kept.append(keep)
        answered = sum(kept)
        self._unanswered -= answered
        host.round = max(answered, host.round * 3 // 4)
        host.suspects = host.suspects and bool(host.tasks)
        return [Keep(host_id, kept), *self._submit_after(host.agent)]

    def _submit_after(self, agent: str) -> list[Instruction]:
        """Room came free: for the same agent, or, where all hosts share a bound, for whichever waits."""
        agents = [agent] if self.unanswered_max is None else list(self._waiting)
        return [instruction for name in agents for instruction in self._submit(name)]

    def _tick(self, now_s: float) -> list[Instruction]:
        self._now_s = now_s
        if self.grace_s == float("inf"):
            return []
        hung = [host for host in self._hosts.values() if host.is_hung(now_s)]
        for host in hung:
            host.gone = True  # its tasks are lost when it is known whose fault that was
        return [Replace(host.id, host.agent) for host in hung] + self._out_of_time()

    def _out_of_time(self) -> list[Instruction]:
        """Culprits whose time passed while they waited for a host do not go again."""
        late: list[Task] = []
        for agent, suspects in self._suspects.items():
            out = [one.is_out_of_time(self._now_s) for one in suspects]
            if any(out):
                late += [one.last_attempt for one, is_late in zip(suspects, out, strict=True) if is_late]
                self._suspects[agent] = deque(one for one, is_late in zip(suspects, out, strict=True) if not is_late)
        return _record(late, Reason.HOST_LOST, lambda _: "its host hung with it, and its deadline has passed")

    def _host_lost(self, host_id: str, silent: bool, blamed: str | None) -> list[Instruction]:
        host = self._hosts.pop(host_id, None)
        if host is None:
            return []
        self._unanswered -= len(host.tasks)
        cancelled = [task for task in host.tasks.values() if self._is_ended(task)]
        for task in cancelled:
            del host.tasks[task.id]
            self._losses.pop(task.id, None)
        ended = self._lose(host, silent, blamed)
        said = self._submit_after(host.agent)
        said += _record(cancelled, Reason.CANCELLED, lambda _: "cancelled, and lost with its host")
        return said + [one for suspect in ended for one in self._record_lost(suspect)]

    def _lose(self, host: HostLoad, silent: bool, blamed: str | None) -> Sequence[Suspect]:
        """Queue a lost host's tasks again, before all others but culprits; returns those that have come to an end."""
        began_s = host.began_s(self._now_s, blamed)
        first, last, ended = lost_again(
            [self._suspect(task, began_s[task.id], len(host.tasks)) for task in host.tasks.values()],
            silent=silent,
            blamed=blamed,
            tries_max=self.tries_max,
            now_s=self._now_s,
        )
        queue = self._suspects.setdefault(host.agent, deque())
        queue.extendleft(reversed(first))
        queue.extend(last)
        return ended

    def _suspect(self, task: Task, began_s: float, company: int) -> Suspect:
        known = self._losses.pop(task.id, None)
        suspect = known or Suspect(task=task, company_max=company, began_s=began_s, deadline_s=task.deadline_s)
        return replace(suspect, used_s=suspect.used_s + self._now_s - began_s)

    def _record_lost(self, suspect: Suspect) -> list[Instruction]:
        message = f"its host hung with it, and its deadline of {suspect.deadline_s:g} s has passed"
        if suspect.losses >= self.tries_max:
            tries = f"{suspect.hosts} times (at most {self.tries_max} tries)"
            message = f"lost with its host {tries}, the last time alone there"
        return _record([suspect.last_attempt], Reason.HOST_LOST, lambda _: message)

    def _is_ended(self, task: Task) -> bool:
        return self._all_ended or task.run_id in self._ended

    def _cancel(self, run_ids: frozenset[str] | None) -> list[Instruction]:
        self._all_ended = self._all_ended or run_ids is None
        self._ended |= run_ids or frozenset()
        self._forget_ended()
        dropped = self._drop(run_ids)
        said: list[Instruction] = []
        for host in self._hosts.values():
            running = frozenset(t.id for t in host.tasks.values() if run_ids is None or t.run_id in run_ids)
            said += [Cancel(host.id, running)] if running and not host.gone else []
        return said + _record(dropped, Reason.CANCELLED, lambda _: "cancelled before a host had it")

    def _forget_ended(self) -> None:
        """A run that was cancelled matters as long as hosts have tasks of it; a long batch may cancel thousands."""
        if len(self._ended) > self._ended_max:
            self._ended &= {task.run_id for host in self._hosts.values() for task in host.tasks.values()}
            self._ended_max = max(ENDED_KEPT, 2 * len(self._ended))

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
        return _record(given_up, Reason.CANCELLED, lambda _: "cancelled, and its host did not answer in time")


def _record(tasks: Sequence[Task], reason: Reason, message: Callable[[Task], str]) -> list[Instruction]:
    return [Record([failure(task, reason, message(task)) for task in tasks])] if tasks else []
