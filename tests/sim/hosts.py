"""Hosts, their model and their way to the budget, in virtual time: each can be stopped, killed and lied about."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from actors.assembly import HostSpec, assemble
from actors.contracts import Task, Usage
from actors.hosting import Host
from actors.models.base import ModelError, ModelReply, ModelRequest, StopReason, Text
from actors.tables import task_batch, tasks_of
from budget.client import Budget, TransportLost
from budget.desk import Desk
from budget.wire import Reply
from orchestrator.fleets import Answered, FleetEvent, Lost, Ready, Unplaced

if TYPE_CHECKING:
    from sim.machine import Machine

LATENCY_S = (0.001, 0.05)
READY_S = (0.2, 4.0)
NOTICED_S = (0.05, 3.0)
REBORN_S = (0.5, 4.0)
NOBODY = ThreadPoolExecutor(1)  # never used: no tool of the simulation blocks


class Finding(BaseModel):
    n: int


@dataclass(slots=True)
class Gate:
    """What a host does to the world goes through here: not at all once it is dead, later while it is stopped."""

    dead: bool = False
    _open: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self._open.set()

    async def passed(self) -> None:
        await self._open.wait()
        if self.dead:
            await asyncio.Event().wait()

    def stop(self) -> None:
        self._open.clear()

    def go_on(self) -> None:
        self._open.set()

    def kill(self) -> None:
        self.dead = True
        self._open.set()


@dataclass(slots=True)
class BudgetPlace:
    """The budget actor: a desk over a real journal, which dies and comes back from it. Calls on their way are lost."""

    folder: Path
    dice: Random
    lossy: bool
    desk: Desk = field(init=False)
    _died: asyncio.Event = field(init=False)
    _down: bool = False

    def __post_init__(self) -> None:
        self._boot()

    def _boot(self) -> None:
        self.desk, self._died, self._down = Desk(self.folder), asyncio.Event(), False

    def kill(self) -> None:
        """With a record on its way to the disk, half of which gets there."""
        if self._down:
            return
        self._down = True
        self.release()
        journal = sorted(self.folder.glob("journal-*.log"))[-1]
        with journal.open("ab") as file:
            file.write(b"0123abcd 17952000000 [[1,2"[: self.dice.randrange(26)])
        self._died.set()
        asyncio.get_running_loop().call_later(self.dice.uniform(*REBORN_S), self._boot)

    def release(self) -> None:
        journal = self.desk._journal
        assert journal is not None
        journal.close()

    async def _call(self, call: Callable[[Desk], Any]) -> Any:
        await asyncio.sleep(self.dice.uniform(*LATENCY_S))
        if self._down:
            raise TransportLost("the actor is restarting")
        answer, died = asyncio.ensure_future(call(self.desk)), asyncio.ensure_future(self._died.wait())
        await asyncio.wait([answer, died], return_when=asyncio.FIRST_COMPLETED)
        died.cancel()
        if not answer.done() or (self.lossy and self.dice.random() < 0.02):
            answer.cancel()
            raise TransportLost("the answer was lost")
        return answer.result()

    async def apply(self, client_id: str, commands: Sequence[Any]) -> Reply:
        reply: Reply = await self._call(lambda desk: desk.apply(client_id, commands))
        await asyncio.sleep(self.dice.uniform(*LATENCY_S))
        return reply

    async def news(self, client_id: str, boot: str, alerts_after: int | None, wait_s: float) -> Any:
        return await self._call(lambda desk: desk.news(client_id, boot, alerts_after, wait_s))

    async def standing(self, account_ids: Sequence[str] | None) -> Any:
        return await self._call(lambda desk: desk.standing(account_ids))


@dataclass(slots=True)
class GatedTransport:
    """One host's way to the budget."""

    place: BudgetPlace
    gate: Gate

    async def apply(self, client_id: str, commands: Sequence[Any]) -> Reply:
        await self.gate.passed()
        reply = await self.place.apply(client_id, commands)
        await self.gate.passed()
        return reply

    async def news(self, client_id: str, boot: str, alerts_after: int | None, wait_s: float) -> Any:
        await self.gate.passed()
        news = await self.place.news(client_id, boot, alerts_after, wait_s)
        await self.gate.passed()
        return news

    async def standing(self, account_ids: Sequence[str] | None) -> Any:
        return await self.place.standing(account_ids)


