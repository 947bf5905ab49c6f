"""What `Dispatcher` is told, and what it says is to be done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from actors.contracts import Failure, Task


@dataclass(frozen=True, slots=True, kw_only=True)
class HostReady:
    """A host of `agent` takes tasks, and runs `sessions_max` of them at once.

    It may hold `capacity` unanswered ones, and more where it answers so many from one round of the driver to the next.
    """

    host: str
    agent: str
    capacity: int
    sessions_max: int
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
    """A host is gone. Its unanswered tasks go again, on another.

    `silent`: it was killed because it did not answer; `blamed` is the task that held its event loop, where it is known.
    """

    host: str
    silent: bool = False
    blamed: str | None = None


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed: the batch's clock, in seconds, when hosts were last listened to."""

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
    """A host is silent for too long: kill it, start another of its agent, and say HostLost."""

    host: str
    agent: str


@dataclass(frozen=True, slots=True)
class Cancel:
    """A host is to end these tasks."""

    host: str
    task_ids: frozenset[str]


Instruction: TypeAlias = Submit | Keep | Record | Replace | Cancel
