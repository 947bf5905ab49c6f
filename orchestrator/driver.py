"""The driver: admits runs, hands their tasks to hosts, makes outcomes durable, and lets patterns decide what follows.

It carries out what two machines say: `Dispatch` (which task goes where) and `Runs` (what follows from outcomes).
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias, cast

import pyarrow as pa

from actors.accounts import run_account
from actors.assembly import HostSpec
from actors.contracts import Outcome, Task
from actors.hosting import Drained
from actors.tables import OK, OutcomeRows, outcome_batch, task_batch
from budget import Budget, Limit
from orchestrator import dispatch
from orchestrator.dispatch import Dispatch
from orchestrator.runs import Finish, Run, Runs, State, Step
from orchestrator.settings import Settings
from orchestrator.store import RunDirectory
from orchestrator.telemetry import Telemetry

log = logging.getLogger("muster.driver")

POLL_S = 0.5  # how long a poll waits for the first answer
ADMITTED_AT_ONCE = 64  # runs whose accounts are opened together
PREFETCH = 4  # a host may hold this many times the tasks that it runs at once


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


class Fleet(Protocol):
    """The hosts of all specialists, as the driver reaches them: in this process, or as Ray actors."""

    def start(self, spec: HostSpec) -> str: ...

    def submit(self, host: str, tasks: Sequence[Task]) -> None: ...

    def acknowledge(self, host: str, number: int) -> None: ...

    async def poll(self, wait_s: float) -> Sequence[FleetEvent]: ...

    def cancel(self, host: str, task_ids: frozenset[str] | None) -> None: ...

    def replace(self, host: str) -> str: ...

    async def close(self) -> None: ...


@dataclass(slots=True)
class Tally:
    """Where a batch stands, for progress and for the end."""

    runs_finished: int = 0
    runs_admitted: int = 0
    tasks_planned: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    spent_tokens: int = 0
    cost_microusd: int | None = 0

    def count(self, rows: OutcomeRows) -> None:
        self.statuses.update(rows.column("status"))
        self.spent_tokens += sum(rows.column("spent_tokens"))
        costs = rows.column("cost_microusd")
        unknown = self.cost_microusd is None or None in costs
        self.cost_microusd = None if unknown else cast(int, self.cost_microusd) + sum(costs)

    @property
    def succeeded(self) -> int:
        return self.statuses[OK]


FinishedRun: TypeAlias = Callable[[Run, State], None]


@dataclass(slots=True)
class Driver:
    """One batch at work. `finished` is called with each run as it ends; `progress` now and then."""

    fleet: Fleet
    budget: Budget
    directory: RunDirectory
    settings: Settings
    account: str
    finished: FinishedRun
    telemetry: Telemetry
    progress: Callable[[Tally], None] = lambda _: None
    clock: Callable[[], float] = time.monotonic
    tally: Tally = field(default_factory=Tally)
    stopped: str = ""  # why the batch was ended early, when it was
    _dispatch: Dispatch = field(init=False)
    _runs: Runs = field(default_factory=Runs)
    _own: list[Outcome] = field(default_factory=list)  # outcomes that no host gives, not yet durable
    _new_tasks: list[pa.RecordBatch] = field(default_factory=list)
    _sequence: int = 0

    async def run(self, runs: Iterator[Run], specs: Sequence[HostSpec]) -> Tally:
        """Run a batch to its end: every planned task has exactly one outcome when this returns."""
        agents = frozenset(spec.specialist.name for spec in specs)
        crowded = self.settings.sessions_max < len(specs)
        self._dispatch = Dispatch(
            agents,
            grace_s=float("inf") if self.settings.mode == "local" else self.settings.grace_s,
            unanswered_max=self.settings.sessions_max if crowded else None,
        )
        for spec in specs:
            self.fleet.start(spec)
        ends_s = self.clock() + (self.settings.batch_deadline_s or float("inf"))
        more = True
        while more or self._dispatch.open or len(self._runs):
            if more and not self.stopped:
                more = await self._admit(runs)
            await self._turn()
            if self.clock() > ends_s and not self.stopped:
                self.stop(f"the batch's deadline of {self.settings.batch_deadline_s:g} s has passed")
            more = more and not self.stopped
        return self.tally

    def stop(self, why: str) -> None:
        """End the batch early: nothing further starts, what runs is cancelled, and what is there is kept."""
        self.stopped = self.stopped or why
        self._carry_out(self._dispatch.step(dispatch.Cancelled()))

    async def _admit(self, runs: Iterator[Run]) -> bool:
        """Take in runs while hosts are hungry. False when there are no more."""
        while self._dispatch.hungry and (room := self.settings.runs_ahead - len(self._runs)) > 0:
            admitted = list(itertools.islice(runs, min(room, ADMITTED_AT_ONCE)))
            await asyncio.gather(*(self._open_account(run) for run in admitted))
            for run in admitted:
                self._follow(run.id, self._runs.admit(run))
            self.tally.runs_admitted += len(admitted)
            if not admitted:
                return False
        return True

    async def _open_account(self, run: Run) -> None:
        await self.budget.open(run_account(self.account, run.id), parent=self.account, limit=run.limit or Limit())

    async def _turn(self) -> None:
        """One round: what hosts answered becomes durable, then patterns see it, then hosts may forget it."""
        batches: list[pa.RecordBatch] = []
        drained: list[tuple[str, int]] = []
        for event in await self.fleet.poll(0.0 if self._own else POLL_S):
            match event:
                case Answered(host, answer):
                    drained.append((host, answer.number))
                    batches.append(self._kept(host, answer.rows))
                case Ready(host, agent, sessions_max):
                    capacity = max(16, PREFETCH * sessions_max)
                    now_s = self.clock()
                    ready = dispatch.HostReady(host=host, agent=agent, capacity=capacity, now_s=now_s)
                    self._carry_out(self._dispatch.step(ready))
                case Lost(host, message):
                    self._lost(host, message)
        self._carry_out(self._dispatch.step(dispatch.Tick(self.clock())))
        await self._settle(batches)
        for host, number in drained:
            self.fleet.acknowledge(host, number)
        self.progress(self.tally)

    def _kept(self, host: str, rows: pa.RecordBatch) -> pa.RecordBatch:
        """The rows of a drain that are outcomes, not repetitions."""
        ids = list(zip(rows.column("task_id").to_pylist(), rows.column("attempt").to_pylist(), strict=True))
        keep, *rest = self._dispatch.step(dispatch.Drained(host, ids, self.clock()))
        assert isinstance(keep, dispatch.Keep)
        self._carry_out(rest)
        return rows if all(keep.rows) else rows.filter(pa.array(keep.rows, pa.bool_()))

    async def _settle(self, batches: list[pa.RecordBatch]) -> None:
        own, self._own = self._own, []
        if own:
            batches.append(outcome_batch(own))
        batches = [batch for batch in batches if batch.num_rows]
        tasks, self._new_tasks = self._new_tasks, []
        if batches or tasks:
            await asyncio.to_thread(self._write, batches, tasks)
        for rows in map(OutcomeRows, batches):
            self.tally.count(rows)
            self.telemetry.outcomes(rows, self._runs)
            for run_id, step in self._runs.end(rows.column("task_id"), rows.column("run_id"), rows).items():
                self._follow(run_id, step)

    def _write(self, outcomes: list[pa.RecordBatch], tasks: list[pa.RecordBatch]) -> None:
        self.directory.append_tasks(tasks)
        self.directory.append_outcomes(outcomes)

    def _follow(self, run_id: str, step: Step) -> None:
        if isinstance(step, Finish):
            run, state = self._runs.close(run_id)
            self.tally.runs_finished += 1
            self.telemetry.run_ended(run, state)
            self.finished(run, state)
        elif step:
            self._plan(step)

    def _plan(self, tasks: Sequence[Task]) -> None:
        self.tally.tasks_planned += len(tasks)
        self._new_tasks.append(task_batch(tasks))
        self._carry_out(self._dispatch.step(dispatch.Planned(tasks)))

    def _lost(self, host: str, message: str) -> None:
        log.warning("host lost host=%s error=%s", host, message)
        self.fleet.replace(host)
        self._carry_out(self._dispatch.step(dispatch.HostLost(host)))

    def _carry_out(self, instructions: Sequence[dispatch.Instruction]) -> None:
        for instruction in instructions:
            match instruction:
                case dispatch.Submit(host, tasks):
                    self.fleet.submit(host, tasks)
                case dispatch.Record(failures):
                    self._own.extend(failures)
                case dispatch.Cancel(host, task_ids):
                    self.fleet.cancel(host, task_ids)
                case dispatch.Replace(host, agent):
                    log.warning("host silent past its deadline; replaced host=%s agent=%s", host, agent)
                    self.fleet.replace(host)
                case dispatch.Keep():
                    raise AssertionError("a drain's answer is read where it was asked")
