"""The rules about one hold: reserved, extended, and reconciled or withdrawn. Refuse first; then nothing can refuse."""

from __future__ import annotations

from typing import Final

from budget.accounts import HELD, RECONCILED, Account, Hold
from budget.books import Books, no_account, settle, settle_waiting, state_of
from budget.commands import (
    PLAIN,
    Answer,
    Extend,
    Reconcile,
    ReconcileMany,
    Refusal,
    Reserve,
    ReserveMany,
    Verdict,
    Withdraw,
)
from budget.expiry_rules import replace_charge
from budget.line import blocker, hopeless, join, refusals
from budget.money import UNLIMITED

_HELD: Final = PLAIN[HELD]


def reserve(books: Books, said: Reserve) -> Answer:
    """Set a task's worst case aside in every account above it, or in none of them."""
    return _reserve(
        books, said.account_id, said.hold_id, said.tokens, said.microusd, said.owner, said.priority, said.waits
    )


def reserve_many(books: Books, said: ReserveMany) -> list[Answer]:
    """The same for each hold in its turn."""
    account_id, owner, waits = said.account_id, said.owner, said.waits
    return [
        _reserve(books, account_id, hold_id, tokens, microusd, owner, priority, waits)
        for hold_id, tokens, microusd, priority in zip(
            said.hold_ids, said.tokens, said.microusd, said.priorities, strict=True
        )
    ]


def _reserve(
    books: Books,
    account_id: str,
    hold_id: str,
    tokens: int,
    microusd: int | None,
    owner: str,
    priority: int,
    waits: bool,
) -> Answer:
    account = books.accounts.get(account_id)
    if hold_id in books.holds:
        return _said_again(books, Reserve(hold_id, account_id, tokens, microusd, owner, priority, waits))
    if account is None or account.closing:
        return no_account(books, account_id)
    needed_microusd = microusd
    if needed_microusd is None or needed_microusd < 0 or tokens < 0:
        unfit = _unfit(account, tokens, needed_microusd)
        if unfit:
            return unfit
        needed_microusd = 0

    books.arrivals += 1
    hold = Hold(hold_id, account, tokens, microusd, owner, priority, waits, books.arrivals)
    if books.gone and _is_gone(books, hold):
        return _record(books, hold, Verdict.WITHDRAWN)
    for above in account.path:
        if tokens > above.free_tokens or needed_microusd > above.free_microusd or above.line or above.overrun:
            if hopeless(hold) or blocker(hold):
                return _wait_or_refuse(books, hold)
            break
    # From here on nothing can refuse.
    for above in account.path:
        above.free_tokens -= tokens
        above.free_microusd -= needed_microusd
    account.holds_open += 1
    account.hold_ids.append(hold_id)
    books.holds[hold_id] = hold
    return _HELD


def _wait_or_refuse(books: Books, hold: Hold) -> Answer:
    why = refusals(hold, hold.tokens, hold.microusd)
    if hopeless(hold) or not hold.waits:
        return _record(books, hold, Verdict.NEVER if hopeless(hold) else Verdict.SKIPPED, why)
    queue = blocker(hold)
    assert queue is not None, hold.asked
    join(queue, hold)
    hold.account.holds_open += 1
    return _record(books, hold, Verdict.WAITING, why)


def _record(books: Books, hold: Hold, state: Verdict, why: tuple[Refusal, ...] = ()) -> Answer:
    """Remember a hold for which nothing was set aside, so that it is answered alike when said again."""
    hold.state = state
    books.holds[hold.id] = hold
    hold.account.hold_ids.append(hold.id)
    return Answer(state, refusals=why)


def _said_again(books: Books, said: Reserve) -> Answer:
    hold = books.holds[said.hold_id]
    if hold.asked != said:
        return PLAIN[Verdict.CONFLICT]
    return state_of(hold)


def _is_gone(books: Books, hold: Hold) -> bool:
    return (hold.owner, None) in books.gone or any((hold.owner, above.id) in books.gone for above in hold.account.path)


