"""The driver: admits runs, hands their tasks to hosts, makes outcomes durable, and lets patterns decide what follows.

It carries out what two machines say: `Dispatch` (which task goes where) and `Runs` (what follows from outcomes).
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias, cast

import pyarrow as pa

from actors.accounts import attempt_of, run_account
from actors.assembly import HostSpec
from actors.columns import column
from actors.contracts import Failure, Outcome, Reason, Task
from actors.hosting import Drained
from actors.tables import OK, OutcomeRows, outcome_batch, task_batch
from budget import Budget, Limit
from budget.errors import BudgetError, RunDirectoryError
from orchestrator import dispatch
from orchestrator.dispatch import Dispatch
from orchestrator.resume import Known, RunAccounts, unused_attempts
from orchestrator.runs import Finish, Run, Runs, State, Step
from orchestrator.settings import Settings
from orchestrator.store import RunDirectory
from orchestrator.telemetry import Telemetry

log = logging.getLogger("muster.driver")

POLL_S = 0.5  # how long a poll waits for the first answer
ADMITTED_AT_ONCE = 64  # runs whose accounts are opened together
PREFETCH = 4  # a host may hold this many times the tasks that it runs at once
STOP_GRACE_S = 1.5  # for hosts to say what cancelled sessions came to; all is to be over 2 s after a signal
EXPIRE_AGAIN_S = 5.0  # commands of a host that was killed may still be on their way when it is
STILLBORN_MAX = 5  # hosts of an agent that die, one after the other, before any of them is ready
TOLD_AT_ONCE = 32  # finished runs of earlier attempts that are told of in one round


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
    tasks_in_flight: int = 0  # with a host, and not answered
    statuses: Counter[str] = field(default_factory=Counter)
    spent_tokens: int = 0
    cost_microusd: int | None = 0

    def count(self, rows: OutcomeRows) -> None:
        self.add(rows.column("status"), rows.column("spent_tokens"), rows.column("cost_microusd"))

    def add(self, statuses: Sequence[str], spent_tokens: Sequence[int], costs: Sequence[int | None]) -> None:
        self.statuses.update(statuses)
        self.spent_tokens += sum(spent_tokens)
        unknown = self.cost_microusd is None or None in costs
        self.cost_microusd = None if unknown else cast(int, self.cost_microusd) + sum(cast(Sequence[int], costs))

    @property
    def succeeded(self) -> int:
        return self.statuses[OK]


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
    broken: RunDirectoryError | None = None  # why outcomes can be kept no longer, when they cannot
    _dispatch: Dispatch = field(default_factory=lambda: Dispatch(frozenset()))
    _runs: Runs = field(default_factory=Runs)
    _accounts: RunAccounts = field(init=False)
    _own: list[Outcome] = field(default_factory=list)  # outcomes that no host gives, not yet durable
    _new_tasks: list[pa.RecordBatch] = field(default_factory=list)
    _transcripts: list[pa.RecordBatch] = field(default_factory=list)  # not yet written
    _planned: list[Task] = field(default_factory=list)  # by patterns, not yet submitted
    _replayed: deque[tuple[Run, State]] = field(default_factory=deque)  # finished by what is known, not yet told of
    _over: set[str] = field(default_factory=set)  # runs whose time is up: nothing of theirs starts any more
    _due: deque[tuple[float, str]] = field(default_factory=deque)  # when the runs' time is up, in order
    _overdue: deque[tuple[float, str]] = field(default_factory=deque)  # when what is open of them is given up
    _give_up_s: float = float("inf")  # when hosts are waited for no longer
    _lost: dict[str, float] = field(default_factory=dict)  # hosts that were lost, and when to expire their holds again
    _cancel_again: bool = False
    _ready: set[str] = field(default_factory=set)
    _stillborn: Counter[str] = field(default_factory=Counter)  # by agent: hosts that died before they were ready
    _said: set[asyncio.Future[object]] = field(default_factory=set)  # to the budget, not awaited

    async def run(self, runs: Iterator[Run], specs: Sequence[HostSpec]) -> Tally:
        """Run a batch to its end: every planned task has exactly one outcome when this returns."""
        self._begin(specs)
        if self.resumed:
            await self._accounts.find()
        ends_s = self.clock() + (self.settings.batch_deadline_s or float("inf"))
        more = not self.stopped
        while more or self._open:
            if more:
                more = await self._admit(runs)
            await self._turn()
            self._check_times(ends_s)
            more = more and not self.stopped
        self._tell_replayed(len(self._replayed))
        await self._settle_up()
        return self.tally

    def stop(self, why: str) -> None:
        """End the batch early: nothing further starts, what runs is cancelled, and what is there is kept."""
        if not self.stopped:
            self.stopped = why
            self._give_up_s = self.clock() + STOP_GRACE_S
        self._carry_out(self._dispatch.step(dispatch.Cancelled()))

    @property
    def _open(self) -> bool:
        return bool(self._dispatch.open or len(self._runs) or self._own or self._new_tasks or self._planned)

    def _begin(self, specs: Sequence[HostSpec]) -> None:
        agents = frozenset(spec.specialist.name for spec in specs)
        crowded = self.settings.sessions_max < len(specs)
        self._dispatch = Dispatch(
            agents,
            grace_s=float("inf") if self.settings.mode == "local" else self.settings.grace_s,
            unanswered_max=self.settings.sessions_max if crowded else None,
        )
        self._accounts = RunAccounts(self.budget, self.account)
        if not self.stopped:
            for spec in specs:
                self.fleet.start(spec)

    def _check_times(self, ends_s: float) -> None:
        """Deadlines of the batch and of runs, hosts that do not answer a cancellation, and hosts that were lost."""
        now_s = self.clock()
        if now_s > ends_s and not self.stopped:
            self.stop(f"the batch's deadline of {self.settings.batch_deadline_s:g} s has passed")
        while self._due and self._due[0][0] < now_s:
            self._end_run(self._due.popleft()[1])
        while self._overdue and self._overdue[0][0] < now_s:
            self._carry_out(self._dispatch.step(dispatch.GivenUp(frozenset({self._overdue.popleft()[1]}))))
        if now_s > self._give_up_s:
            self._carry_out(self._dispatch.step(dispatch.GivenUp()))
        if self._cancel_again:  # lost tasks went to other hosts, also those that were to end
            self._cancel_again = False
            self._carry_out(self._dispatch.step(dispatch.Cancelled(None if self.stopped else frozenset(self._over))))
        for host in [host for host, again_s in self._lost.items() if now_s > again_s]:
            del self._lost[host]
            self._say(self._charge(host))

    def _end_run(self, run_id: str) -> None:
        """A run's time is up: it ends with what it has."""
        if run_id in self._runs and run_id not in self._over:
            log.warning("run deadline of %g s has passed run=%s", self.settings.run_deadline_s, run_id)
            self._cancel_run(run_id)

    def _cancel_run(self, run_id: str) -> None:
        self._over.add(run_id)
        self._overdue.append((self.clock() + STOP_GRACE_S, run_id))
        self._carry_out(self._dispatch.step(dispatch.Cancelled(frozenset({run_id}))))

    async def _settle_up(self) -> None:
        """The books are closed: nothing is under way any more, so whatever is still held is charged."""
        try:
            async with asyncio.timeout(STOP_GRACE_S if self.stopped else None):
                while self._said:
                    await asyncio.wait(self._said)
                await self.budget.expire(account_id=self.account)
        except (BudgetError, TimeoutError) as error:
            log.warning("the budget's books are not closed: %s", error or "no answer")

    def _say(self, said: Awaitable[object]) -> None:
        """Tell the budget something whose answer nothing depends on."""
        future = asyncio.ensure_future(said)
        self._said.add(future)
        future.add_done_callback(self._was_said)

    def _was_said(self, future: asyncio.Future[object]) -> None:
        self._said.discard(future)
        error = None if future.cancelled() else future.exception()
        if error is not None:
            log.warning("the budget was not told: %s", error)

    async def _admit(self, runs: Iterator[Run]) -> bool:
        """Take in runs while hosts are hungry, or as long as what is known finishes them. False when there are no more.

        Runs that are known to their end are not counted as under way, so a resumed batch is soon where it was.
        """
        while self._hungry and (room := self.settings.runs_ahead - len(self._runs)) > 0 and not self.stopped:
            admitted = list(itertools.islice(runs, min(room, ADMITTED_AT_ONCE)))
            for run in admitted:
                self._follow(run.id, self._runs.admit(run), replayed=True)
            self.tally.runs_admitted += len(admitted)
            await self._open_accounts([run for run in admitted if run.id in self._runs])
            await self._submit_planned()
            await asyncio.sleep(0)  # a signal may have come
            if not admitted:
                return False
        return True

    @property
    def _hungry(self) -> bool:
        return self._dispatch.hungry or (len(self.known) > 0 and not self._dispatch.waiting)

    async def _open_accounts(self, runs: Sequence[Run]) -> None:
        accounts = ((run_account(self.account, run.id), run.limit or Limit()) for run in runs)
        await asyncio.gather(*(self._accounts.open(account, limit) for account, limit in accounts))
        if self.settings.run_deadline_s is not None:
            due_s = self.clock() + self.settings.run_deadline_s
            self._due.extend((due_s, run.id) for run in runs)

    async def _turn(self) -> None:
        """One round: what hosts answered becomes durable, then patterns see it, then hosts may forget it."""
        batches: list[pa.RecordBatch] = []
        drained: list[tuple[str, int]] = []
        self._tell_replayed(TOLD_AT_ONCE)
        for event in await self.fleet.poll(self._wait_s()):
            match event:
                case Answered(host, answer):
                    drained.append((host, answer.number))
                    batches.append(self._kept(host, answer.rows))
                    if answer.transcripts is not None:
                        self._transcripts.append(answer.transcripts)
                case Ready(host, agent, sessions_max):
                    capacity = max(16, PREFETCH * sessions_max)
                    now_s = self.clock()
                    self._ready.add(host)
                    self._stillborn[agent] = 0
                    ready = dispatch.HostReady(host=host, agent=agent, capacity=capacity, now_s=now_s)
                    self._carry_out(self._dispatch.step(ready))
                case Lost(host, message):
                    await self._host_lost(host, message)
        await self._carry_out_losses(self._dispatch.step(dispatch.Tick(self.clock())))
        await self._settle(batches)
        for host, number in drained:
            self.fleet.acknowledge(host, number)
        self.tally.tasks_in_flight = self._dispatch.unanswered
        self.progress(self.tally)

    def _kept(self, host: str, rows: pa.RecordBatch) -> pa.RecordBatch:
        """The rows of a drain that are outcomes, not repetitions."""
        ids = list(zip(rows.column("task_id").to_pylist(), rows.column("attempt").to_pylist(), strict=True))
        keep, *rest = self._dispatch.step(dispatch.Drained(host, ids, self.clock()))
        assert isinstance(keep, dispatch.Keep)
        self._carry_out(rest)
        return rows if all(keep.rows) else rows.filter(column(keep.rows, pa.bool_()))

    async def _settle(self, batches: list[pa.RecordBatch]) -> None:
        own, self._own = self._own, []
        if own:
            batches.append(outcome_batch(own))
        batches = [batch for batch in batches if batch.num_rows]
        tasks, self._new_tasks = self._new_tasks, []
        if (batches or tasks) and not await self._kept_safe(batches, tasks):
            return
        for rows in map(OutcomeRows, batches):
            self.tally.count(rows)
            self.telemetry.outcomes(rows, self._runs)
            for run_id, step in self._runs.end(rows.column("task_id"), rows.column("run_id"), rows).items():
                self._follow(run_id, step)

        await self._submit_planned()

    async def _kept_safe(self, outcomes: list[pa.RecordBatch], tasks: list[pa.RecordBatch]) -> bool:
        """Whether these rows are durable. When they cannot be, the batch stops: no pattern may see them."""
        if self.broken is None:
            try:
                await asyncio.to_thread(self._write, outcomes, tasks)
            except RunDirectoryError as error:
                self.broken = error
                log.error("%s", error)
                self.stop(str(error))
        if self.broken is not None:
            for run_id in {run_id for rows in outcomes for run_id in rows.column("run_id").to_pylist()}:
                if run_id in self._runs:
                    self.finished(*self._runs.close(run_id))
        return self.broken is None

    def _write(self, outcomes: list[pa.RecordBatch], tasks: list[pa.RecordBatch]) -> None:
        self.directory.append_tasks(tasks)
        self.directory.append_outcomes(outcomes)
        transcripts, self._transcripts = self._transcripts, []
        self.directory.append_transcripts(transcripts)

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
            self._say(self.budget.close(run_account(self.account, run_id)))
        self.telemetry.run_ended(run, state)
        self.finished(run, state)

    def _tell_replayed(self, count: int) -> None:
        """Runs that earlier attempts had finished: told of bit by bit, so that new work is not kept waiting."""
        for _ in range(min(count, len(self._replayed))):
            self.finished(*self._replayed.popleft())

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
            tasks = await unused_attempts(self.budget, self.account, tasks)
        self.tally.tasks_planned += len(tasks)
        self._new_tasks.append(task_batch(tasks))
        self._carry_out(self._dispatch.step(dispatch.Planned(tasks)))

    def _cancel_unsubmitted(self, tasks: Sequence[Task], why: str) -> None:
        if tasks:
            tasks = [self.known.next_attempt(task) for task in tasks]
            self.tally.tasks_planned += len(tasks)
            self._new_tasks.append(task_batch(tasks))
            self._own += [_cancelled(task, f"not begun: {why}") for task in tasks]

    def _wait_s(self) -> float:
        """How long to wait for answers: not at all when there is something to do, and never past a time that is due."""
        if self._own or self._replayed:
            return 0.0
        due_s = min([self._give_up_s, *(times[0][0] for times in (self._due, self._overdue) if times)])
        return max(0.01, min(POLL_S, due_s - self.clock()))

    async def _host_lost(self, host: str, message: str) -> None:
        log.warning("host lost host=%s error=%s", host, message)
        agent = host.rpartition("-")[0]
        self._stillborn[agent] += host not in self._ready
        if self._stillborn[agent] >= STILLBORN_MAX:
            self.stop(f"{STILLBORN_MAX} hosts of {agent!r} died before they were ready, the last one of: {message}")
        await self._replace([host])
        self._carry_out(self._dispatch.step(dispatch.HostLost(host)))

    async def _carry_out_losses(self, instructions: Sequence[dispatch.Instruction]) -> None:
        """Lost hosts are replaced and charged for before any of their tasks goes again."""
        silent = [instruction.host for instruction in instructions if isinstance(instruction, dispatch.Replace)]
        if silent:
            log.warning("hosts silent past their deadlines; replaced hosts=%s", ",".join(silent))
            await self._replace(silent)
        self._carry_out([one for one in instructions if not isinstance(one, dispatch.Replace)])

    async def _replace(self, hosts: Sequence[str]) -> None:
        for host in hosts:
            self.fleet.replace(host)
            self._lost[host] = self.clock() + EXPIRE_AGAIN_S
        self._cancel_again = bool(self.stopped or self._over)
        charged = [asyncio.ensure_future(self._charge(host)) for host in hosts]
        while not self.stopped and any(not one.done() for one in charged):
            await asyncio.wait(charged, timeout=POLL_S)
        for one in charged:
            self._say(one)

    async def _charge(self, host: str) -> None:
        """What a lost host had set aside is charged in full: nobody can say what of it was spent."""
        answer = await self.budget.expire(owner=host, account_id=self.account)
        tasks = [named[0] for hold in answer.expired_ids if (named := attempt_of(self.account, hold))]
        runs = [run for task_id in tasks if (run := self._runs.run_of(task_id))]
        if runs:
            limits = {run_account(self.account, run.id): run.limit or Limit() for run in runs}
            await self._accounts.make_room(limits)

    def _carry_out(self, instructions: Sequence[dispatch.Instruction]) -> None:
        for instruction in instructions:
            match instruction:
                case dispatch.Submit(host, tasks):
                    self.fleet.submit(host, tasks)
                case dispatch.Record(failures):
                    self._own.extend(failures)
                case dispatch.Cancel(host, task_ids):
                    self.fleet.cancel(host, task_ids)
                case dispatch.Keep() | dispatch.Replace():
                    raise AssertionError(f"{instruction} is carried out where it was asked for")


def _cancelled(task: Task, message: str) -> Failure:
    return Failure(
        task_id=task.id,
        run_id=task.run_id,
        agent=task.agent,
        attempt=task.attempt,
        reason=Reason.CANCELLED,
        message=message,
    )
