"""The budget as its users see it: one client per process, over the desk in this process or an actor elsewhere."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeAlias, cast

from budget.commands import (
    ALERT_PERCENTS,
    Alert,
    Answer,
    Close,
    Command,
    Expire,
    ExpireAccount,
    ExpireOwner,
    Extend,
    Open,
    SetLimit,
    Verdict,
)
from budget.desk import Desk
from budget.errors import (
    AccountConflictError,
    BudgetError,
    UnknownAccountError,
    UnknownCostError,
)
from budget.money import Amount, Limit
from budget.outbox import Outbox, Said, Told
from budget.sender import GIVE_UP_S, Sender, Transport, TransportLost, promise
from budget.standing import Standing
from budget.wire import News, Reply

LISTEN_S = 20.0  # one wait for news; also how often an idle client shows that it lives
RELISTEN_S = 0.2  # after a wait for news was lost

log = logging.getLogger("muster.budget")

# Travels to each process that pays, and makes a client there: one belongs to its event loop.
BudgetFactory: TypeAlias = "Callable[[], Budget]"


class Budget:
    """Reserve before you spend, reconcile after it. For one event loop.

    While one call is under way, the next commands gather and go as one. A call that is lost is said again. A hold id
    must name one attempt at one task: an id that was refused, withdrawn or reconciled once stays so.
    """

    def __init__(self, transport: Transport, *, give_up_s: float = GIVE_UP_S) -> None:
        self.client_id = uuid.uuid4().hex
        self._transport = transport
        self._outbox = Outbox()
        self._sender = Sender(
            self._outbox, transport, self.client_id, give_up_s, answered=self._answered, failed=self._outbox.failed
        )
        self._listener: asyncio.Task[None] | None = None
        self._boot = ""
        self._alerted: Callable[[Alert], None] | None = None
        self._alerts_seen: int | None = None
        self._opened_under: set[str] = set()
        self._opens = False

    # Accounts

    async def open(
        self,
        account_id: str,
        *,
        parent: str | None = None,
        limit: Limit = Limit(),  # noqa: B008  (a frozen value)
        alert_percents: Iterable[int] = ALERT_PERCENTS,
    ) -> Answer:
        """Open an account, or find it open under the same terms.

        Raises: UnknownAccountError for an unknown parent, AccountConflictError for other terms or a closed account.
        """
        self._opens = True
        self._opened_under.update((parent,) if parent else ())
        percents = tuple(sorted(alert_percents))
        said = Open(account_id, parent, limit.tokens, limit.microusd, percents, self.client_id)
        answer = await self._say(said)
        self._listen()
        if answer.verdict is Verdict.UNKNOWN_ACCOUNT:
            raise UnknownAccountError(
                f"account {parent!r}, the parent of {account_id!r}, was never opened: open it first"
            )
        if answer.verdict is Verdict.CLOSED:
            raise AccountConflictError(
                f"account {account_id!r} or its parent {parent!r} is closed: open one of a new name"
            )
        if answer.verdict is not Verdict.OPEN:
            raise AccountConflictError(
                f"account {account_id!r} is open under other terms than parent {parent!r}, {limit}, "
                f"alerts at {percents} %: set its limit instead"
            )
        return answer

    async def open_all(self, limits: Mapping[str, Limit], *, parent: str) -> Sequence[str]:
        """`open`, without alerts, for those who have thousands of accounts: by name; gives those that are open now.

        Others are open under other terms, closed, or below an unknown parent: `open` says which.
        """
        said = [Open(name, parent, limit.tokens, limit.microusd, (), self.client_id) for name, limit in limits.items()]
        if not said:
            return []
        self._opens = True
        self._opened_under.add(parent)
        heard: list[Answer | Exception] = []
        for one in said[:-1]:
            self._outbox.say(one, heard.append)
        heard.append(await self._say(said[-1]))  # what was said before it is answered before it
        self._listen()
        failed = next((answer for answer in heard if isinstance(answer, Exception)), None)
        if failed is not None:
            raise failed
        return [
            name for name, answer in zip(limits, heard, strict=True) if cast(Answer, answer).verdict is Verdict.OPEN
        ]

    async def set_limit(self, account_id: str, limit: Limit) -> Answer:
        """Another ceiling for an open account, from now on."""
        answer = await self._say(SetLimit(account_id, limit.tokens, limit.microusd))
        if answer.verdict is Verdict.UNPRICED:
            raise UnknownCostError(
                f"account {account_id!r} has spent or held amounts of unknown cost: no dollar limit now"
            )
        _refuse_unknown(answer, account_id)
        return answer

    async def close(self, account_id: str) -> Answer:
        """No more holds in an account and below. Answers with all that it came to, when that is still known."""
        answer = await self._say(Close(account_id))
        _refuse_unknown(answer, account_id)
        return answer

    async def standing(self, *account_ids: str) -> Standing:
        """How these accounts stand, or all of them."""
        return await self._sender.insist(lambda: self._transport.standing(account_ids or None))

    # Holds

    async def reserve(
        self,
        hold_id: str,
        account_id: str,
        amount: Amount,
        *,
        owner: str = "",
        priority: int = 0,
        on_exhausted: str = "wait",
    ) -> Answer:
        """Set a task's worst case aside. Comes back when it is `held`, or when it is sure that it will not be.

        Cancelling gives the hold up, also when it was granted in the same moment.
        Raises: UnknownAccountError, UnknownCostError (no dollar figure under a dollar ceiling).
        """
        future, told = promise()
        waits = on_exhausted == "wait"
        self.ask(hold_id, account_id, amount.tokens, amount.microusd, told, owner=owner, priority=priority, waits=waits)
        try:
            answer = await future
        except asyncio.CancelledError:
            self.give_up(hold_id, told)
            raise
        mistaken = mistake_of(hold_id, account_id, answer)
        if mistaken is not None:
            raise mistaken
        return answer

    def ask(
        self,
        hold_id: str,
        account_id: str,
        tokens: int,
        microusd: int | None,
        told: Told,
        *,
        owner: str = "",
        priority: int = 0,
        waits: bool = True,
    ) -> None:
        """`reserve` for those who have thousands of holds: `told` is called with the answer, or why there is none.

        Before that it is called with WAITING, perhaps more than once, when the hold has to stand in line.
        """
        self._outbox.reserve(hold_id, account_id, tokens, microusd, owner, priority, waits, told)
        self._sender.wake()

    def give_up(self, hold_id: str, told: Told) -> None:
        """What was asked for is no longer wanted: `told` is not called, and a hold that nobody else wants is ended."""
        self._outbox.give_up(hold_id, told)
        self._sender.wake()

    def extend(self, hold_id: str, total: Amount) -> asyncio.Future[Answer]:
        """Raise a hold to a new total. `held` is false when it does not fit; the hold stays as it was."""
        return self._say(Extend(hold_id, total.tokens, total.microusd))

    def reconcile(self, hold_id: str, spent: Amount) -> asyncio.Future[Answer]:
        """Say what a hold's task really spent. It is sent whether or not the answer is awaited."""
        answer, told = promise()
        self.bill(hold_id, spent.tokens, spent.microusd, told)
        return answer

    def bill(self, hold_id: str, tokens: int, microusd: int | None, told: Told) -> None:
        """`reconcile` for those who have thousands of holds: `told` gets the answer, or why there is none."""
        self._outbox.reconcile(hold_id, tokens, microusd, told)
        self._sender.wake()

    def tell(self, said: Open | Close, told: Told) -> None:
        """`open` and `close` for those who have thousands of accounts, in the same manner."""
        self._outbox.say(said, told)
        self._sender.wake()

    def expire(
        self, hold_ids: Iterable[str] = (), *, owner: str | None = None, account_id: str | None = None
    ) -> asyncio.Future[Answer]:
        """Charge the holds of the dead in full: these, or an owner's, or an account's, or an owner's in an account.

        `charged` and `expired_ids` tell all of them that now stand charged, also by an earlier expiry.
        """
        if owner is not None:
            return self._say(ExpireOwner(owner, account_id))
        if account_id is not None:
            return self._say(ExpireAccount(account_id))
        return self._say(Expire(tuple(hold_ids)))

    # News

    def on_alert(self, alerted: Callable[[Alert], None]) -> None:
        """Call this for each alert of the accounts that are opened here, and of those they are opened under.

        Say so before the first of them is opened.
        """
        self._alerted = alerted

    async def aclose(self) -> None:
        """Send what is still to be sent, and stop listening."""
        self._opens, self._alerted = False, None
        await self._sender.drained()
        if self._listener is not None:
            self._listener.cancel()
            await asyncio.wait([self._listener])

    # Answers

    def _say(self, command: Command) -> asyncio.Future[Answer]:
        answer, told = promise()
        self._outbox.say(command, told)
        self._sender.wake()
        return answer

    def _answered(self, batch: Sequence[Said], reply: Reply) -> None:
        if self._alerts_seen is None:
            self._alerts_seen = reply.alert_count
        self._outbox.answered(batch, reply.answers)
        self._heard(reply.news)
        self._listen()

    # Listening

    def _listen(self) -> None:
        if self._listener is None and self._wants_news():
            self._listener = asyncio.create_task(self._listen_on())

    def _wants_news(self) -> bool:
        return self._outbox.waits or self._opens

    async def _listen_on(self) -> None:
        try:
            while self._wants_news():
                alerts_after = self._alerts_seen if self._alerted else None
                try:
                    news = await self._transport.news(self.client_id, self._boot, alerts_after, LISTEN_S)
                except TransportLost:
                    self._boot = ""  # what was on its way to us is lost too: ask when somebody answers again
                    await asyncio.sleep(RELISTEN_S)
                else:
                    self._heard(news)
        except Exception as error:
            log.error("no more news from the budget: %s", error)
            self._outbox.nobody_decides(error)
        finally:
            self._listener = None

    def _heard(self, news: News) -> None:
        if news.boot != self._boot:
            self._boot = news.boot
            self._outbox.ask_again()  # whoever was to tell us of our turn may have forgotten it
            if not self._outbox.empty:
                self._sender.wake()
        for hold_id, answer in news.decided:
            self._outbox.decided(hold_id, answer)
        for alert in news.alerts:
            self._alert(alert)

    def _alert(self, alert: Alert) -> None:
        if self._alerted is None or alert.number <= (self._alerts_seen or 0):
            return
        self._alerts_seen = alert.number
        if alert.owner == self.client_id or alert.account_id in self._opened_under:
            try:
                self._alerted(alert)
            except Exception:
                log.exception("the callback for alert %s failed", alert)


