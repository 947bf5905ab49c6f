"""The hosts in this process: no Ray, starts at once, steps through in a debugger."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace

import pyarrow as pa

from actors.assembly import HostSpec, assemble
from actors.contracts import Task
from actors.hosting import Drained, Host
from actors.threads import Threads
from actors.tools.shared import Shared
from budget import Budget
from orchestrator.fleets import ROWS_MAX, WAIT_S, Answered, FleetEvent, Ready, Unplaced


@dataclass(slots=True)
class LocalFleet:
    """Hosts in the driver's own event loop. They share what they read, and their threads."""

    budget: Budget
    threads: Executor = field(default_factory=Threads)
    _hosts: dict[str, Host] = field(default_factory=dict)
    _ready: list[FleetEvent] = field(default_factory=list)
    _drains: dict[asyncio.Task[Drained], str] = field(default_factory=dict)
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))
    _shared: Shared = field(default_factory=Shared)

    def start(self, spec: HostSpec) -> str:
        made = replace(spec, id=f"{spec.specialist.name}-{next(self._numbers)}")
        self._hosts[made.id] = assemble(made, self.budget, shared=self._shared, threads=self.threads)
        self._ready.append(Ready(made.id, made.specialist.name, made.sessions_max))
        self.acknowledge(made.id, 0)
        return made.id

    def submit(self, host: str, tasks: Sequence[Task]) -> None:
        self._hosts[host].submit(tasks)

    def acknowledge(self, host: str, number: int) -> None:
        drain = self._hosts[host].drain(acknowledged=number, rows_max=ROWS_MAX, wait_s=WAIT_S)
        self._drains[asyncio.get_running_loop().create_task(drain)] = host

    async def poll(self, wait_s: float) -> Sequence[FleetEvent]:
        if self._ready:
            ready, self._ready = self._ready, []
            return ready
        done, _ = await asyncio.wait(self._drains, timeout=wait_s, return_when=asyncio.FIRST_COMPLETED)
        return [Answered(self._drains.pop(task), task.result()) for task in done]

    def cancel(self, host: str, task_ids: frozenset[str] | None) -> None:
        self._hosts[host].cancel(task_ids)

    async def blame(self, host: str) -> str | None:
        """Asked from the loop that the host shares, so whoever holds it is not held now."""
        return self._hosts[host].at_work()

    def at_work(self) -> str | None:
        """The task whose step the event loop is in at this moment. To be asked from another thread."""
        return next((task for host in list(self._hosts.values()) if (task := host.at_work())), None)

    def finished(self) -> list[tuple[str, pa.RecordBatch]]:
        """By host, outcomes that the driver has perhaps not heard of."""
        return [(name, host.finished) for name, host in list(self._hosts.items())]

    def unplaced(self, host: str) -> Unplaced | None:  # noqa: ARG002
        """Hosts of this process are ready at once."""
        return None

    def replace(self, host: str) -> str:
        """Hosts of this process die with it; a silent one cannot be killed alone."""
        raise AssertionError(f"host {host!r} shares this process")

    async def close(self) -> None:
        for task in self._drains:
            task.cancel()
        await asyncio.gather(*self._drains, return_exceptions=True)
        await asyncio.gather(*(host.close() for host in self._hosts.values()))
        self.threads.shutdown(wait=False, cancel_futures=True)
