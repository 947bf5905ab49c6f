"""The driver: admits runs, hands their tasks to hosts, makes outcomes durable, and lets patterns decide what follows.

It goes round between what each of these does: `Admission` (runs come in), `Hands` (which task goes where), `Keeper`
(what is durable), `FollowUps` (what follows from outcomes), `Endings` (what ends early), `HostCare` (hosts come and
go), `Clockwork` (what is due), `Books` (what the budget is told).
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import pyarrow as pa

from actors.assembly import HostSpec
from actors.contracts import Reason, failure
from actors.tables import OutcomeRows
from budget import Budget
from orchestrator import clockwork, moves
from orchestrator.admission import Admission
from orchestrator.books import Books
from orchestrator.clockwork import STOP_GRACE_S, Clockwork
from orchestrator.dispatcher import Dispatcher
from orchestrator.endings import Endings
from orchestrator.fleets import Answered, Fleet, Lost, Ready
from orchestrator.follow_ups import Ended, FollowUps
from orchestrator.hands import Hands
from orchestrator.host_care import HostCare
from orchestrator.keeping import Keeper
from orchestrator.known_outcomes import Known
from orchestrator.losses import Losses
from orchestrator.runs import Run, State
from orchestrator.settings import Settings
from orchestrator.store import RunDirectory
from orchestrator.tally import Tally
from orchestrator.telemetry import Telemetry

log = logging.getLogger("muster.driver")

POLL_S = 0.5  # how long a poll waits for the first answer
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
    _keeper: Keeper = field(init=False)
    _hands: Hands = field(init=False)
    _clockwork: Clockwork = field(init=False)
    _books: Books = field(init=False)
    _follow_ups: FollowUps = field(init=False)
    _endings: Endings = field(init=False)
    _host_care: HostCare = field(init=False)
    _admission: Admission = field(init=False)
    _at_work: dict[str, int] = field(default_factory=dict)  # sessions of each host, as it said last
    _replayed: deque[Ended] = field(default_factory=deque)  # finished by what is known, not yet told of

    @property
    def shown(self) -> Tally:
        """Where the batch stands for who looks on: with all that earlier attempts have left."""
        return self._follow_ups.shown

    def go_on_from(self, others: Tally) -> None:
        """What other drivers of the batch have counted, earlier attempts among it, was before."""
        self.tally.go_on_from(others)
        self._follow_ups.nothing_to_replay()

    def __post_init__(self) -> None:
        settings, clock = self.settings, self.clock
        time_of = self._clockwork = Clockwork(settings.batch_deadline_s, settings.run_deadline_s)
        books = self._books = Books(self.budget, self.account)
        self._keeper = Keeper(self.directory)
        hands = self._hands = Hands(self.fleet, self._keeper)
        follow_ups = self._follow_ups = FollowUps(self.known, self.tally)
        runs = follow_ups.runs
        endings = self._endings = Endings(hands, time_of, books, runs, clock)
        self._host_care = HostCare(hands, time_of, books, endings, runs, Losses(self.fleet), clock)
        self._admission = Admission(
            follow_ups, books, hands, endings, time_of, clock, self._tell_ended, settings.runs_ahead_max, self.resumed
        )

    async def run(self, runs: Iterator[Run], specs: Sequence[HostSpec]) -> Tally:
        """Run a batch to its end: every planned task has exactly one outcome when this returns."""
        self._begin(specs)
        if self.resumed:
            await self._books.find()
        more = not self.stopped
        while more or self._open:
            if more:
                more = await self._admission.admit(runs)
            await self._turn()
            self._keep_time()
            more = more and not self.stopped
        self._tell_replayed(len(self._replayed))
        await self._books.settle_up(STOP_GRACE_S if self.stopped else None)
        return self.tally

    def stop(self, why: str) -> None:
        """End the batch early: nothing further starts, what runs is cancelled, and what is there is kept."""
        self._endings.stop(why)

    @property
    def stopped(self) -> str:
        """Why the batch was ended early, when it was."""
        return self._endings.stopped

    @property
    def broken(self) -> str:
        """Why outcomes or what they cost can be kept no longer; empty when they can."""
        return self._endings.broken

    @property
    def patience_s(self) -> float:
        """How long tasks of now may hold up everything, at most."""
        return self._hands.dispatch.longest_deadline_s + self.settings.grace_s

    def last_words(self, drained: Sequence[tuple[str, pa.RecordBatch]], lost: str | None, why: str) -> None:
        """The event loop is blocked for good: keep what hosts have finished, and the task that is to blame as lost.

        Called from another thread before the process ends. Nothing else is done about any of it.
        """
        kept = [self._hands.last_drained(host, rows, self.clock()) for host, rows in drained]
        task = self._hands.dispatch.task(lost) if lost else None
        if task is not None:
            self._keeper.add_failures([failure(task, Reason.HOST_LOST, why)])
        self._keeper.keep_now(kept)

    def check(self) -> None:
        """The invariants, for tests."""
        self._hands.dispatch.check()
        self._follow_ups.runs.check()

    @property
    def _open(self) -> bool:
        follow_ups = self._follow_ups
        return bool(self._hands.dispatch.open or len(follow_ups.runs) or self._keeper.waits or follow_ups.planned)

    def _begin(self, specs: Sequence[HostSpec]) -> None:
        crowded = self.settings.sessions_max < len(specs)
        self._hands.dispatch = Dispatcher(
            frozenset(spec.specialist.name for spec in specs),
            grace_s=float("inf") if self.settings.mode == "local" else self.settings.grace_s,
            unanswered_max=self.settings.sessions_max if crowded else None,
        )
        self._clockwork.step(clockwork.Begun(self.clock()))
        if not self.stopped:
            for spec in specs:
                self._clockwork.step(clockwork.HostStarted(self.fleet.start(spec), self.clock()))

    # One round

    async def _turn(self) -> None:
        """What hosts answered becomes durable, then patterns see it, then hosts may forget it."""
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
                    self._at_work[host] = answer.running
                    batches.append(self._hands.drained(host, answer.rows, heard_s))
                    self._keeper.add_transcripts(answer.transcripts)
                case Ready():
                    self._host_care.ready(event, heard_s)
                case Lost():
                    lost.append(event)
                    self._at_work.pop(event.host, None)
        await self._host_care.replace(lost, heard_s)
        await self._settle(batches)
        for host, number in drained:
            self.fleet.acknowledge(host, number)
        if not self.stopped:
            self._endings.stop_if(self.broken)
        self.tally.tasks_in_flight = sum(self._at_work.values())
        self.progress(self.shown)

    async def _settle(self, drained: list[pa.RecordBatch]) -> None:
        batches = await self._keeper.keep(drained)
        if self._keeper.broken is not None:
            self._close_runs_of(batches)
            return
        for rows in map(OutcomeRows, batches):
            self.tally.count(rows)
            self.telemetry.outcomes(rows, self._follow_ups.runs)
            self._follow_ups.end(rows)
            self._tell_ended()
        await self._admission.submit()

    def _close_runs_of(self, batches: Sequence[pa.RecordBatch]) -> None:
        """What cannot be durable no pattern may see: the batch stops, and these runs end as they are."""
        self.stop(self.broken)
        runs = self._follow_ups.runs
        for run_id in {run_id for rows in batches for run_id in rows.column("run_id").to_pylist()}:
            if run_id in runs:
                self.finished(*runs.close(run_id))

    def _tell_ended(self) -> None:
        for ended in self._follow_ups.take_ended():
            if ended.not_begun:
                self._admission.cancel(ended.not_begun, "its run had finished without it")
            if ended.replayed:
                self._replayed.append(ended)
            else:
                self._end(ended)

    def _end(self, ended: Ended) -> None:
        run, state = ended.run, ended.state
        if ended.cut:
            self._endings.cancel(run.id)
        elif not self.stopped and not self._endings.has_cancelled(run.id):
            self._books.close(run)
        self.telemetry.run_ended(run, state)
        self.finished(run, state)

    def _tell_replayed(self, count: int) -> None:
        """Runs that earlier attempts had finished: told of bit by bit, so that new work is not kept waiting."""
        for _ in range(min(count, len(self._replayed))):
            ended = self._replayed.popleft()
            self.finished(ended.run, ended.state)

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
                    self._hands.step(moves.GivenUp(None if one is None else frozenset({one})))
                case clockwork.ChargeAgain(host):
                    self._books.charge_again(host, self._follow_ups.runs)
                case clockwork.AskWhere(host):
                    self._host_care.is_late(host)

    def _wait_s(self) -> float:
        """How long to wait for answers: not at all when there is something to do, and never past a time that is due."""
        if self._keeper.has_outcomes or self._replayed:
            return 0.0
        return max(0.01, min(POLL_S, self._clockwork.due_s - self.clock()))

    def _end_run(self, run_id: str) -> None:
        """A run's time is up: it ends with what it has."""
        if run_id in self._follow_ups.runs and not self._endings.has_cancelled(run_id):
            log.warning("run deadline of %g s has passed run=%s", self.settings.run_deadline_s, run_id)
            self._endings.cancel(run_id)