@asynccontextmanager
async def local_budget(folder: Path | None, *, durable: bool = True) -> AsyncIterator[Budget]:
    """A budget in this process, whose ledger lies in `folder`.

    Raises: JournalError, when the folder is in use, damaged or not writable.
    """
    desk = Desk(folder, durable=durable)
    budget = Budget(desk)
    try:
        yield budget
    finally:
        await budget.aclose()
        await desk.close()


def mistake_of(hold_id: str, account_id: str, answer: Answer) -> BudgetError | None:
    """What is wrong with having asked so, where it is not the money that was lacking."""
    if answer.verdict is Verdict.UNPRICED:
        above = ", ".join(repr(refusal.account_id) for refusal in answer.refusals)
        return UnknownCostError(
            f"hold {hold_id!r} has no known cost, and there is a dollar limit on {above}: give a price"
        )
    return _unknown(answer, account_id)


def _refuse_unknown(answer: Answer, account_id: str) -> None:
    unknown = _unknown(answer, account_id)
    if unknown is not None:
        raise unknown


def _unknown(answer: Answer, account_id: str) -> BudgetError | None:
    if answer.verdict is Verdict.UNKNOWN_ACCOUNT:
        return UnknownAccountError(f"account {account_id!r} was never opened: open it first")
    return None
