"""Many sessions of one specialist at once, in whatever process this is: the inbox machine and its event loop."""

from __future__ import annotations

import asyncio
import gc
import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import pyarrow as pa

from actors import inbox
from actors.contracts import Failure, Outcome, Reason, Task, Work
from actors.runner import Runner
from actors.tables import outcome_batch
from actors.transcripts import transcript_batch
from budget.errors import BudgetUnreachableError, JournalError, UnknownAccountError

log = logging.getLogger("muster.host")

# Collect cycles after so many new objects, not after 700: thousands of live conversations would be walked through
# over and over. Measured by benchmarks/fanout.py: a quarter of the time of a sub-agent.
GC_THRESHOLDS = (50_000, 20, 100)


@contextmanager
def patient_gc() -> Iterator[None]:
    """Fewer walks through many live objects, for as long as sessions run in this process."""
    before = gc.get_threshold()
    gc.set_threshold(*GC_THRESHOLDS)
    try:
        yield
    finally:
        gc.set_threshold(*before)


@dataclass(frozen=True, slots=True)
class Drained:
    """What has finished since the last drain, and conversations that are kept. Say `number` back to acknowledge it."""

    number: int
    rows: pa.RecordBatch
    running: int
    waiting: int
    transcripts: pa.RecordBatch | None = None


@dataclass(slots=True)
class Host:
    """Takes tasks, runs up to `sessions_max` at once, and hands out what has finished."""

    runner: Runner
    sessions_max: int
    _inbox: inbox.Inbox = field(init=False)
    _sessions: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    _received_s: dict[str, float] = field(default_factory=dict)
    _finished: asyncio.Event = field(default_factory=asyncio.Event)
    _loop: asyncio.AbstractEventLoop | None = None

    def __post_init__(self) -> None:
        self._inbox = inbox.Inbox(self.sessions_max)

    def submit(self, tasks: Sequence[Task]) -> None:
        """Take tasks over. Each will be in exactly one later drain."""
        now_s = time.time()
        for task in tasks:
            self._received_s[task.id] = now_s
        self._carry_out(self._inbox.step(inbox.Submitted(tasks)))

    async def drain(self, *, acknowledged: int, rows_max: int, wait_s: float) -> Drained:
        """The rows finished since; waits up to `wait_s` for the first one, and never for a fuller batch."""
        self._inbox.step(inbox.Acknowledged(acknowledged))
        if not self._inbox.has_rows:
            self._finished.clear()
            try:
                async with asyncio.timeout(wait_s):
                    await self._finished.wait()
            except TimeoutError:
                pass
        number, outcomes = self._inbox.drain(rows_max=rows_max)
        rows, kept = outcome_batch(outcomes), transcript_batch(outcomes)
        return Drained(number, rows, self._inbox.running, self._inbox.waiting, kept)

    def cancel(self, task_ids: frozenset[str] | None = None) -> None:
        """End these tasks, or all: each still gives its outcome, with what it spent."""
        self._carry_out(self._inbox.step(inbox.Cancelled(task_ids)))

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
        await asyncio.gather(*self._sessions.values(), return_exceptions=True)
        await self.runner.toolbox.shared.close()

    def _carry_out(self, instructions: Sequence[inbox.Instruction]) -> None:
        for instruction in instructions:
            match instruction:
                case inbox.Start(task):
                    self._loop = asyncio.get_running_loop()
                    self._sessions[task.id] = self._loop.create_task(self._run(task), name=task.id)
                case inbox.Stop(task_id):
                    self._sessions[task_id].cancel()
                case inbox.Drop(task):
                    self._end(_lost(task, Reason.CANCELLED, "cancelled before it started", self.runner.host))

    async def _run(self, task: Task) -> None:
        try:
            outcome = await self.runner.run(task, received_s=self._received_s.pop(task.id))
        except (JournalError, BudgetUnreachableError, UnknownAccountError) as error:
            # Not the task's fault: it goes again when the run is resumed.
            outcome = _lost(task, Reason.CANCELLED, f"the budget failed: {error}", self.runner.host)
        except Exception as error:
            # A bug of ours in one session must not take its siblings with it.
            log.exception("session broke run=%s task=%s", task.run_id, task.id)
            outcome = _lost(
                task, Reason.TOOL_ERROR, f"internal error: {type(error).__name__}: {error}", self.runner.host
            )
        self._sessions.pop(task.id, None)
        self._end(outcome)

    def _end(self, outcome: Outcome) -> None:
        self._carry_out(self._inbox.step(inbox.Ended(outcome)))
        self._finished.set()


def _lost(task: Task, reason: Reason, message: str, host: str) -> Failure:
    return Failure(
        task_id=task.id,
        run_id=task.run_id,
        agent=task.agent,
        attempt=task.attempt,
        reason=reason,
        message=message,
        work=Work(host=host),
    )
