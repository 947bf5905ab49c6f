"""How commands reach the ledger: gathered while others are under way, and said again when they were lost."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Protocol, TypeVar

from budget.commands import Answer, Command, Many, Verdict
from budget.errors import BudgetUnreachableError
from budget.outbox import Outbox, Said, Told
from budget.standing import Standing
from budget.wire import News, Reply

RETRY_S = (0.05, 1.0)  # the first pause after a lost call, and the longest
GIVE_UP_S = 180.0  # of silence: an actor restarts in seconds, a node is replaced in minutes

T = TypeVar("T")


class TransportLost(Exception):
    """A call that may or may not have been carried out. Saying it again under the same ids is always right."""


class Transport(Protocol):
    """Where the ledger is: `Desk` itself in this process, `RayTransport` for an actor."""

    async def apply(self, client_id: str, commands: Sequence[Command | Many]) -> Reply: ...

    async def news(self, client_id: str, boot: str, alerts_after: int | None, wait_s: float) -> News: ...

    async def standing(self, account_ids: Sequence[str] | None) -> Standing: ...


def promise() -> tuple[asyncio.Future[Answer], Told]:
    """A future, and what makes it known. That a hold has to wait is not its answer yet."""
    future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()

    def told(answer: Answer | Exception) -> None:
        if future.done():
            return
        if isinstance(answer, Exception):
            future.set_exception(answer)
        elif answer.verdict is not Verdict.WAITING:
            future.set_result(answer)

    return future, told


class Sender:
    """One batch at a time. `answered` gets each batch with its reply, `failed` each that nobody answered."""

    def __init__(
        self,
        outbox: Outbox,
        transport: Transport,
        client_id: str,
        give_up_s: float,
        *,
        answered: Callable[[Sequence[Said], Reply], None],
        failed: Callable[[Sequence[Said], Exception], None],
    ) -> None:
        self._outbox, self._transport = outbox, transport
        self._client_id, self._give_up_s = client_id, give_up_s
        self._answered, self._failed = answered, failed
        self._task: asyncio.Task[None] | None = None

    def wake(self) -> None:
        """There is something in the outbox."""
        if self._task is None:
            self._task = asyncio.create_task(self._send())

    async def _send(self) -> None:
        try:
            while not self._outbox.empty:
                batch = self._outbox.take()
                commands = [said.command for said in batch]
                try:
                    reply = await self.insist(lambda: self._transport.apply(self._client_id, commands))  # noqa: B023
                except Exception as error:
                    self._failed(batch, error)
                else:
                    self._answered(batch, reply)
        finally:
            self._task = None

    async def insist(self, call: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Say it until it is answered. Raises BudgetUnreachableError when nobody answers for too long."""
        give_up_at_s = time.monotonic() + self._give_up_s
        pause_s = RETRY_S[0]
        while True:
            try:
                return await call()
            except TransportLost as error:
                lost = error
            if time.monotonic() > give_up_at_s:
                raise BudgetUnreachableError(f"the budget did not answer for {self._give_up_s:g} s: {lost}") from lost
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, RETRY_S[1])

    async def drained(self) -> None:
        """Once everything is answered, or given up."""
        while self._task is not None:
            await asyncio.wait([self._task])
