"""The ledger's state, and what rules about it do in the end: settle a hold, fold an account, let in who waited."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from itertools import islice

from budget.accounts import Account, Hold
from budget.audit import check
from budget.closed_ids import ClosedIds
from budget.commands import PLAIN, Alert, Answer, Verdict
from budget.line import lacks_room, leave, next_decided, refusals

ALERTS_KEPT_MAX = 10_000  # for clients that ask late
LATE_KEPT_MAX = 100_000  # holds of lost owners in closed accounts, which a late reconciliation may still lower

_SETTLED = (Verdict.RECONCILED, Verdict.EXPIRED)


class Books:
    """Accounts and holds, open ones and those that must still be known.

    late     holds of closed accounts that were charged in full for lost owners
    parents  the accounts that have, or had, others below them
    gone     owners that were expired, each with the account that this was said of
    """

    def __init__(self) -> None:
        self.accounts: dict[str, Account] = {}
        self.holds: dict[str, Hold] = {}
        self.late: dict[str, Hold] = {}
        self.parents: dict[str, Account] = {}
        self.gone: dict[tuple[str, str | None], None] = {}
        self.closed_roots = ClosedIds()
        self.alerts: deque[Alert] = deque(maxlen=ALERTS_KEPT_MAX)
        self.alert_count = 0
        self.arrivals = 0
        self.renewals = 0

    def check(self) -> None:
        """Raise AssertionError, if the sums, limits and lines are not what the holds say."""
        check(self.accounts, self.holds, self.late)


def settle(
    books: Books, hold: Hold, state: Verdict, tokens: int, microusd: int | None, *, left_line: bool = False
) -> Answer:
    """End a hold: count what was spent, free the rest, and let in who waited for it, or behind it."""
    hold.state, hold.spent_tokens, hold.spent_microusd = state, tokens, microusd
    if microusd is None:
        for account in hold.account.path:
            account.unpriced += 1
        microusd = 0
    freed_tokens, freed_microusd = hold.tokens - tokens, hold.microusd - microusd
    over_hold = freed_tokens < 0 or freed_microusd < 0
    attention = over_hold or left_line
    for account in hold.account.path:
        account.free_tokens += freed_tokens
        account.free_microusd += freed_microusd
        account.spent_tokens += tokens
        account.spent_microusd += microusd
        if (
            account.line
            or account.spent_tokens >= account.alert_tokens
            or account.spent_microusd >= account.alert_microusd
        ):
            attention = True
    own = hold.account
    own.holds_open -= 1
    if over_hold:
        mark_overrun(own.path)
    if freed_tokens > 0:
        own.returned_tokens += freed_tokens
    if freed_microusd > 0:
        own.returned_microusd += freed_microusd
    if own.closing:
        fold(books, own)
    return attend(books, own.path, PLAIN[state]) if attention else PLAIN[state]


def settle_waiting(books: Books, hold: Hold, state: Verdict, tokens: int = 0, microusd: int | None = 0) -> Answer:
    """End a hold that stands in line, with nothing set aside for it."""
    leave(hold)
    hold.tokens = hold.microusd = 0
    return settle(books, hold, state, tokens, microusd, left_line=True)


def withdraw_waiting(books: Books, holds: Sequence[Hold]) -> Answer:
    """End holds that stand in line, all at once, so that none of them is let in on its way out."""
    for hold in holds:
        leave(hold)
        hold.tokens = hold.microusd = 0
        hold.state = Verdict.WITHDRAWN
        hold.account.holds_open -= 1
    above = dict.fromkeys(account for hold in holds for account in hold.account.path)
    return attend(books, tuple(above), PLAIN[Verdict.WITHDRAWN])


def fold(books: Books, account: Account) -> None:
    """Forget a closed account that is empty; its sums are in its parent's already."""
    if account.folded or account.holds_open or account.children:
        return
    account.folded = True
    for hold_id in account.hold_ids:
        hold = books.holds.pop(hold_id)
        if hold.state is Verdict.EXPIRED and account.parent:
            books.late[hold_id] = hold
    for hold_id in list(islice(books.late, max(0, len(books.late) - LATE_KEPT_MAX))):
        del books.late[hold_id]
    del books.accounts[account.id]
    books.parents.pop(account.id, None)
    parent = account.parent
    if parent is None:
        books.closed_roots.add(account.id)
        books.late = {hold_id: hold for hold_id, hold in books.late.items() if hold.account.path[-1] is not account}
        return
    del parent.children[account.id]
    parent.closed.add(account.id)
    parent.own_tokens += account.spent_tokens + account.earlier_tokens
    parent.own_microusd += account.spent_microusd + account.earlier_microusd
    parent.returned_tokens += account.returned_tokens
    parent.returned_microusd += account.returned_microusd
    if parent.closing:
        fold(books, parent)


def attend(books: Books, accounts: tuple[Account, ...], answer: Answer) -> Answer:
    """Raise what alerts are due and let in who waited; both are told beside the answer."""
    alerts: list[Alert] = []
    for account in accounts:
        if account.spent_tokens >= account.alert_tokens or account.spent_microusd >= account.alert_microusd:
            alerts += account.reached(books.alert_count + len(alerts) + 1)
    books.alert_count += len(alerts)
    books.alerts.extend(alerts)
    decided = tuple(_let_in(accounts))
    return answer._replace(decided=decided, alerts=tuple(alerts)) if decided or alerts else answer


def _let_in(accounts: tuple[Account, ...]) -> Iterable[tuple[str, Answer]]:
    for hold, verdict in next_decided(accounts):
        hold.state = verdict
        if verdict is Verdict.HELD:
            for account in hold.account.path:
                assert not lacks_room(account, hold), (account.id, hold.id)
                account.free_tokens -= hold.tokens
                account.free_microusd -= hold.microusd
            yield hold.id, PLAIN[verdict]
        else:
            hold.account.holds_open -= 1
            yield hold.id, Answer(verdict, refusals=refusals(hold, hold.tokens, hold.microusd))


def no_account(books: Books, account_id: str) -> Answer:
    known = account_id in books.accounts or _is_closed(books, account_id)
    return PLAIN[Verdict.CLOSED if known else Verdict.UNKNOWN_ACCOUNT]


def _is_closed(books: Books, account_id: str) -> bool:
    return account_id in books.closed_roots or any(account_id in one.closed for one in books.parents.values())


def state_of(hold: Hold) -> Answer:
    """A hold's present state, for who says something again."""
    return Answer(hold.state, repeated=True, charged=hold.spent if hold.state in _SETTLED else None)


def account_of(hold: Hold) -> Account:
    """The account that a hold counts in: its own, or the first above it that is not closed and forgotten."""
    hold.account = hold.account.remembered
    return hold.account


def mark_overrun(accounts: Iterable[Account]) -> None:
    """After a bill above its own hold."""
    for account in accounts:
        if account.free_tokens < 0 or account.free_microusd < 0:
            account.overrun = True


def subtree(account: Account) -> Iterable[Account]:
    """An account and all below it, each before its children."""
    yield account
    for child in account.children.values():
        yield from subtree(child)
