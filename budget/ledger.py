"""The ledger: what every account has spent, and what is set aside for tasks that run.

Always, for every account, `spent + held <= limit`. Only a bill above its own hold can break it: that is recorded as
the truth, marks the account overrun, and lets nothing more in. No clock, no files: the same commands in the same order
give the same state.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any

from budget.accounts import Account, ClosedIds, Hold
from budget.audit import check
from budget.commands import (
    PLAIN,
    Alert,
    Answer,
    Close,
    Command,
    Expire,
    ExpireAccount,
    ExpireOwner,
    Extend,
    Open,
    Reconcile,
    Refusal,
    Renew,
    Reserve,
    SetLimit,
    Verdict,
    Withdraw,
)
from budget.line import blocker, hopeless, join, lacks_room, leave, next_decided, refusals
from budget.money import NOTHING, Amount

GONE_KEPT_MAX = 10_000  # owners; what they still had under way arrives within seconds
ALERTS_KEPT_MAX = 10_000  # for clients that ask late
LATE_KEPT_MAX = 100_000  # holds of lost owners in closed accounts, which a late reconciliation may still lower

_SETTLED = (Verdict.RECONCILED, Verdict.EXPIRED)


class BudgetLedger:
    """Accounts and holds behind one door, `apply`. `standing.py` reads it, `snapshot.py` writes it down."""

    def __init__(self) -> None:
        self.accounts: dict[str, Account] = {}
        self.holds: dict[str, Hold] = {}
        self.late: dict[str, Hold] = {}
        self.closed_roots = ClosedIds()
        self.parents: dict[str, Account] = {}  # the accounts that have, or had, others below
        self.gone: dict[tuple[str, str | None], None] = {}  # owners that were expired, and in which account
        self.alerts: deque[Alert] = deque(maxlen=ALERTS_KEPT_MAX)
        self.alert_count = 0
        self.arrivals = 0
        self.renewals = 0
        self._rules: dict[type, Callable[[Any], Answer]] = {
            Open: self._open,
            Reserve: self._reserve,
            Extend: self._extend,
            Reconcile: self._reconcile,
            Withdraw: self._withdraw,
            Expire: self._expire,
            ExpireOwner: self._expire_owner,
            ExpireAccount: self._expire_account,
            Close: self._close,
            SetLimit: self._set_limit,
            Renew: self._renew,
        }

    def apply(self, command: Command) -> Answer:
        """Carry one command out, or refuse it and change nothing."""
        return self._rules[type(command)](command)

    def check(self) -> None:
        """Raise AssertionError, if the sums, limits and lines are not what the holds say."""
        check(self.accounts, self.holds, self.late)

    # Holds

    def _reserve(self, said: Reserve) -> Answer:
        """Set a task's worst case aside in every account above it, or in none of them."""
        if said.hold_id in self.holds:
            return self._said_again(said)
        account = self.accounts.get(said.account_id)
        if account is None or account.closing:
            return self._no_account(said.account_id)
        microusd = said.microusd
        if microusd is None or microusd < 0 or said.tokens < 0:
            unfit = _unfit(account, said.tokens, microusd)
            if unfit:
                return unfit
            microusd = 0

        self.arrivals += 1
        hold = Hold(said, account, self.arrivals)
        if self.gone and self._is_gone(hold):
            return self._record(hold, Verdict.WITHDRAWN)
        tokens = said.tokens
        for above in account.path:
            if tokens > above.free_tokens or microusd > above.free_microusd or above.line or above.overrun:
                if hopeless(hold) or blocker(hold):
                    return self._wait_or_refuse(hold)
                break
        # From here on nothing can refuse.
        for above in account.path:
            above.free_tokens -= tokens
            above.free_microusd -= microusd
        account.holds_open += 1
        account.hold_ids.append(said.hold_id)
        self.holds[said.hold_id] = hold
        return PLAIN[Verdict.HELD]

    def _wait_or_refuse(self, hold: Hold) -> Answer:
        why = refusals(hold, hold.tokens, hold.microusd)
        if hopeless(hold) or not hold.asked.waits:
            return self._record(hold, Verdict.NEVER if hopeless(hold) else Verdict.SKIPPED, why)
        queue = blocker(hold)
        assert queue is not None, hold.asked
        join(queue, hold)
        hold.account.holds_open += 1
        return self._record(hold, Verdict.WAITING, why)

    def _record(self, hold: Hold, state: Verdict, why: tuple[Refusal, ...] = ()) -> Answer:
        """Remember a hold for which nothing was set aside, so that it is answered alike when said again."""
        hold.state = state
        self.holds[hold.asked.hold_id] = hold
        hold.account.hold_ids.append(hold.asked.hold_id)
        return Answer(state, refusals=why)

    def _said_again(self, said: Reserve) -> Answer:
        hold = self.holds[said.hold_id]
        if hold.asked != said:
            return PLAIN[Verdict.CONFLICT]
        return _state_of(hold)

    def _extend(self, said: Extend) -> Answer:
        """Raise a hold to a new total, if that fits. It passes those who wait: they wait for its end anyway."""
        hold = self.holds.get(said.hold_id)
        if hold is None:
            return PLAIN[Verdict.UNKNOWN_HOLD]
        if hold.state is not Verdict.HELD:
            return _state_of(hold)
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

    def _reconcile(self, said: Reconcile) -> Answer:
        """Turn a hold into what was really spent. For a lost owner's hold, the truth replaces the charge."""
        hold = self.holds.get(said.hold_id)
        if hold is None or hold.state is not Verdict.HELD or said.tokens < 0:
            return self._reconcile_otherwise(said)
        microusd = said.microusd
        if microusd is None:
            if not hold.unpriced:
                microusd = hold.microusd  # the worst case, as the bill is not known
        elif microusd < 0:
            return PLAIN[Verdict.INVALID]
        return self._settle(hold, Verdict.RECONCILED, said.tokens, microusd)

    def _reconcile_otherwise(self, said: Reconcile) -> Answer:
        hold = self.holds.get(said.hold_id) or self.late.get(said.hold_id)
        if hold is None:
            return PLAIN[Verdict.UNKNOWN_HOLD]
        if said.tokens < 0 or (said.microusd or 0) < 0:
            return PLAIN[Verdict.INVALID]
        microusd = hold.microusd if said.microusd is None and not hold.unpriced else said.microusd
        if hold.state is Verdict.EXPIRED:
            return self._replace_charge(hold, said.tokens, microusd)
        if hold.state is Verdict.WAITING:
            # Somebody began without being let in. What it spent was spent all the same.
            queue = self._start_without_money(hold)
            return self._settle(hold, Verdict.RECONCILED, said.tokens, microusd, also=(queue,))
        settled_so = hold.spent_tokens == said.tokens and hold.spent_microusd == microusd
        return _state_of(hold) if settled_so else PLAIN[Verdict.CONFLICT]

    def _withdraw(self, said: Withdraw) -> Answer:
        hold = self.holds.get(said.hold_id)
        if hold is None:
            return PLAIN[Verdict.UNKNOWN_HOLD]
        if hold.state is Verdict.HELD:
            return self._settle(hold, Verdict.WITHDRAWN, 0, 0)
        if hold.state is Verdict.WAITING:
            queue = self._start_without_money(hold)
            return self._settle(hold, Verdict.WITHDRAWN, 0, 0, also=(queue,))
        return _state_of(hold)

    def _start_without_money(self, hold: Hold) -> Account:
        """Out of the line with nothing set aside; returns the account in whose line it stood."""
        hold.tokens = hold.microusd = 0
        return leave(hold)

    def _settle(
        self, hold: Hold, state: Verdict, tokens: int, microusd: int | None, *, also: tuple[Account, ...] = ()
    ) -> Answer:
        """End a hold: count what was spent, free the rest, and let in who waited for it."""
        hold.state, hold.spent_tokens, hold.spent_microusd = state, tokens, microusd
        if microusd is None:
            for account in hold.account.path:
                account.unpriced += 1
            microusd = 0
        freed_tokens, freed_microusd = hold.tokens - tokens, hold.microusd - microusd
        over_hold = freed_tokens < 0 or freed_microusd < 0
        attention = over_hold or bool(also)
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
            _mark_overrun(own.path)
        if freed_tokens > 0:
            own.returned_tokens += freed_tokens
        if freed_microusd > 0:
            own.returned_microusd += freed_microusd
        if own.closing:
            self._fold(own)
        return self._attend((*own.path, *also), PLAIN[state]) if attention else PLAIN[state]

    def _replace_charge(self, hold: Hold, tokens: int, microusd: int | None) -> Answer:
        """A lost owner's charge becomes what it really spent; what it was charged too much goes back to that period."""
        _books_of(hold)
        more_tokens = tokens - hold.spent_tokens
        more_microusd = (microusd or 0) - (hold.spent_microusd or 0)
        unpriced = (microusd is None) - (hold.spent_microusd is None)
        for account in hold.account.path:
            account.unseen_tokens -= hold.spent_tokens
            account.unseen_microusd -= hold.spent_microusd or 0
            account.unpriced += unpriced
            _add_spent(account, hold, more_tokens, more_microusd)
        if more_tokens > 0 or more_microusd > 0:
            _mark_overrun(hold.account.path)
        if self.late.pop(hold.asked.hold_id, None):
            hold.account.own_tokens += more_tokens
            hold.account.own_microusd += more_microusd
        hold.state, hold.spent_tokens, hold.spent_microusd = Verdict.RECONCILED, tokens, microusd
        return self._attend(hold.account.path, PLAIN[Verdict.RECONCILED])

    # Lost owners

    def _expire(self, said: Expire) -> Answer:
        found = (self.holds.get(hold_id) or self.late.get(hold_id) for hold_id in said.hold_ids)
        return self._charge_in_full([hold for hold in found if hold])

    def _expire_owner(self, said: ExpireOwner) -> Answer:
        self.gone[said.owner, said.account_id] = None
        if len(self.gone) > GONE_KEPT_MAX:
            del self.gone[next(iter(self.gone))]
        holds = [hold for hold in self._all_holds() if hold.asked.owner == said.owner]
        if said.account_id is not None:
            holds = [hold for hold in holds if any(above.id == said.account_id for above in _books_of(hold).path)]
        return self._charge_in_full(holds)

    def _expire_account(self, said: ExpireAccount) -> Answer:
        account = self.accounts.get(said.account_id)
        if account is None:
            return self._no_account(said.account_id)
        own = [self.holds[hold_id] for one in _subtree(account) for hold_id in one.hold_ids]
        return self._charge_in_full([*own, *(hold for hold in self.late.values() if account in _books_of(hold).path)])

    def _is_gone(self, hold: Hold) -> bool:
        owner = hold.asked.owner
        return (owner, None) in self.gone or any((owner, above.id) in self.gone for above in hold.account.path)

    def _all_holds(self) -> list[Hold]:
        return [*self.holds.values(), *self.late.values()]

    def _charge_in_full(self, holds: list[Hold]) -> Answer:
        """Charge what is held, withdraw what waits. Answers with all of these that now stand charged."""
        decided: list[tuple[str, Answer]] = []
        alerts: list[Alert] = []
        # The last in line leaves first, so that nobody who is leaving is let in on the way and charged for it.
        waiting = sorted((hold for hold in holds if hold.state is Verdict.WAITING), key=_order, reverse=True)
        held = sorted((hold for hold in holds if hold.state is Verdict.HELD), key=_order)
        for hold in (*waiting, *held):
            leaves = hold.state is Verdict.WAITING
            answer = self._withdraw(Withdraw(hold.asked.hold_id)) if leaves else self._charge(hold)
            decided.append((hold.asked.hold_id, _state_of(hold)))
            decided += answer.decided
            alerts += answer.alerts
        charged = [hold for hold in holds if hold.state is Verdict.EXPIRED]
        total = sum((hold.spent for hold in charged), start=NOTHING)
        return Answer(
            Verdict.DONE,
            charged=total,
            expired_ids=tuple(hold.asked.hold_id for hold in charged),
            decided=tuple(decided),
            alerts=tuple(alerts),
        )

    def _charge(self, hold: Hold) -> Answer:
        hold.charged_at = self.renewals
        for account in hold.account.path:
            account.unseen_tokens += hold.tokens
            account.unseen_microusd += hold.microusd
        return self._settle(hold, Verdict.EXPIRED, hold.tokens, None if hold.unpriced else hold.microusd)

    # Accounts

    def _open(self, said: Open) -> Answer:
        known = self.accounts.get(said.account_id)
        if known is not None:
            if known.closing:
                return PLAIN[Verdict.CLOSED]
            if known.asked._replace(owner=said.owner) != said:
                return PLAIN[Verdict.CONFLICT]
            if known.asked.owner != said.owner:  # whoever opened it last looks after it, with owners of its own
                self.gone.clear()
            known.asked = said
            return Answer(Verdict.OPEN, repeated=True)
        if min(said.limit_tokens or 0, said.limit_microusd or 0) < 0:
            return PLAIN[Verdict.INVALID]
        parent = None if said.parent_id is None else self.accounts.get(said.parent_id)
        if said.account_id in (parent.closed if parent else self.closed_roots):
            return PLAIN[Verdict.CLOSED]
        if said.parent_id is not None and (parent is None or parent.closing):
            return self._no_account(said.parent_id)
        account = Account(said, parent)
        self.accounts[account.id] = account
        if parent:
            parent.children[account.id] = account
            self.parents[parent.id] = parent
        return PLAIN[Verdict.OPEN]

    def _close(self, said: Close) -> Answer:
        account = self.accounts.get(said.account_id)
        if account is None:
            return self._no_account(said.account_id)
        repeated = account.closing
        below = list(_subtree(account))
        for one in below:
            one.closing = True
        waiting = [hold_id for one in below for hold_id in one.hold_ids if self.holds[hold_id].state is Verdict.WAITING]
        decided: list[tuple[str, Answer]] = []
        for hold_id in waiting:
            decided.append((hold_id, PLAIN[Verdict.CLOSED]))
            decided += self._withdraw(Withdraw(hold_id)).decided
        for one in reversed(below):
            self._fold(one)
        return Answer(Verdict.CLOSED, repeated, _lifetime(account), decided=tuple(decided))

    def _fold(self, account: Account) -> None:
        """Forget a closed account that is empty; its sums are in its parent's already."""
        if account.folded or account.holds_open or account.children:
            return
        account.folded = True
        for hold_id in account.hold_ids:
            hold = self.holds.pop(hold_id)
            if hold.state is Verdict.EXPIRED and account.parent:
                self.late[hold_id] = hold
        for hold_id in list(islice(self.late, max(0, len(self.late) - LATE_KEPT_MAX))):
            del self.late[hold_id]
        del self.accounts[account.id]
        self.parents.pop(account.id, None)
        parent = account.parent
        if parent is None:
            self.closed_roots.add(account.id)
            self.late = {hold_id: hold for hold_id, hold in self.late.items() if hold.account.path[-1] is not account}
            return
        del parent.children[account.id]
        parent.closed.add(account.id)
        parent.own_tokens += account.spent_tokens + account.earlier_tokens
        parent.own_microusd += account.spent_microusd + account.earlier_microusd
        parent.returned_tokens += account.returned_tokens
        parent.returned_microusd += account.returned_microusd
        if parent.closing:
            self._fold(parent)

    def _set_limit(self, said: SetLimit) -> Answer:
        account = self.accounts.get(said.account_id)
        if account is None or account.closing:
            return self._no_account(said.account_id)
        if min(said.limit_tokens or 0, said.limit_microusd or 0) < 0:
            return PLAIN[Verdict.INVALID]
        if said.limit_microusd is not None and (account.unpriced or self._holds_unpriced(account)):
            return PLAIN[Verdict.UNPRICED]
        account.set_limit(said.limit_tokens, said.limit_microusd)
        return self._attend((account,), PLAIN[Verdict.DONE])

    def _renew(self, said: Renew) -> Answer:
        account = self.accounts.get(said.account_id)
        if account is None or account.closing:
            return self._no_account(said.account_id)
        if account.period == said.period:
            return Answer(Verdict.DONE, repeated=True)
        if not account.period:  # its first: what was spent so far belongs to it
            account.period = said.period
            return PLAIN[Verdict.DONE]
        self.renewals += 1
        account.begin_period(said.period, self.renewals)
        return self._attend((account,), PLAIN[Verdict.DONE])

    def _holds_unpriced(self, account: Account) -> bool:
        waiting_or_held = (Verdict.HELD, Verdict.WAITING)
        holds = (self.holds[hold_id] for one in _subtree(account) for hold_id in one.hold_ids)
        return any(hold.unpriced and hold.state in waiting_or_held for hold in holds)

    def _no_account(self, account_id: str) -> Answer:
        known = account_id in self.accounts or self._is_closed(account_id)
        return PLAIN[Verdict.CLOSED if known else Verdict.UNKNOWN_ACCOUNT]

    def _is_closed(self, account_id: str) -> bool:
        return account_id in self.closed_roots or any(account_id in one.closed for one in self.parents.values())

    # What follows from a change of the sums

    def _attend(self, accounts: tuple[Account, ...], answer: Answer) -> Answer:
        """Raise what alerts are due and let in who waited; both are told beside the answer."""
        alerts: list[Alert] = []
        for account in accounts:
            if account.spent_tokens >= account.alert_tokens or account.spent_microusd >= account.alert_microusd:
                alerts += account.reached(self.alert_count + len(alerts) + 1)
        self.alert_count += len(alerts)
        self.alerts.extend(alerts)
        decided = tuple(self._let_in(accounts))
        return answer._replace(decided=decided, alerts=tuple(alerts)) if decided or alerts else answer

    def _let_in(self, accounts: tuple[Account, ...]) -> Iterable[tuple[str, Answer]]:
        for hold, verdict in next_decided(accounts):
            hold.state = verdict
            if verdict is Verdict.HELD:
                for account in hold.account.path:
                    assert not lacks_room(account, hold), (account.id, hold.asked)
                    account.free_tokens -= hold.tokens
                    account.free_microusd -= hold.microusd
                yield hold.asked.hold_id, PLAIN[verdict]
            else:
                hold.account.holds_open -= 1
                yield hold.asked.hold_id, Answer(verdict, refusals=refusals(hold, hold.tokens, hold.microusd))


