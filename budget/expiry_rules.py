"""The rules about holds whose owner is lost: charged in full, and corrected if it speaks up after all."""

from __future__ import annotations

from operator import attrgetter

from budget.accounts import HELD, WAITING, Account, Hold
from budget.books import (
    Books,
    account_of,
    attend,
    mark_overrun,
    no_account,
    settle,
    state_of,
    subtree,
    withdraw_waiting,
)
from budget.commands import PLAIN, Answer, Expire, ExpireAccount, ExpireOwner, Verdict
from budget.money import NOTHING

GONE_KEPT_MAX = 10_000  # owners; what they still had under way arrives within seconds


def expire(books: Books, said: Expire) -> Answer:
    """Of these holds; ids that nobody knows are passed over."""
    found = (books.holds.get(hold_id) or books.late.get(hold_id) for hold_id in dict.fromkeys(said.hold_ids))
    return _charge_in_full(books, [hold for hold in found if hold])


def expire_owner(books: Books, said: ExpireOwner) -> Answer:
    """Of an owner, which from now on is known to be gone."""
    books.gone[said.owner, said.account_id] = None
    if len(books.gone) > GONE_KEPT_MAX:
        del books.gone[next(iter(books.gone))]
    holds = [hold for hold in (*books.holds.values(), *books.late.values()) if hold.owner == said.owner]
    if said.account_id is not None:
        holds = [hold for hold in holds if any(above.id == said.account_id for above in account_of(hold).path)]
    return _charge_in_full(books, holds)


def expire_account(books: Books, said: ExpireAccount) -> Answer:
    """Of an account and all below it, closed ones included."""
    account = books.accounts.get(said.account_id)
    if account is None:
        return no_account(books, said.account_id)
    own = [books.holds[hold_id] for one in subtree(account) for hold_id in one.hold_ids]
    return _charge_in_full(books, [*own, *(hold for hold in books.late.values() if account in account_of(hold).path)])


def _charge_in_full(books: Books, holds: list[Hold]) -> Answer:
    """Charge what is held, withdraw what waits. Answers with all of these that now stand charged."""
    waiting = [hold for hold in holds if hold.state is WAITING]
    answers = [withdraw_waiting(books, waiting)]
    held = sorted((hold for hold in holds if hold.state is HELD), key=attrgetter("order"))
    answers += [_charge(books, hold) for hold in held]
    own = ((hold.id, state_of(hold)) for hold in (*waiting, *held))
    others = (decision for answer in answers for decision in answer.decided)
    charged = [hold for hold in holds if hold.state is Verdict.EXPIRED]
    total = sum((hold.spent for hold in charged), start=NOTHING)
    return Answer(
        Verdict.DONE,
        charged=total,
        expired_ids=tuple(hold.id for hold in charged),
        decided=(*own, *others),
        alerts=tuple(alert for answer in answers for alert in answer.alerts),
    )


def _charge(books: Books, hold: Hold) -> Answer:
    hold.charged_at = books.renewals
    for account in hold.account.path:
        account.unseen_tokens += hold.tokens
        account.unseen_microusd += hold.microusd
    return settle(books, hold, Verdict.EXPIRED, hold.tokens, None if hold.unpriced else hold.microusd)


def replace_charge(books: Books, hold: Hold, tokens: int, microusd: int | None) -> Answer:
    """A lost owner's charge becomes what it really spent; what it was charged too much goes back to that period."""
    account_of(hold)
    more_tokens = tokens - hold.spent_tokens
    more_microusd = (microusd or 0) - (hold.spent_microusd or 0)
    unpriced = (microusd is None) - (hold.spent_microusd is None)
    for account in hold.account.path:
        account.unseen_tokens -= hold.spent_tokens
        account.unseen_microusd -= hold.spent_microusd or 0
        account.unpriced += unpriced
        _add_spent(account, hold, more_tokens, more_microusd)
    if more_tokens > 0 or more_microusd > 0:
        mark_overrun(hold.account.path)
    if books.late.pop(hold.id, None):
        hold.account.own_tokens += more_tokens
        hold.account.own_microusd += more_microusd
    hold.state, hold.spent_tokens, hold.spent_microusd = Verdict.RECONCILED, tokens, microusd
    return attend(books, hold.account.path, PLAIN[Verdict.RECONCILED])


def _add_spent(account: Account, hold: Hold, tokens: int, microusd: int) -> None:
    """Correct a charge by this much. What an earlier period was charged too much is no money of the present one."""
    charged_before = hold.charged_at < account.renewed_at
    if charged_before and tokens < 0:
        account.earlier_tokens += tokens
    else:
        account.spent_tokens += tokens
        account.free_tokens -= tokens
    if charged_before and microusd < 0:
        account.earlier_microusd += microusd
    else:
        account.spent_microusd += microusd
        account.free_microusd -= microusd
