"""The ledger at work: batches come in from many clients, are written down in groups, carried out, and answered.

The same desk serves a program in its own process and, inside an actor, a cluster.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable, Sequence
from itertools import dropwhile
from pathlib import Path
from typing import NamedTuple

from budget.commands import (
    PLAIN,
    Alert,
    Answer,
    Command,
    ExpireAccount,
    Many,
    Renew,
    Reserve,
    ReserveMany,
    Verdict,
    Withdraw,
)
from budget.errors import JournalError
from budget.journal import LOCK_WAIT_S, Journal
from budget.ledger import BudgetLedger
from budget.money import Period, period_label
from budget.snapshot import snapshot
from budget.standing import Standing, standing
from budget.wire import News, Reply, commands_written


class _Batch(NamedTuple):
    client_id: str
    commands: Sequence[Command | Many]
    written: bytes
    reply: asyncio.Future[Reply]


class Desk:
    """One ledger behind its journal. While one group is on its way to the disk, the next one gathers.

    With `durable` false nothing is written, and nothing survives the process: for measuring what durability costs.
    `period` renews the ceilings of all accounts without a parent, by the clock in UTC.
    With `lease_s`, an account whose owner was not heard of for so long has all its holds expired: for a ledger that
    outlives its users. Both need somebody to call `tick`.

    Raises: JournalError, as `Journal` does; any call after the journal broke.
    """

    def __init__(
        self,
        folder: Path | None,
        *,
        durable: bool = True,
        period: Period | None = None,
        lease_s: float | None = None,
        lock_wait_s: float = LOCK_WAIT_S,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.boot = uuid.uuid4().hex
        self._journal = (
            Journal(folder, clock=clock, lock_wait_s=lock_wait_s) if folder is not None and durable else None
        )
        self._ledger = self._journal.ledger if self._journal else BudgetLedger()
        self._period, self._lease_s, self._clock = period, lease_s, clock
        self._stopped = ""
        self._group: list[_Batch] = []
        self._committer: asyncio.Task[None] | None = None
        self._askers: dict[str, str] = {}  # waiting hold -> the client to tell
        self._decided: dict[str, list[tuple[str, Answer]]] = {}
        self._listeners: dict[str, asyncio.Event] = {}
        self._heard_at: dict[str, float] = {}
        self._opened_at = clock()

    async def apply(self, client_id: str, commands: Sequence[Command | Many], written: bytes | None = None) -> Reply:
        """Carry a client's commands out, in order; answers when they are durable. `written`: the same as bytes."""
        if self._stopped:
            raise JournalError(self._stopped)
        if written is None:
            written = commands_written(commands) if self._journal else b""
        reply: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._group.append(_Batch(client_id, commands, written, reply))
        if self._committer is None:
            self._committer = asyncio.create_task(self._commit())
        return await reply

    async def news(self, client_id: str, boot: str, alerts_after: int | None, wait_s: float) -> News:
        """What a client has to know, as soon as there is something, or nothing after `wait_s`.

        With `alerts_after` alerts of higher numbers are among it. A client of an earlier boot is told at once.
        """
        self._heard_at[client_id] = self._clock()
        if boot == self.boot and not self._has_news(client_id, alerts_after):
            event = self._listeners[client_id] = asyncio.Event()
            try:
                await asyncio.wait_for(event.wait(), wait_s)
            except TimeoutError:
                pass
            finally:
                if self._listeners.get(client_id) is event:
                    del self._listeners[client_id]
        return News(self.boot, self._decided.pop(client_id, ()), self._alerts_after(alerts_after))

    async def standing(self, account_ids: Sequence[str] | None = None) -> Standing:
        return standing(self._ledger, account_ids)

    async def tick(self) -> None:
        """What must happen because time has passed: ceilings renewed, the holds of lapsed owners expired."""
        due = self._lapsed()
        if due or self._renewals():
            await self.apply("", due)

    def _lapsed(self) -> list[Command]:
        if self._lease_s is None:
            return []
        now_s = self._clock()
        return [
            ExpireAccount(account.id)
            for account in self._ledger.accounts.values()
            if account.asked.owner and account.parent and account.parent.parent is None
            if now_s - self._heard_at.get(account.asked.owner, self._opened_at) > self._lease_s
            if account.held_tokens or account.held_microusd or account.line
        ]

    async def close(self) -> None:
        while self._committer is not None:
            await asyncio.wait([self._committer])
        if self._journal:
            self._journal.close()

    async def _commit(self) -> None:
        try:
            while self._group:
                group, self._group = self._group, []
                try:
                    await self._commit_group(group)
                except Exception as error:
                    if not isinstance(error, JournalError):
                        self._stopped = (
                            f"the ledger stopped, as it is wrong about itself: {error!r}; resume from it anew"
                        )
                    for batch in group:
                        if not batch.reply.done():
                            batch.reply.set_exception(error)
        finally:
            self._committer = None

    async def _commit_group(self, group: list[_Batch]) -> None:
        renewals = self._renewals()
        if self._journal:
            lines = [commands_written(renewals)] if renewals else []
            lines += [batch.written for batch in group]
            await asyncio.get_running_loop().run_in_executor(None, self._journal.append, lines)
        for command in renewals:
            self._tell(self._ledger.apply(command))
        for batch in group:
            reply = self._carry_out(batch)
            if not batch.reply.done():
                batch.reply.set_result(reply)
        if self._journal and self._journal.wants_compaction:
            state = snapshot(self._ledger)  # a copy: the ledger goes on meanwhile
            await asyncio.get_running_loop().run_in_executor(None, self._journal.compact, state)

    def _carry_out(self, batch: _Batch) -> Reply:
        self._heard_at[batch.client_id] = self._clock()
        alert_count = self._ledger.alert_count
        answers: list[Answer] = []
        for command in batch.commands:
            given = self._ledger.answers(command)
            answers += given
            asked = _asked(command)
            for place, answer in enumerate(given):
                if PLAIN[answer.verdict] is not answer:
                    if asked and answer.verdict is Verdict.WAITING:
                        self._askers[asked[place]] = batch.client_id
                    self._tell(answer)
            if isinstance(command, Withdraw):
                self._askers.pop(command.hold_id, None)
        return Reply(answers, News(self.boot, self._decided.pop(batch.client_id, ())), alert_count)

    def _tell(self, answer: Answer) -> None:
        """Pass on what an answer means for others."""
        for hold_id, decision in answer.decided:
            client_id = self._askers.pop(hold_id, None)
            if client_id is not None:
                self._decided.setdefault(client_id, []).append((hold_id, decision))
                self._wake(client_id)
        if answer.alerts:
            for client_id in list(self._listeners):
                self._wake(client_id)

    def _wake(self, client_id: str) -> None:
        listener = self._listeners.get(client_id)
        if listener is not None:
            listener.set()

    def _has_news(self, client_id: str, alerts_after: int | None) -> bool:
        return client_id in self._decided or (alerts_after is not None and self._ledger.alert_count > alerts_after)

    def _alerts_after(self, number: int | None) -> list[Alert]:
        if number is None or self._ledger.alert_count <= number:
            return []
        return list(dropwhile(lambda alert: alert.number <= number, self._ledger.alerts))

    def _renewals(self) -> list[Command]:
        if self._period is None:
            return []
        label = period_label(self._clock(), self._period)
        roots = (account for account in self._ledger.accounts.values() if account.parent is None)
        return [Renew(root.id, label) for root in roots if root.period != label and not root.closing]


def _asked(command: Command | Many) -> Sequence[str]:
    """The holds that a command asks for."""
    if isinstance(command, ReserveMany):
        return command.hold_ids
    return [command.hold_id] if isinstance(command, Reserve) else []
