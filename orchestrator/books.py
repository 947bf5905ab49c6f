"""What the driver tells the budget: which accounts are open, whose holds are charged, and that all is over."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from actors.accounts import attempt_of, run_account
from actors.contracts import Task
from budget import Budget, Close, Limit
from budget.errors import BudgetError, JournalError
from orchestrator.past_holds import close_pages, unused_attempts
from orchestrator.run_accounts import RunAccounts
from orchestrator.runs import Run, Runs

log = logging.getLogger("muster.driver")

PATIENCE_S = 0.5  # between two looks whether the batch was stopped


@dataclass(slots=True)
class Books:
    """The accounts of one batch. What nothing depends on is said without waiting for an answer."""

    budget: Budget
    batch: str  # its account
    broken: str = ""  # why the ledger can write nothing more down, when it cannot
    _accounts: RunAccounts = field(init=False)
    _said: set[asyncio.Future[object]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._accounts = RunAccounts(self.budget, self.batch)

    async def find(self) -> None:
        """Look for what earlier attempts at the batch have left."""
        await self._accounts.find()

    async def open(self, runs: Sequence[Run]) -> None:
        with self._noted():
            await self._accounts.open_all(self._limits(runs))

    async def unused_attempts(self, tasks: Sequence[Task]) -> Sequence[Task]:
        """The tasks as attempts that the ledger has never heard of; as they are when it is `broken`."""
        with self._noted():
            return await unused_attempts(self.budget, self.batch, tasks)
        return tasks

    def close(self, run: Run) -> None:
        """Nothing of this run will be spent any more."""
        if run.limit is not None:
            self.budget.tell(Close(run_account(self.batch, run.id)), self._was_told)

    async def charge(self, hosts: Sequence[str], runs: Runs, hurry: Callable[[], bool]) -> None:
        """What lost hosts had set aside is charged in full. Waits for that unless there is no time."""
        charged = [asyncio.ensure_future(self._charge(host, runs)) for host in hosts]
        while not hurry() and any(not one.done() for one in charged):
            await asyncio.wait(charged, timeout=PATIENCE_S)
        for one in charged:
            self._say(one)

    def charge_again(self, host: str, runs: Runs) -> None:
        self._say(self._charge(host, runs))

    async def settle_up(self, within_s: float | None) -> None:
        """Nothing is under way any more, so whatever is still held is charged."""
        try:
            async with asyncio.timeout(within_s):
                while self._said:
                    await asyncio.wait(self._said)
                await self.budget.expire(account_id=self.batch)
                if within_s is None:  # who was stopped may go on, and must know which holds there were
                    await close_pages(self.budget, self.batch)
        except (BudgetError, TimeoutError) as error:
            log.warning("the budget's books are not closed: %s", error or "no answer")

    async def _charge(self, host: str, runs: Runs) -> None:
        """In full: nobody can say what of it was spent."""
        answer = await self.budget.expire(owner=host, account_id=self.batch)
        tasks = [named[0] for hold in answer.expired_ids if (named := attempt_of(self.batch, hold))]
        meant = self._limits(run for task_id in tasks if (run := runs.run_of(task_id)))
        if meant:
            await self._accounts.make_room(meant)

    def _limits(self, runs: Iterable[Run]) -> Mapping[str, Limit]:
        """The accounts of those runs that have one, and the ceilings there."""
        return {run_account(self.batch, run.id): run.limit for run in runs if run.limit is not None}

    @contextmanager
    def _noted(self) -> Iterator[None]:
        """A ledger that cannot be written ends the batch, not the driver: what is there is kept and told."""
        try:
            yield
        except JournalError as error:
            self.broken = str(error)

    def _say(self, said: Awaitable[object]) -> None:
        future = asyncio.ensure_future(said)
        self._said.add(future)
        future.add_done_callback(self._was_said)

    def _was_said(self, future: asyncio.Future[object]) -> None:
        self._said.discard(future)
        if not future.cancelled():
            self._was_told(future.exception())

    def _was_told(self, answer: object) -> None:
        if isinstance(answer, JournalError):
            self.broken = str(answer)
        if isinstance(answer, BaseException):
            log.warning("the budget was not told: %s", answer)