def extend(books: Books, said: Extend) -> Answer:
    """Raise a hold to a new total, if that fits. It passes those who wait: they wait for its end anyway."""
    hold = books.holds.get(said.hold_id)
    if hold is None:
        return PLAIN[Verdict.UNKNOWN_HOLD]
    if hold.state is not Verdict.HELD:
        return state_of(hold)
    unfit = _unfit(hold.account, said.tokens, said.microusd)
    if unfit:
        return unfit
    tokens = max(0, said.tokens - hold.tokens)
    microusd = max(0, (said.microusd or 0) - hold.microusd)
    if tokens == 0 and microusd == 0:
        return Answer(Verdict.HELD, repeated=True)
    why = [no for no in refusals(hold, tokens, microusd) if no.short_by or not no.waiting_can_help]
    if why:
        verdict = Verdict.NEVER if hopeless(hold, tokens, microusd) else Verdict.SKIPPED
        return Answer(verdict, refusals=tuple(why))
    for account in hold.account.path:
        account.free_tokens -= tokens
        account.free_microusd -= microusd
    hold.tokens += tokens
    hold.microusd += microusd
    return PLAIN[Verdict.HELD]


def reconcile(books: Books, said: Reconcile) -> Answer:
    """Turn a hold into what was really spent. For a lost owner's hold, the truth replaces the charge."""
    return _reconcile(books, said.hold_id, said.tokens, said.microusd)


def reconcile_many(books: Books, said: ReconcileMany) -> list[Answer]:
    """The same for each hold in its turn."""
    return [
        _reconcile(books, hold_id, tokens, microusd)
        for hold_id, tokens, microusd in zip(said.hold_ids, said.tokens, said.microusd, strict=True)
    ]


def _reconcile(books: Books, hold_id: str, tokens: int, microusd: int | None) -> Answer:
    hold = books.holds.get(hold_id)
    if hold is None or hold.state is not HELD or tokens < 0:
        return _reconcile_otherwise(books, hold_id, tokens, microusd)
    if microusd is None:
        if not hold.unpriced:
            microusd = hold.microusd  # the worst case, as the bill is not known
    elif microusd < 0:
        return PLAIN[Verdict.INVALID]
    return settle(books, hold, RECONCILED, tokens, microusd)


def _reconcile_otherwise(books: Books, hold_id: str, tokens: int, microusd: int | None) -> Answer:
    hold = books.holds.get(hold_id) or books.late.get(hold_id)
    if hold is None:
        return PLAIN[Verdict.UNKNOWN_HOLD]
    if tokens < 0 or (microusd or 0) < 0:
        return PLAIN[Verdict.INVALID]
    if microusd is None and not hold.unpriced:
        microusd = hold.microusd
    if hold.state is Verdict.EXPIRED:
        return replace_charge(books, hold, tokens, microusd)
    if hold.state is Verdict.WAITING:  # somebody began without being let in: what it spent was spent all the same
        return settle_waiting(books, hold, Verdict.RECONCILED, tokens, microusd)
    settled_so = hold.spent_tokens == tokens and hold.spent_microusd == microusd
    return state_of(hold) if settled_so else PLAIN[Verdict.CONFLICT]


def withdraw(books: Books, said: Withdraw) -> Answer:
    """End a hold under which nothing was spent, whether it waits or is held."""
    hold = books.holds.get(said.hold_id)
    if hold is None:
        return PLAIN[Verdict.UNKNOWN_HOLD]
    if hold.state is Verdict.HELD:
        return settle(books, hold, Verdict.WITHDRAWN, 0, 0)
    if hold.state is Verdict.WAITING:
        return settle_waiting(books, hold, Verdict.WITHDRAWN)
    return state_of(hold)


def _unfit(account: Account, tokens: int, microusd: int | None) -> Answer | None:
    """Why an amount cannot be held at all: it is negative, or its cost is unknown under a dollar ceiling."""
    if tokens < 0 or (microusd or 0) < 0:
        return PLAIN[Verdict.INVALID]
    if microusd is None:
        capped = [above for above in account.path if above.limit_microusd < UNLIMITED]
        if capped:
            return Answer(Verdict.UNPRICED, refusals=tuple(_unpriced_under(above) for above in capped))
    return None


def _unpriced_under(account: Account) -> Refusal:
    free, unspent = account.free_microusd, account.unspent_microusd
    return Refusal(account.id, "microusd", 0, free, unspent, account.limit_microusd)