def _state_of(hold: Hold) -> Answer:
    """A hold's present state, for who says something again."""
    return Answer(hold.state, repeated=True, charged=hold.spent if hold.state in _SETTLED else None)


def _books_of(hold: Hold) -> Account:
    """The account that a hold counts in: its own, or the first above it that is not closed and forgotten."""
    while hold.account.folded:
        assert hold.account.parent is not None, hold.asked
        hold.account = hold.account.parent
    return hold.account


def _order(hold: Hold) -> tuple[int, int]:
    return hold.order


def _unfit(account: Account, tokens: int, microusd: int | None) -> Answer | None:
    """Why an amount cannot be held at all: it is negative, or its cost is unknown under a dollar ceiling."""
    if tokens < 0 or (microusd or 0) < 0:
        return PLAIN[Verdict.INVALID]
    if microusd is None:
        capped = [above for above in account.path if above.limit.microusd is not None]
        if capped:
            return Answer(Verdict.UNPRICED, refusals=tuple(_unpriced_under(above) for above in capped))
    return None


def _unpriced_under(account: Account) -> Refusal:
    free, unspent = account.free_microusd, account.unspent_microusd
    return Refusal(account.id, "microusd", 0, free, unspent, account.limit_microusd)


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


def _mark_overrun(accounts: Iterable[Account]) -> None:
    """After a bill above its own hold."""
    for account in accounts:
        if account.free_tokens < 0 or account.free_microusd < 0:
            account.overrun = True


def _lifetime(account: Account) -> Amount:
    microusd = account.spent_microusd + account.earlier_microusd
    return Amount(account.spent_tokens + account.earlier_tokens, None if account.unpriced else microusd)


def _subtree(account: Account) -> Iterable[Account]:
    """An account and all below it, each before its children."""
    yield account
    for child in account.children.values():
        yield from _subtree(child)