@dataclass(slots=True)
class SimModel:
    """A provider: it bills what it begins, whoever hears of the reply."""

    machine: Machine
    fleet: SimFleet
    host: str

    async def reply(self, request: ModelRequest) -> ModelReply:
        machine, gate = self.machine, self.fleet.gates[self.host]
        await gate.passed()
        first = request.messages[0].blocks[0]
        assert isinstance(first, Text)
        task_id = first.text.partition("\n")[0]
        machine.called(task_id, self.host)
        if task_id in machine.poison:
            self.fleet.harm(self.host, task_id)
            await gate.passed()
        usage = Usage(
            machine.dice.randint(1, request.input_tokens_max or 1), machine.dice.randint(1, request.output_tokens_max)
        )
        fate = machine.fate()
        if fate == "refused":
            await asyncio.sleep(machine.dice.uniform(*machine.scenario.call_s))
            raise ModelError("529 overloaded")
        machine.billed(task_id, usage.total_tokens)
        if fate == "hangs":
            await asyncio.sleep(1e6)
        await asyncio.sleep(machine.dice.uniform(*machine.scenario.call_s))
        await gate.passed()
        if fate == "cut":
            raise ModelError("connection lost", unseen_tokens=usage.total_tokens)
        text = "no JSON" if fate == "invalid" else f'{{"n": {len(task_id)}}}'
        return ModelReply(blocks=(Text(text),), usage=usage, model="sim", stop_reason=StopReason.END_TURN)


