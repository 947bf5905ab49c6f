"""The driver: admits runs, hands their tasks to hosts, makes outcomes durable, and lets patterns decide what follows.

It carries out what three machines say: `Dispatch` (which task goes where), `Runs` (what follows from outcomes) and
`Clockwork` (what is due). What it tells the budget is in `Books`, what becomes of hosts that are gone in `Losses`.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import pyarrow as pa

from actors.assembly import HostSpec
from actors.columns import column
from actors.contracts import Reason, Task, failure
from actors.tables import OutcomeRows
from budget import Budget
from orchestrator import clockwork, moves
from orchestrator.books import Books
from orchestrator.clockwork import STOP_GRACE_S, Clockwork
from orchestrator.dispatch import Dispatch
from orchestrator.fleets import Answered, Fleet, Lost, Ready
from orchestrator.keeping import Keeper
from orchestrator.known_outcomes import Known
from orchestrator.losses import Losses
from orchestrator.runs import Finish, Run, Runs, State, Step
from orchestrator.settings import Settings
from orchestrator.store import RunDirectory
from orchestrator.tally import Tally
from orchestrator.telemetry import Telemetry

log = logging.getLogger("muster.driver")

POLL_S = 0.5  # how long a poll waits for the first answer
ADMITTED_AT_ONCE = 1_024  # runs whose accounts are opened together, one way to the ledger's disk for all of them
PLANNED_AT_ONCE = 1_024  # tasks of theirs, at least, after which no more of them are taken in
ADMITTING_S = 0.05  # after which what there is of them begins: an iterator of runs may be slow
PREFETCH = 4  # a host may hold this many times the tasks that it runs at once
OVER_KEPT = 512  # runs that were cancelled and have ended since
TOLD_AT_ONCE = 32  # finished runs of earlier attempts that are told of in one round

FinishedRun: TypeAlias = Callable[[Run, State], None]


@dataclass(slots=True, repr=False)
class Driver:
    """One batch at work. `finished` is called with each run as it ends; `progress` now and then.

    `known` holds what earlier attempts at the batch have left: those outcomes are told to patterns, not made again.
    """

    fleet: Fleet
    budget: Budget
    directory: RunDirectory
    settings: Settings
    account: str
    finished: FinishedRun
    telemetry: Telemetry
    progress: Callable[[Tally], None] = lambda _: None
    known: Known = field(default_factory=Known)
    resumed: bool = False
    clock: Callable[[], float] = time.monotonic
    tally: Tally = field(default_factory=Tally)
    stopped: str = ""  # why the batch was ended early, when it was
    _dispatch: Dispatch = field(default_factory=lambda: Dispatch(frozenset()))
    _runs: Runs = field(default_factory=Runs)
    _clockwork: Clockwork = field(init=False)
    _books: Books = field(init=False)
    _losses: Losses = field(init=False)
    _keeper: Keeper = field(init=False)
    _planned: list[Task] = field(default_factory=list)  # by patterns, not yet submitted
    _replayed: deque[tuple[Run, State]] = field(default_factory=deque)  # finished by what is known, not yet told of
    _over: set[str] = field(default_factory=set)  # runs whose time is up: nothing of theirs starts any more

    def __post_init__(self) -> None:
        settings = self.settings
        self._clockwork = Clockwork(settings.batch_deadline_s, settings.run_deadline_s)
        self._books = Books(self.budget, self.account)
        self._losses = Losses(self.fleet)
        self._keeper = Keeper(self.directory)

    async def run(self, runs: Iterator[Run], specs: Sequence[HostSpec]) -> Tally:
        """Run a batch to its end: every planned task has exactly one outcome when this returns."""
        self._begin(specs)
        if self.resumed:
            await self._books.find()
        more = not self.stopped
        while more or self._open:
            if more:
                more = await self._admit(runs)
            await self._turn()
            self._keep_time()
            more = more and not self.stopped
        self._tell_replayed(len(self._replayed))
        await self._books.settle_up(STOP_GRACE_S if self.stopped else None)
        return self.tally

    def stop(self, why: str) -> None:
        """End the batch early: nothing further starts, what runs is cancelled, and what is there is kept."""
        if not self.stopped:
            self.stopped = why
            self._clockwork.step(clockwork.Stopped(self.clock()))
        self._carry_out(self._dispatch.step(moves.Cancelled()))

    @property
    def broken(self) -> str:
        """Why outcomes or what they cost can be kept no longer; empty when they can."""
        return str(self._keeper.broken or "") or self._books.broken or self.directory.full

    @property
    def patience_s(self) -> float:
        """How long tasks of now may hold up everything, at most."""
        return self._dispatch.longest_deadline_s + self.settings.grace_s

    def last_words(self, drained: Sequence[tuple[str, pa.RecordBatch]], lost: str | None, why: str) -> None:
        """The event loop is blocked for good: keep what hosts have finished, and the task that is to blame as lost.

        Called from another thread before the process ends. Nothing else is done about any of it.
        """
        kept = [self._drained(host, rows, self.clock())[0] for host, rows in drained]
        task = self._dispatch.task(lost) if lost else None
        if task is not None:
            self._keeper.add_failures([failure(task, Reason.HOST_LOST, why)])
        self._keeper.keep_now(kept)

    @property
    def _open(self) -> bool:
        return bool(self._dispatch.open or len(self._runs) or self._keeper.waits or self._planned)

    def _begin(self, specs: Sequence[HostSpec]) -> None:
        crowded = self.settings.sessions_max < len(specs)
        self._dispatch = Dispatch(
            frozenset(spec.specialist.name for spec in specs),
            grace_s=float("inf") if self.settings.mode == "local" else self.settings.grace_s,
            unanswered_max=self.settings.sessions_max if crowded else None,
        )
        self._clockwork.step(clockwork.Begun(self.clock()))
        if not self.stopped:
            for spec in specs:
                self._clockwork.step(clockwork.HostStarted(self.fleet.start(spec), self.clock()))

    # Admitting and submitting

    async def _admit(self, runs: Iterator[Run]) -> bool:
        """Take in runs while hosts are hungry, or as long as what is known finishes them. False when there are no more.

        Runs that are known to their end are not counted as under way, so a resumed batch is soon where it was.
        """
        while self._hungry and (room := self.settings.runs_ahead_max - len(self._runs)) > 0 and not self.stopped:
            admitted = self._next_runs(runs, min(room, ADMITTED_AT_ONCE))
            self.tally.runs_admitted += len(admitted)
            begun = [run for run in admitted if run.id in self._runs]
            await self._books.open(begun)
            self._stop_if(self.broken)
            self._clockwork.step(clockwork.Admitted([run.id for run in begun], self.clock()))
            await self._submit_planned()
            await asyncio.sleep(0)  # a signal may have come
            if not admitted:
                return False
        return True

    def _next_runs(self, runs: Iterator[Run], room: int) -> list[Run]:
        """The runs that begin together, with their tasks planned; none when there are no more."""
        taken: list[Run] = []
        ends_s = self.clock() + ADMITTING_S
        for run in itertools.islice(runs, room):
            self._follow(run.id, self._runs.admit(run), replayed=True)
            taken.append(run)
            if len(self._planned) >= PLANNED_AT_ONCE or self.clock() > ends_s:
                break
        return taken

    @property
    def _hungry(self) -> bool:
        return self._dispatch.hungry or (len(self.known) > 0 and not self._dispatch.waiting)

    async def _submit_planned(self) -> None:
        """Hand over what patterns planned, unless nothing of it may start any more."""
        planned, self._planned = self._planned, []
        over = [task for task in planned if self.stopped or task.run_id in self._over]
        self._cancel_unsubmitted(over, self.stopped or "its run's deadline had passed")
        tasks = [task for task in planned if not self.stopped and task.run_id not in self._over]
        if not tasks:
            return
        if self.resumed:
            tasks = [self.known.next_attempt(task) for task in tasks]
            tasks = [*await self._books.unused_attempts(tasks)]
            if self._books.broken:
                self.stop(self.broken)
                self._cancel_unsubmitted(tasks, self.broken)
                return
        self.tally.tasks_planned += len(tasks)
        self._keeper.add_tasks(tasks)
        self._carry_out(self._dispatch.step(moves.Planned(tasks)))

    def _cancel_unsubmitted(self, tasks: Sequence[Task], why: str) -> None:
        if tasks:
            tasks = [self.known.next_attempt(task) for task in tasks]
            self.tally.tasks_planned += len(tasks)
            self._keeper.add_tasks(tasks)
            self._keeper.add_failures([failure(task, Reason.CANCELLED, f"not begun: {why}") for task in tasks])

    def _carry_out(self, instructions: Sequence[moves.Instruction]) -> None:
        for instruction in instructions:
            match instruction:
                case moves.Submit(host, tasks):
                    self.fleet.submit(host, tasks)
                case moves.Record(failures):
                    self._keeper.add_failures(failures)
                case moves.Cancel(host, task_ids):
                    self.fleet.cancel(host, task_ids)
                case moves.Keep() | moves.Replace():
                    raise AssertionError(f"{instruction} is carried out where it was asked for")

    # Settling

    async def _turn(self) -> None:
        """One round: what hosts answered becomes durable, then patterns see it, then hosts may forget it."""
        batches: list[pa.RecordBatch] = []
        drained: list[tuple[str, int]] = []
        lost: list[Lost] = []
        self._tell_replayed(TOLD_AT_ONCE)
        events = await self.fleet.poll(self._wait_s())
        heard_s = self.clock()
        for event in events:
            match event:
                case Answered(host, answer):
                    drained.append((host, answer.number))
                    batches.append(self._kept(host, answer.rows, heard_s))
                    self._keeper.add_transcripts(answer.transcripts)
                case Ready():
                    self._host_ready(event, heard_s)
                case Lost():
                    lost.append(event)
        await self._replace_lost(lost)
        await self._replace_hung(self._dispatch.step(moves.Tick(heard_s)))
        await self._settle(batches)
        for host, number in drained:
            self.fleet.acknowledge(host, number)
        if not self.stopped:
            self._stop_if(self.broken)
        self.tally.tasks_in_flight = self._dispatch.unanswered
        self.progress(self.tally)

    def _kept(self, host: str, rows: pa.RecordBatch, heard_s: float) -> pa.RecordBatch:
        """The rows of a drain that are outcomes, not repetitions."""
        kept, rest = self._drained(host, rows, heard_s)
        self._carry_out(rest)
        return kept

    def _drained(
        self, host: str, rows: pa.RecordBatch, heard_s: float
    ) -> tuple[pa.RecordBatch, Sequence[moves.Instruction]]:
        ids = list(zip(rows.column("task_id").to_pylist(), rows.column("attempt").to_pylist(), strict=True))
        keep, *rest = self._dispatch.step(moves.Drained(host, ids, heard_s))
        assert isinstance(keep, moves.Keep)
        return rows if all(keep.rows) else rows.filter(column(keep.rows, pa.bool_())), rest

    async def _settle(self, drained: list[pa.RecordBatch]) -> None:
        batches = await self._keeper.keep(drained)
        if self._keeper.broken is not None:
            self._close_runs_of(batches)
            return
        for rows in map(OutcomeRows, batches):
            self.tally.count(rows)
            self.telemetry.outcomes(rows, self._runs)
            for run_id, step in self._runs.end(rows.column("task_id"), rows.column("run_id"), rows).items():
                self._follow(run_id, step)
        await self._submit_planned()

    def _close_runs_of(self, batches: Sequence[pa.RecordBatch]) -> None:
        """What cannot be durable no pattern may see: the batch stops, and these runs end as they are."""
        self.stop(self.broken)
        for run_id in {run_id for rows in batches for run_id in rows.column("run_id").to_pylist()}:
            if run_id in self._runs:
                self.finished(*self._runs.close(run_id))

    def _follow(self, run_id: str, step: Step, *, replayed: bool = False) -> None:
        """What a pattern said. What is known of its next tasks is told to it at once, until it says something new."""
        planned: list[Task] = []
        while not isinstance(step, Finish) and step:
            known = [task for task in step if self.known.stands(task.id)]
            planned += [task for task in step if not self.known.stands(task.id)]
            if not known:
                break
            self.tally.tasks_planned += len(known)
            self.tally.add(*map(list, zip(*self.known.figures(known), strict=True)))
            ids = [task.id for task in known]
            step = self._runs.end(ids, [run_id] * len(ids), self.known.rows(known))[run_id]
        if isinstance(step, Finish):
            self._finish(run_id, planned, replayed)
        else:
            self._planned += planned

    def _finish(self, run_id: str, planned: Sequence[Task], replayed: bool) -> None:
        """A run ends. Optional tasks that are still open end with it; `planned` were not begun."""
        run, state = self._runs.close(run_id)
        self.tally.runs_finished += 1
        new = [task for task in planned if not self.known.has_row(task.id)]
        self._cancel_unsubmitted(new, "its run had finished without it")
        if replayed:
            self._replayed.append((run, state))
            return
        if state.ended + len(planned) < len(state.planned):
            self._cancel_run(run_id)
        elif not self.stopped and run_id not in self._over:
            self._books.close(run)
        self.telemetry.run_ended(run, state)
        self.finished(run, state)

    def _tell_replayed(self, count: int) -> None:
        """Runs that earlier attempts had finished: told of bit by bit, so that new work is not kept waiting."""
        for _ in range(min(count, len(self._replayed))):
            self.finished(*self._replayed.popleft())

    # Time

    def _keep_time(self) -> None:
        """What is due is done."""
        for due in self._clockwork.step(clockwork.Tick(self.clock())):
            match due:
                case clockwork.EndBatch():
                    self.stop(f"the batch's deadline of {self.settings.batch_deadline_s:g} s has passed")
                case clockwork.EndRun(run_id):
                    self._end_run(run_id)
                case clockwork.GiveUp(one):
                    self._carry_out(self._dispatch.step(moves.GivenUp(None if one is None else frozenset({one}))))
                case clockwork.ChargeAgain(host):
                    self._books.charge_again(host, self._runs)
                case clockwork.AskWhere(host):
                    self._stop_if(self._losses.not_ready(host))

    def _wait_s(self) -> float:
        """How long to wait for answers: not at all when there is something to do, and never past a time that is due."""
        if self._keeper.has_outcomes or self._replayed:
            return 0.0
        return max(0.01, min(POLL_S, self._clockwork.due_s - self.clock()))

    def _end_run(self, run_id: str) -> None:
        """A run's time is up: it ends with what it has."""
        if run_id in self._runs and run_id not in self._over:
            log.warning("run deadline of %g s has passed run=%s", self.settings.run_deadline_s, run_id)
            self._cancel_run(run_id)

    def _cancel_run(self, run_id: str) -> None:
        if len(self._over) > 2 * max(OVER_KEPT, len(self._runs)):
            self._over = {one for one in self._over if one in self._runs}  # of others nothing is planned any more
        self._over.add(run_id)
        self._clockwork.step(clockwork.RunCancelled(run_id, self.clock()))
        self._carry_out(self._dispatch.step(moves.Cancelled(frozenset({run_id}))))

    def _stop_if(self, why: str) -> None:
        if why:
            self.stop(why)

    # Hosts that come and go

    def _host_ready(self, ready: Ready, now_s: float) -> None:
        self._losses.ready(ready.host, ready.agent)
        self._clockwork.step(clockwork.HostIsReady(ready.host))
        said = moves.HostReady(
            host=ready.host,
            agent=ready.agent,
            capacity=max(16, PREFETCH * ready.sessions_max),
            sessions_max=ready.sessions_max,
            now_s=now_s,
        )
        self._carry_out(self._dispatch.step(said))

    async def _replace_lost(self, lost: Sequence[Lost]) -> None:
        for one in lost:
            self._stop_if(self._losses.died(one.host, one.message))
            await self._replace([one.host])
            self._carry_out(self._dispatch.step(moves.HostLost(one.host)))

    async def _replace_hung(self, instructions: Sequence[moves.Instruction]) -> None:
        hung = [instruction.host for instruction in instructions if isinstance(instruction, moves.Replace)]
        self._carry_out([one for one in instructions if not isinstance(one, moves.Replace)])
        if not hung:
            return
        blamed = await self._losses.blamed(hung)
        await self._replace(hung)
        for host, task_id in zip(hung, blamed, strict=True):
            self._carry_out(self._dispatch.step(moves.HostLost(host, silent=True, blamed=task_id)))

    async def _replace(self, hosts: Sequence[str]) -> None:
        """Lost hosts are replaced and charged for before any of their tasks goes again."""
        for host in hosts:
            self._clockwork.step(clockwork.HostStarted(self.fleet.replace(host), self.clock()))
            self._clockwork.step(clockwork.HostGone(host, self.clock()))
        await self._books.charge(hosts, self._runs, hurry=lambda: bool(self.stopped))
