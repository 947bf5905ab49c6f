"""The rules about accounts: opened, closed, given another limit or a new period."""

from __future__ import annotations

from budget.accounts import WAITING, Account
from budget.books import Books, attend, fold, no_account, subtree, withdraw_waiting
from budget.commands import PLAIN, Answer, Close, Open, Renew, SetLimit, Verdict
from budget.money import Amount


def open_account(books: Books, said: Open) -> Answer:
    """A new account under its parent, or the one that is there under the same terms."""
    known = books.accounts.get(said.account_id)
    if known is not None:
        if known.closing:
            return PLAIN[Verdict.CLOSED]
        return _open_again(books, known, said)
    if min(said.limit_tokens or 0, said.limit_microusd or 0) < 0:
        return PLAIN[Verdict.INVALID]
    parent = None if said.parent_id is None else books.accounts.get(said.parent_id)
    if said.account_id in (parent.closed if parent else books.closed_roots):
        return PLAIN[Verdict.CLOSED]
    if said.parent_id is not None and (parent is None or parent.closing):
        return no_account(books, said.parent_id)
    account = Account(said, parent)
    books.accounts[account.id] = account
    if parent:
        parent.children[account.id] = account
        books.parents[parent.id] = parent
    return PLAIN[Verdict.OPEN]


def _open_again(books: Books, account: Account, said: Open) -> Answer:
    """The same terms, as they were or as they are since its limit was set, are no news; others are a conflict."""
    limit = account.limit
    as_it_was = account.asked._replace(owner=said.owner)
    as_it_is = as_it_was._replace(limit_tokens=limit.tokens, limit_microusd=limit.microusd)
    if said not in (as_it_was, as_it_is):
        return PLAIN[Verdict.CONFLICT]
    if account.asked.owner != said.owner:  # whoever opened it last looks after it, with owners of its own
        books.gone.clear()
    account.asked = as_it_was
    return Answer(Verdict.OPEN, repeated=True)


def close(books: Books, said: Close) -> Answer:
    """No more holds in it and below; forgotten as soon as the last one there is settled."""
    account = books.accounts.get(said.account_id)
    if account is None:
        return no_account(books, said.account_id)
    repeated = account.closing
    below = list(subtree(account))
    for one in below:
        one.closing = True
    waiting = [hold for one in below for hold_id in one.hold_ids if (hold := books.holds[hold_id]).state is WAITING]
    closed = tuple((hold.id, PLAIN[Verdict.CLOSED]) for hold in waiting)
    others = withdraw_waiting(books, waiting)
    for one in reversed(below):
        fold(books, one)
    return Answer(Verdict.CLOSED, repeated, _lifetime(account), decided=(*closed, *others.decided))


def set_limit(books: Books, said: SetLimit) -> Answer:
    """Another ceiling. No dollar ceiling over amounts whose cost nobody knows."""
    account = books.accounts.get(said.account_id)
    if account is None or account.closing:
        return no_account(books, said.account_id)
    if min(said.limit_tokens or 0, said.limit_microusd or 0) < 0:
        return PLAIN[Verdict.INVALID]
    if said.limit_microusd is not None and (account.unpriced or _holds_unpriced(books, account)):
        return PLAIN[Verdict.UNPRICED]
    account.set_limit(said.limit_tokens, said.limit_microusd)
    return attend(books, (account,), PLAIN[Verdict.DONE])


def renew(books: Books, said: Renew) -> Answer:
    """Make a ceiling whole again for a new period."""
    account = books.accounts.get(said.account_id)
    if account is None or account.closing:
        return no_account(books, said.account_id)
    if account.period == said.period:
        return Answer(Verdict.DONE, repeated=True)
    if not account.period:  # its first: what was spent so far belongs to it
        account.period = said.period
        return PLAIN[Verdict.DONE]
    books.renewals += 1
    account.begin_period(said.period, books.renewals)
    return attend(books, (account,), PLAIN[Verdict.DONE])


def _holds_unpriced(books: Books, account: Account) -> bool:
    waiting_or_held = (Verdict.HELD, Verdict.WAITING)
    holds = (books.holds[hold_id] for one in subtree(account) for hold_id in one.hold_ids)
    return any(hold.unpriced and hold.state in waiting_or_held for hold in holds)


def _lifetime(account: Account) -> Amount:
    microusd = account.spent_microusd + account.earlier_microusd
    return Amount(account.spent_tokens + account.earlier_tokens, None if account.unpriced else microusd)
