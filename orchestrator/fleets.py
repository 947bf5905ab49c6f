"""The hosts of all specialists, as the driver reaches them: in this process, or as Ray actors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from actors.assembly import HostSpec
from actors.contracts import Task
from actors.hosting import Drained

ROWS_MAX = 4096  # of one drain
WAIT_S = 1.0  # a drain without rows answers after this, so that a silent host is told from an idle one


@dataclass(frozen=True, slots=True)
class Ready:
    """A host can take tasks."""

    host: str
    agent: str
    sessions_max: int


@dataclass(frozen=True, slots=True)
class Answered:
    """A host's drain came back."""

    host: str
    drained: Drained


@dataclass(frozen=True, slots=True)
class Lost:
    """A host died, or its connection."""

    host: str
    message: str


FleetEvent: TypeAlias = Ready | Answered | Lost


@dataclass(frozen=True, slots=True)
class Unplaced:
    """Why a host is not ready. `never`: nothing will change that."""

    message: str
    never: bool = False


class Fleet(Protocol):
    """Starts hosts, hands them tasks, and hears what they answer."""

    def start(self, spec: HostSpec) -> str:
        """Begin to start a host; `poll` says when it is ready. Gives the id that it got: agent, dash, number."""
        ...

    def submit(self, host: str, tasks: Sequence[Task]) -> None: ...

    def acknowledge(self, host: str, number: int) -> None:
        """The rows of drain `number` are safe; ask for the next."""
        ...

    async def poll(self, wait_s: float) -> Sequence[FleetEvent]:
        """What hosts have answered, waiting up to `wait_s` seconds for the first."""
        ...

    def cancel(self, host: str, task_ids: frozenset[str] | None) -> None: ...

    async def blame(self, host: str) -> str | None:
        """The task that holds the event loop of a silent host, if the host can tell."""
        ...

    def unplaced(self, host: str) -> Unplaced | None:
        """What a host waits for that is not ready; None, when it is only slow."""
        ...

    def replace(self, host: str) -> str:
        """Kill a host and start another of its kind. Gives the new one's id."""
        ...

    async def close(self) -> None: ...
