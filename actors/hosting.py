"""Many sessions of one specialist at once, in whatever process this is: the inbox machine and its event loop."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

import pyarrow as pa

from actors import inbox
from actors.contracts import Failure, Outcome, Reason, Task, Work, failure
from actors.foreign import ends_session, shown, trace
from actors.holds import Holds
from actors.redaction import redacted
from actors.runner import Runner
from actors.tables import outcome_batch
from actors.transcripts import transcript_batch
from budget import Answer, Told, Verdict
from budget.errors import BudgetUnreachableError, JournalError, UnknownAccountError

log = logging.getLogger("muster.host")

AHEAD_MAX = 4_096  # holds for tasks that have not begun; where more run at once, as many as those

# What a reservation comes to when its run has ended, or when its driver was taken for dead and another one took over.
SETTLED = frozenset({Verdict.CLOSED, Verdict.WITHDRAWN, Verdict.EXPIRED})


class Drained(NamedTuple):
    """What has finished since the last drain, and conversations that are kept. Say `number` back to acknowledge it."""

    number: int
    rows: pa.RecordBatch
    running: int
    waiting: int
    transcripts: pa.RecordBatch | None = None


@dataclass(slots=True)
class Host:
    """Takes tasks, runs up to `sessions_max` at once, each under a hold of its own, and hands out what has finished."""

    runner: Runner
    holds: Holds
    sessions_max: int
    _inbox: inbox.Inbox = field(init=False)
    _asking: dict[str, Told] = field(default_factory=dict)  # tasks whose hold is not decided yet, and who is told
    _sessions: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    _received_s: dict[str, float] = field(default_factory=dict)
    _finished: asyncio.Event = field(default_factory=asyncio.Event)
    _handed: tuple[int, Sequence[Outcome]] = (0, ())  # the last drain: its number and what it gave
    _loop: asyncio.AbstractEventLoop | None = None

    def __post_init__(self) -> None:
        # Where nobody waits for money, what is asked for ahead could be refused that is free a moment later.
        ahead_max = max(self.sessions_max, AHEAD_MAX) if self.holds.waits else 0
        self._inbox = inbox.Inbox(self.sessions_max, ahead_max)

    def submit(self, tasks: Sequence[Task]) -> None:
        """Take tasks over. Each will be in exactly one later drain."""
        now_s = time.time()
        for task in tasks:
            self._received_s[task.id] = now_s
        self._step(inbox.Submitted(tasks))

    async def drain(self, *, acknowledged: int, rows_max: int, wait_s: float) -> Drained:
        """The rows finished since; waits up to `wait_s` for the first one, and never for a fuller batch."""
        self._step(inbox.Acknowledged(acknowledged))
        if acknowledged == self._handed[0]:
            self.holds.end(self._handed[1])
        if not self._inbox.has_rows:
            self._finished.clear()
            try:
                async with asyncio.timeout(wait_s):
                    await self._finished.wait()
            except TimeoutError:
                pass
        number, outcomes = self._handed = self._inbox.drain(rows_max=rows_max)
        rows, kept = outcome_batch(outcomes), transcript_batch(outcomes)
        return Drained(number, rows, self._inbox.running, self._inbox.waiting, kept)

    def cancel(self, task_ids: frozenset[str] | None = None) -> None:
        """End these tasks, or all: each still gives its outcome, with what it spent."""
        self._step(inbox.Cancelled(task_ids))

    @property
    def finished(self) -> pa.RecordBatch:
        """Outcomes that no drain has been acknowledged for, as a host that can no longer be asked leaves them."""
        return outcome_batch(self._inbox.unacknowledged)

    def at_work(self) -> str | None:
        """The task whose step the event loop is in at this moment. To be asked from another thread."""
        step = asyncio.current_task(self._loop) if self._loop else None
        return step.get_name() if step is not None and step.get_name() in self._sessions else None

    async def close(self) -> None:
        """End all sessions and wait until each has settled its bill."""
        self.cancel()
        while self._inbox.running:
            self._finished.clear()
            await self._finished.wait()
        await self.runner.toolbox.shared.close()

    def _step(self, event: inbox.Event) -> None:
        self._loop = self._loop or asyncio.get_running_loop()
        for instruction in self._inbox.step(event, self._loop.time()):
            match instruction:
                case inbox.Begin():
                    task = instruction.task
                    self._sessions[task.id] = self._loop.create_task(self._run(task), name=task.id)
                case inbox.Ask():
                    task = instruction.task
                    told = self._asking[task.id] = partial(self._decided, task)
                    self.holds.ask(task, told)
                case inbox.Stop(task):
                    self._stop(task)
                case inbox.Withdraw(task):
                    self._withdraw(task)
                case inbox.GiveUp(task):
                    self.holds.give_up(task, self._asking.pop(task.id))
                    self._end(self._cancelled(task, "cancelled while waiting for its turn"))
                case inbox.Drop(task):
                    self._end(self._cancelled(task, "cancelled before it started"))

    def _decided(self, task: Task, answer: Answer | Exception) -> None:
        """A task's hold is there; or it stands in line; or it is sure that there will be none."""
        if not isinstance(answer, Exception) and answer.verdict is Verdict.WAITING:
            self._step(inbox.InLine(task.id))
            return
        del self._asking[task.id]
        if isinstance(answer, Exception) or not answer.held:
            self._end(self._not_begun(task, answer))
        else:
            self._step(inbox.Granted(task.id))

    def _not_begun(self, task: Task, answer: Answer | Exception) -> Failure:
        """Skipped for want of money, or cancelled, where whoever wanted it has been settled without it."""
        if isinstance(answer, Exception):
            return self._broken(task, answer, Work(host=self.runner.host))
        mistake = self.holds.mistake(task, answer)
        if mistake is not None:
            return self._broken(task, mistake, Work(host=self.runner.host))
        if answer.verdict in SETTLED:
            return self._cancelled(task, f"cancelled: the account that it draws on was settled ({answer.message})")
        work = Work(host=self.runner.host, model=self.runner.role.model)
        return failure(task, Reason.BUDGET_SKIP, answer.message, work)

    def _stop(self, task: Task) -> None:
        session = self._sessions[task.id]
        session.cancel()
        if task.id in self._received_s:  # it has not begun, and now never will
            del self._sessions[task.id], self._received_s[task.id]
            self._withdraw(task)
            self._step(inbox.Settling(task.id))

    def _withdraw(self, task: Task) -> None:
        """The outcome follows when it is in the books that nothing was spent."""
        outcome = self._cancelled(task, "cancelled before it started")
        self.holds.settle(outcome, partial(self._settled, outcome))

    async def _run(self, task: Task) -> None:
        try:
            outcome = await self.runner.run(task, received_s=self._received_s.pop(task.id))
        except BaseException as error:
            if ends_session(error, task.id):
                raise
            # A bug of ours in one session must not take its siblings with it.
            log.error("session broke run=%s task=%s\n%s", task.run_id, task.id, trace(error))
            outcome = self._broken(task, error, self._worst_case(task))
        self._sessions.pop(task.id)
        self.holds.settle(outcome, partial(self._settled, outcome))
        # What was not spent is given back before the next task's worst case is asked for, and goes with it.
        self._step(inbox.Settling(task.id))

    def _settled(self, outcome: Outcome, answer: Answer | Exception) -> None:
        """A session's bill is in the books. Where it could not be told, its hold stands, and its answer is kept."""
        if isinstance(answer, Exception):
            log.warning("bill not told run=%s task=%s error=%s", outcome.run_id, outcome.task_id, answer)
        self._end(outcome)

    def _end(self, outcome: Outcome) -> None:
        self._received_s.pop(outcome.task_id, None)
        self._step(inbox.Ended(outcome))
        self._finished.set()

    def _cancelled(self, task: Task, message: str) -> Failure:
        return failure(task, Reason.CANCELLED, message, Work(host=self.runner.host))

    def _worst_case(self, task: Task) -> Work:
        """What is said of a session of which nobody knows what it spent."""
        cost_microusd = self.holds.prices.worst_case(task.tokens_max)
        return Work(host=self.runner.host, spent_tokens=task.tokens_max, cost_microusd=cost_microusd)

    def _broken(self, task: Task, error: BaseException, work: Work) -> Failure:
        if isinstance(error, JournalError | BudgetUnreachableError | UnknownAccountError):
            # Not the task's fault: it goes again when the run is resumed.
            return self._cancelled(task, f"the budget failed: {error}")
        return failure(task, Reason.TOOL_ERROR, redacted(f"internal error: {shown(error)}"), work)
