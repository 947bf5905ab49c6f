"""What must happen because time has passed: deadlines of a batch and its runs, and what is waited for no longer.

The driver's machine for time. It has no clock: events say when they were, `Tick` says what time it is, and the
instructions say what is due. The times that tasks have are not here: hosts keep those, and `Dispatcher` those of hosts.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

NEVER_S = float("inf")
STOP_GRACE_S = 1.5  # for hosts to say what cancelled sessions came to; all is to be over 2 s after a signal
EXPIRE_AGAIN_S = 5.0  # commands of a host that was killed may still be on their way when it is
PLACED_S = 5.0  # a host that has not said that it is ready by then may wait for what the cluster does not have


@dataclass(frozen=True, slots=True)
class Begun:
    """The batch begins. Said again, for its last run, it changes nothing."""

    now_s: float


@dataclass(frozen=True, slots=True)
class Admitted:
    """These runs begin."""

    run_ids: Sequence[str]
    now_s: float


@dataclass(frozen=True, slots=True)
class RunCancelled:
    """What is open of a run has been told to end."""

    run_id: str
    now_s: float


@dataclass(frozen=True, slots=True)
class Stopped:
    """Everything has been told to end."""

    now_s: float


@dataclass(frozen=True, slots=True)
class HostStarted:
    host: str
    now_s: float


@dataclass(frozen=True, slots=True)
class HostIsReady:
    host: str


@dataclass(frozen=True, slots=True)
class HostGone:
    """A host was killed, and what it had set aside was charged."""

    host: str
    now_s: float


@dataclass(frozen=True, slots=True)
class Tick:
    now_s: float


Event: TypeAlias = Begun | Admitted | RunCancelled | Stopped | HostStarted | HostIsReady | HostGone | Tick


@dataclass(frozen=True, slots=True)
class EndBatch:
    """The batch's time is up: it ends with what it has."""


@dataclass(frozen=True, slots=True)
class EndRun:
    """A run's time is up: it ends with what it has."""

    run_id: str


@dataclass(frozen=True, slots=True)
class GiveUp:
    """What hosts have not answered of a run, or of all, is waited for no longer."""

    run_id: str | None = None


@dataclass(frozen=True, slots=True)
class ChargeAgain:
    """A host that is gone may have set something aside with its last breath."""

    host: str


@dataclass(frozen=True, slots=True)
class AskWhere:
    """A host is not ready yet: does the cluster have room for it?"""

    host: str


Instruction: TypeAlias = EndBatch | EndRun | GiveUp | ChargeAgain | AskWhere


@dataclass(slots=True)
class Clockwork:
    """Times that are due, each kind in order. `None` for a deadline sets none."""

    batch_deadline_s: float | None = None
    run_deadline_s: float | None = None
    _begun: bool = False
    _ends_s: float = NEVER_S
    _give_up_s: float = NEVER_S
    _runs: deque[tuple[float, str]] = field(default_factory=deque)  # when the runs' time is up
    _cancelled: deque[tuple[float, str]] = field(default_factory=deque)  # when what is open of them is given up
    _gone: deque[tuple[float, str]] = field(default_factory=deque)  # when hosts are charged for again
    _starting: dict[str, float] = field(default_factory=dict)  # when to ask where hosts are

    def step(self, event: Event) -> list[Instruction]:
        """The one door. Only `Tick` gives instructions."""
        match event:
            case Tick(now_s):
                return self._tick(now_s)
            case Begun(now_s):
                if self.batch_deadline_s is not None and not self._begun:
                    self._ends_s = now_s + self.batch_deadline_s
                self._begun = True
            case Admitted(run_ids, now_s):
                if self.run_deadline_s is not None:
                    self._runs.extend((now_s + self.run_deadline_s, run_id) for run_id in run_ids)
            case RunCancelled(run_id, now_s):
                self._cancelled.append((now_s + STOP_GRACE_S, run_id))
            case Stopped(now_s):
                self._ends_s = NEVER_S
                self._give_up_s = min(self._give_up_s, now_s + STOP_GRACE_S)
            case HostStarted(host, now_s):
                self._starting[host] = now_s + PLACED_S
            case HostIsReady(host):
                self._starting.pop(host, None)
            case HostGone(host, now_s):
                self._starting.pop(host, None)
                self._gone.append((now_s + EXPIRE_AGAIN_S, host))
        return []

    @property
    def due_s(self) -> float:
        """When something of runs or of the batch is due next."""
        return min([self._ends_s, self._give_up_s, *(due[0][0] for due in (self._runs, self._cancelled) if due)])

    def _tick(self, now_s: float) -> list[Instruction]:
        said: list[Instruction] = []
        if now_s > self._ends_s:
            self._ends_s = NEVER_S
            said.append(EndBatch())
        said += [EndRun(run_id) for run_id in _due(self._runs, now_s)]
        said += [GiveUp(run_id) for run_id in _due(self._cancelled, now_s)]
        if now_s > self._give_up_s:
            said.append(GiveUp())
        said += [ChargeAgain(host) for host in _due(self._gone, now_s)]
        return said + self._ask(now_s)

    def _ask(self, now_s: float) -> list[Instruction]:
        late = [host for host, ask_s in self._starting.items() if now_s > ask_s]
        self._starting |= dict.fromkeys(late, now_s + PLACED_S)
        return [AskWhere(host) for host in late]


def _due(times: deque[tuple[float, str]], now_s: float) -> list[str]:
    """Takes out those whose time has come."""
    due: list[str] = []
    while times and times[0][0] < now_s:
        due.append(times.popleft()[1])
    return due