@dataclass(slots=True)
class SimFleet:
    """The driver's `Fleet`: hosts that start late, answer twice, fall silent and die."""

    machine: Machine
    budget: BudgetPlace
    gates: dict[str, Gate] = field(default_factory=dict)
    spinning: dict[str, str] = field(default_factory=dict)  # hosts whose loop a task holds
    _specs: dict[str, HostSpec] = field(default_factory=dict)
    _hosts: dict[str, Host] = field(default_factory=dict)
    _repeats: dict[str, int] = field(default_factory=dict)
    _events: list[FleetEvent] = field(default_factory=list)
    _something: asyncio.Event = field(default_factory=asyncio.Event)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    @property
    def living(self) -> list[str]:
        return [host for host in self._hosts if not self.gates[host].dead]

    def start(self, spec: HostSpec) -> str:
        made = replace(spec, id=f"{spec.specialist.name}-{next(self._numbers)}")
        self._specs[made.id], self.gates[made.id] = made, Gate()
        self._spawn(self._begin(made))
        return made.id

    def submit(self, host: str, tasks: Sequence[Task]) -> None:
        assert host in self._specs, f"tasks for {host}, which was replaced"
        copies = tasks_of(task_batch(tasks))
        self.machine.trace("submit", host, [(task.id, task.attempt) for task in copies])
        if not self.gates[host].dead:
            self._spawn(self._deliver(host, copies))

    def acknowledge(self, host: str, number: int) -> None:
        if self._repeats.get(host, 0):  # of an answer that came twice; the first one was acknowledged
            self._repeats[host] -= 1
        elif host in self._hosts:
            self._spawn(self._drain(host, number))

    async def poll(self, wait_s: float) -> Sequence[FleetEvent]:
        if not self._events and wait_s > 0:
            self._something.clear()
            try:
                async with asyncio.timeout(wait_s):
                    await self._something.wait()
            except TimeoutError:
                pass
        else:
            await asyncio.sleep(0)
        events, self._events = self._events, []
        return [event for event in events if event.host in self._specs]

    def cancel(self, host: str, task_ids: frozenset[str] | None) -> None:
        if not self.gates[host].dead:
            self._spawn(self._cancel(host, task_ids))

    async def blame(self, host: str) -> str | None:
        await asyncio.sleep(self.machine.dice.uniform(*LATENCY_S))
        return self.spinning.get(host)

    def unplaced(self, host: str) -> Unplaced | None:  # noqa: ARG002
        return None

    def replace(self, host: str) -> str:
        self.machine.trace("replace", host)
        self.gates[host].kill()
        self._hosts.pop(host, None)
        return self.start(self._specs.pop(host))

    async def close(self) -> None:
        for gate in self.gates.values():
            gate.kill()

    def kill(self, host: str, *, silently: bool) -> None:
        """A host dies. `silently`: nobody tells the driver."""
        self.machine.trace("kill", host, silently)
        self.gates[host].kill()
        if not silently:
            loop = asyncio.get_running_loop()
            loop.call_later(self.machine.dice.uniform(*NOTICED_S), self._push, Lost(host, "killed"))

    def harm(self, host: str, task_id: str) -> None:
        """What poison does: it kills its host, loudly or not, or holds its event loop for ever."""
        kind = self.machine.dice.choice(("kills", "kills silently", "spins"))
        if kind == "spins":
            self.machine.trace("spins", host, task_id)
            self.spinning[host] = task_id
            self.gates[host].stop()
        else:
            self.kill(host, silently=kind != "kills")

    def stop_for(self, host: str, seconds: float) -> None:
        self.machine.trace("stopped", host, round(seconds, 3))
        self.gates[host].stop()
        asyncio.get_running_loop().call_later(seconds, self.gates[host].go_on)

    async def _begin(self, spec: HostSpec) -> None:
        await asyncio.sleep(self.machine.dice.uniform(*READY_S))
        gate = self.gates[spec.id]
        await gate.passed()
        model = SimModel(self.machine, self, spec.id)
        travelled = replace(spec, model=lambda _: model)
        self._hosts[spec.id] = assemble(travelled, Budget(GatedTransport(self.budget, gate)), threads=NOBODY)
        self._push(Ready(spec.id, spec.specialist.name, spec.sessions_max))
        self.acknowledge(spec.id, 0)

    async def _deliver(self, host: str, tasks: Sequence[Task]) -> None:
        await self.gates[host].passed()
        if host in self._hosts:
            self._hosts[host].submit(tasks)

    async def _cancel(self, host: str, task_ids: frozenset[str] | None) -> None:
        await asyncio.sleep(LATENCY_S[1])
        await self.gates[host].passed()
        if host in self._hosts:
            self._hosts[host].cancel(task_ids)

    async def _drain(self, host: str, acknowledged: int) -> None:
        dice, gate, actor = self.machine.dice, self.gates[host], self._hosts[host]
        await asyncio.sleep(dice.uniform(*LATENCY_S))
        await gate.passed()
        drained = await actor.drain(acknowledged=acknowledged, rows_max=dice.randint(1, 50), wait_s=1.0)
        await asyncio.sleep(dice.uniform(*LATENCY_S))
        await gate.passed()
        if self.machine.happens(0.02):  # the answer was lost: asked again, the same rows come
            self._spawn(self._drain(host, acknowledged))
            return
        self._push(Answered(host, drained))
        if self.machine.happens(0.02):
            self._repeats[host] = self._repeats.get(host, 0) + 1
            self._push(Answered(host, drained))

    def _push(self, event: FleetEvent) -> None:
        if event.host in self._specs:
            rows = event.drained.rows.column("task_id").to_pylist() if isinstance(event, Answered) else ()
            self.machine.trace(type(event).__name__, event.host, rows)
            self._events.append(event)
            self._something.set()

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self.machine.broke(task.exception())
