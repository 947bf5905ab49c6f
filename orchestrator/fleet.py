"""The hosts as Ray actors: few calls, many sub-agents, gathered by `ray.wait` with a timeout."""

from __future__ import annotations

import asyncio
import itertools
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, cast

import ray
from ray import cloudpickle
from ray.exceptions import RayError, RayTaskError

from actors.assembly import HostSpec
from actors.contracts import Task
from actors.host import start_host
from actors.tables import task_batch
from actors.terminal import line
from budget import Budget, BudgetFactory
from budget.actor import connect, find_shared, start_budget
from budget.errors import SettingsError
from orchestrator.cluster import connected, cores, free_on_nodes, nodes
from orchestrator.fleets import ROWS_MAX, WAIT_S, Answered, FleetEvent, Lost, Ready, Unplaced
from orchestrator.placement import misfit, no_room
from orchestrator.settings import Settings

BLAME_S = 1.0  # for a host that does not answer to say what it is at


@asynccontextmanager
async def ray_place(
    settings: Settings, ledger: Path, *, hosts: Sequence[HostSpec] = ()
) -> AsyncIterator[tuple[RayFleet, Budget]]:
    """A cluster's hosts to be, and the budget that they and the driver pay from. Its journal lies in `ledger`.

    `hosts` are on their way up while the budget is, since they will be started. Raises as `RayFleet.start`.
    """
    with connected(settings):
        shared = settings.shared_budget
        actor = find_shared(shared) if shared else start_budget(ledger, durable=settings.durable)
        connected_to = partial(connect, actor)
        budget = connected_to()
        ours = settings.mode == "embedded"
        fleet = RayFleet(connected_to, fixed=ours, first=max(1, cores()) if ours else sys.maxsize)
        try:
            fleet.begin(hosts)
            yield fleet, budget
        finally:
            await budget.aclose()


@dataclass(slots=True)
class RayFleet:
    """One actor per host. `ledger` makes the client by which each pays from the one budget.

    `fixed`: the cluster has the nodes that it has, and nobody adds any.
    `first`: so many hosts are started before one of them is ready, the others then. A start takes most of a second of
    a core, and those that begin beside each other on one are all late. On a cluster that grows none waits for another.
    """

    ledger: BudgetFactory
    fixed: bool = False
    first: int = sys.maxsize
    _specs: dict[str, HostSpec] = field(default_factory=dict)
    _actors: dict[str, Any] = field(default_factory=dict)
    _pending: dict[Any, tuple[str, str]] = field(default_factory=dict)  # ref -> (host, "ready" | "drain")
    _later: list[HostSpec] = field(default_factory=list)  # as soon as one is ready
    _begun: list[tuple[HostSpec, str]] = field(default_factory=list)  # not asked for yet
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def begin(self, specs: Sequence[HostSpec]) -> None:
        """Begin to start hosts that `start` is about to ask for. Raises as that does."""
        self._begun += [(spec, self.start(spec)) for spec in specs]

    def start(self, spec: HostSpec) -> str:
        """Begin to start a host; `poll` says when it is ready. Gives the id that the host got.

        Raises SettingsError when this cluster, which does not grow, has no node for it, or when it cannot travel.
        """
        for begun in self._begun:
            if begun[0] == spec:
                self._begun.remove(begun)
                return begun[1]
        if why := stays_here(spec):
            raise SettingsError(why)
        if self.fixed and (why := misfit(spec.specialist, nodes())):
            raise SettingsError(why)
        return self._start(spec)

    def _start(self, spec: HostSpec) -> str:
        made = replace(spec, id=f"{spec.specialist.name}-{next(self._numbers)}")
        self._specs[made.id] = made
        self._later.append(made)
        self._launch(max(0, self.first - len(self._pending)))
        return made.id

    def _launch(self, count: int) -> None:
        """Start so many of those that wait for their start, at most."""
        now, self._later = self._later[:count], self._later[count:]
        for spec in now:
            actor = self._actors[spec.id] = start_host(spec, self.ledger)
            self._pending[actor.ready.remote()] = (spec.id, "ready")

    def submit(self, host: str, tasks: Sequence[Task]) -> None:
        self._actors[host].submit.remote(task_batch(tasks))

    def acknowledge(self, host: str, number: int) -> None:
        """The rows of drain `number` are safe; ask for the next."""
        actor = self._actors.get(host)
        if actor is not None:
            self._pending[actor.drain.remote(number, ROWS_MAX, WAIT_S)] = (host, "drain")

    async def poll(self, wait_s: float) -> Sequence[FleetEvent]:
        """What hosts have answered, waiting up to `wait_s` for the first."""
        if not self._pending:
            await asyncio.sleep(wait_s)
            return []
        refs = await asyncio.to_thread(self._answered, wait_s)
        return [event for ref in refs for event in self._event(ref)]

    def cancel(self, host: str, task_ids: frozenset[str] | None) -> None:
        self._actors[host].cancel.remote(task_ids)

    async def blame(self, host: str) -> str | None:
        """The task that holds the event loop of a silent host. A process that is stopped or gone does not tell."""
        try:
            return cast("str | None", await asyncio.wait_for(self._actors[host].at_work.remote(), BLAME_S))
        except (RayError, TimeoutError):
            return None

    def unplaced(self, host: str) -> Unplaced | None:
        specialist = self._specs[host].specialist
        if why := misfit(specialist, nodes()):
            return Unplaced(why, never=self.fixed)
        why = no_room(specialist, free_on_nodes())
        return Unplaced(why) if why else None

    def replace(self, host: str) -> str:
        """Kill a host and start another of its kind. Gives the new one's id."""
        self._kill(host)
        return self._start(self._specs.pop(host))

    async def close(self) -> None:
        """End all hosts."""
        for host in list(self._actors):
            self._kill(host)

    def _answered(self, wait_s: float) -> list[Any]:
        first, rest = ray.wait(list(self._pending), num_returns=1, timeout=wait_s)
        if first and rest:
            more, _ = ray.wait(rest, num_returns=len(rest), timeout=0)
            first += more
        return list(first)

    def _event(self, ref: Any) -> list[FleetEvent]:
        host, kind = self._pending.pop(ref)
        if self._later:
            self.first = sys.maxsize
            self._launch(self.first)
        try:
            answer = ray.get(ref)
        except RayError as error:
            return [Lost(host, _told(error))]
        if kind == "ready":
            self.acknowledge(host, 0)
            spec = self._specs[host]
            return [Ready(host, spec.specialist.name, spec.sessions_max)]
        return [Answered(host, answer)]

    def _kill(self, host: str) -> None:
        actor = self._actors.pop(host, None)
        self._pending = {ref: of for ref, of in self._pending.items() if of[0] != host}
        self._later = [spec for spec in self._later if spec.id != host]
        if actor is not None:
            ray.kill(actor)


def stays_here(spec: HostSpec) -> str:
    """Which part of a host cannot be pickled, and what to do about it; empty when all of it travels."""
    parts = {"its model": spec.model, **{f"its tool {tool.name!r}": tool for tool in spec.specialist.tools}}
    for name, part in {**parts, "it": spec}.items():
        try:
            cast(Any, cloudpickle).dumps(part)
        except Exception as error:
            return (
                f"a host of {spec.specialist.name!r} cannot travel to its process: {name} holds what does not pickle "
                f"({error}); make that where it is used, as a model by a function of the specialist, or run with "
                "mode='local'"
            )
    return ""


def _told(error: RayError) -> str:
    """What happened to a host, in a line: what it raised itself, as it was made too, or what Ray says."""
    cause = error.cause if isinstance(error, RayTaskError) and isinstance(error.cause, Exception) else error
    first, *rest = str(cause).splitlines() or [""]
    if rest and "creation task" in first:
        return line(rest[-1])
    return line(f"{type(cause).__name__}: {first}")
