"""A second, naive account of what the ledger must answer: it keeps every hold for ever and adds everything up anew.

It shares no rule with the ledger. Where the ledger is free to choose (who of those that wait), it checks the promises:
nobody above a limit, nobody passed by a later one of the same account, nobody waiting who could be held.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from budget.commands import Answer, Verdict

NO_LIMIT = 10**30
GONE = (Verdict.CLOSED, Verdict.UNKNOWN_ACCOUNT)  # a closed name is remembered as long as its parent is open
OPEN_STATES = (Verdict.HELD, Verdict.WAITING)


@dataclass
class ModelAccount:
    parent: str | None
    tokens: int
    microusd: int
    closed: bool = False
    overrun: bool = False


@dataclass
class ModelHold:
    account: str
    tokens: int
    microusd: int
    owner: str
    order: tuple[int, int]
    waits: bool
    state: Verdict
    spent: tuple[int, int] = (0, 0)
    asked: tuple[object, ...] = ()


@dataclass
class LedgerModel:
    """What should be true. Every `said_*` takes a command and the ledger's answer, and asserts that it is right."""

    accounts: dict[str, ModelAccount] = field(default_factory=dict)
    holds: dict[str, ModelHold] = field(default_factory=dict)
    arrivals: int = 0
    gone: set[tuple[str, str | None]] = field(default_factory=set)

    def path(self, account_id: str | None) -> list[str]:
        found = []
        while account_id is not None:
            found.append(account_id)
            account_id = self.accounts[account_id].parent
        return found

    def spent(self, account_id: str) -> tuple[int, int]:
        return self._sum(account_id, lambda hold: hold.spent)

    def held(self, account_id: str) -> tuple[int, int]:
        return self._sum(
            account_id, lambda hold: (hold.tokens, hold.microusd) if hold.state == Verdict.HELD else (0, 0)
        )

    def unseen(self, account_id: str) -> tuple[int, int]:
        return self._sum(account_id, lambda hold: hold.spent if hold.state == Verdict.EXPIRED else (0, 0))

    def waiting(self) -> list[str]:
        names = [hold_id for hold_id, hold in self.holds.items() if hold.state == Verdict.WAITING]
        return sorted(names, key=lambda hold_id: self.holds[hold_id].order)

    def can_ever(self, hold: ModelHold) -> bool:
        return all(
            not account.overrun
            and hold.tokens + self.spent(name)[0] <= account.tokens
            and hold.microusd + self.spent(name)[1] <= account.microusd
            for name, account in self._above(hold)
        )

    def fits(self, hold: ModelHold) -> bool:
        return all(self.fits_in(name, hold) for name, _ in self._above(hold))

    def fits_in(self, account_id: str, hold: ModelHold) -> bool:
        account, spent, held = self.accounts[account_id], self.spent(account_id), self.held(account_id)
        room = hold.tokens + spent[0] + held[0] <= account.tokens
        return room and hold.microusd + spent[1] + held[1] <= account.microusd and not account.overrun

    # What was said, and what the ledger answered

    def said_open(self, account_id: str, parent: str | None, tokens: int | None, microusd: int | None) -> None:
        self.accounts[account_id] = ModelAccount(
            parent, NO_LIMIT if tokens is None else tokens, NO_LIMIT if microusd is None else microusd
        )

    def said_reserve(self, hold_id: str, hold: ModelHold, answer: Answer) -> None:
        known = self.holds.get(hold_id)
        account = self.accounts[hold.account]
        if account.closed and (known is None or not self._remembered(known)):
            assert answer.verdict in GONE, answer
            return
        if known is not None:
            expected = known.state if known.asked == hold.asked else Verdict.CONFLICT
            assert answer.verdict == expected, (hold_id, answer, expected)
            return
        self.arrivals += 1
        hold.order = (hold.order[0], self.arrivals)
        if any((hold.owner, name) in self.gone for name in (None, *self.path(hold.account))):
            assert answer.verdict == Verdict.WITHDRAWN, answer
        elif answer.verdict == Verdict.HELD:
            assert self.can_ever(hold), hold_id
            assert self.fits(hold), hold_id
            self._assert_passes_nobody(hold)
        elif answer.verdict == Verdict.NEVER:
            assert not self.can_ever(hold), hold_id
        elif answer.verdict in (Verdict.WAITING, Verdict.SKIPPED):
            assert self.can_ever(hold), hold_id
            assert hold.waits == (answer.verdict == Verdict.WAITING)
            assert not self.fits(hold) or self._somebody_first(hold), hold_id
        else:
            raise AssertionError(answer)
        hold.state = answer.verdict
        self.holds[hold_id] = hold

    def said_extend(self, hold_id: str, tokens: int, microusd: int, answer: Answer) -> None:
        hold = self.holds.get(hold_id)
        if hold is None or not self._remembered(hold):
            assert answer.verdict == Verdict.UNKNOWN_HOLD, answer
            return
        if hold.state != Verdict.HELD:
            assert answer.verdict == hold.state, answer
            return
        before = (hold.tokens, hold.microusd)
        hold.tokens, hold.microusd = max(tokens, before[0]), max(microusd, before[1])
        more = (hold.tokens, hold.microusd) != before
        fits = all(
            self.held(name)[0] + self.spent(name)[0] <= account.tokens
            and self.held(name)[1] + self.spent(name)[1] <= account.microusd
            and not account.overrun
            for name, account in self._above(hold)
        )
        assert answer.held == (fits or not more), (hold_id, answer)
        if not answer.held:
            hold.tokens, hold.microusd = before

    def said_reconcile(self, hold_id: str, spent: tuple[int, int], answer: Answer) -> None:
        hold = self.holds.get(hold_id)
        if hold is None or (not self._remembered(hold) and not self._may_be_late(hold)):
            assert answer.verdict == Verdict.UNKNOWN_HOLD, (hold_id, answer)
        elif hold.state in (*OPEN_STATES, Verdict.EXPIRED):
            above_hold = spent[0] > self._set_aside(hold)[0] or spent[1] > self._set_aside(hold)[1]
            assert answer.verdict == Verdict.RECONCILED, answer
            hold.state, hold.spent = Verdict.RECONCILED, spent
            if above_hold:
                self._mark_overrun(hold)
        else:
            same = hold.spent == spent
            assert answer.verdict == (hold.state if same else Verdict.CONFLICT), (hold_id, answer)
        self.decided(answer)

    def said_withdraw(self, hold_id: str, answer: Answer) -> None:
        hold = self.holds.get(hold_id)
        if hold is None or not self._remembered(hold):
            assert answer.verdict == Verdict.UNKNOWN_HOLD, answer
        elif hold.state in OPEN_STATES:
            assert answer.verdict == Verdict.WITHDRAWN, answer
            hold.state = Verdict.WITHDRAWN
        else:
            assert answer.verdict == hold.state, answer
        self.decided(answer)

    def said_expire(self, hold_ids: list[str], answer: Answer) -> None:
        """Of an expiry, the order in which holds end is open: what it did is read from what it says it decided."""
        for hold_id in hold_ids:
            hold = self.holds.get(hold_id)
            if hold is None:
                continue
            if hold.state == Verdict.WAITING:
                hold.state = Verdict.WITHDRAWN
            elif hold.state == Verdict.HELD:
                hold.state, hold.spent = Verdict.EXPIRED, (hold.tokens, hold.microusd)
        charged = [self.holds[name] for name in hold_ids if name in self.holds]
        charged = [hold for hold in charged if hold.state == Verdict.EXPIRED]
        assert answer.charged is not None
        assert answer.charged.tokens == sum(hold.spent[0] for hold in charged)
        assert answer.charged.microusd == sum(hold.spent[1] for hold in charged)
        self.decided(answer, expected=set(hold_ids))

    def said_close(self, account_id: str, answer: Answer) -> None:
        assert answer.verdict in GONE, answer
        below = [name for name in self.accounts if account_id in self.path(name)]
        for name in below:
            self.accounts[name].closed = True
        gone = {name for name, hold in self.holds.items() if hold.account in below and hold.state == Verdict.WAITING}
        for hold_id in gone:
            self.holds[hold_id].state = Verdict.WITHDRAWN
        self.decided(answer, expected=gone)

    def said_set_limit(self, account_id: str, tokens: int | None, microusd: int | None, answer: Answer) -> None:
        account = self.accounts[account_id]
        account.tokens = NO_LIMIT if tokens is None else tokens
        account.microusd = NO_LIMIT if microusd is None else microusd
        spent, held = self.spent(account_id), self.held(account_id)
        if spent[0] + held[0] <= account.tokens and spent[1] + held[1] <= account.microusd:
            account.overrun = False
        self.decided(answer)

    def decided(self, answer: Answer, *, expected: Collection[str] = ()) -> None:
        """The holds that a command let in or turned away, one after the other as the ledger says."""
        for hold_id, decision in answer.decided:
            hold = self.holds[hold_id]
            if hold_id in expected:
                continue
            assert hold.state == Verdict.WAITING, (hold_id, hold.state, decision)
            if decision.verdict == Verdict.HELD:
                assert self.fits(hold), hold_id
                self._assert_passes_nobody(hold)
            else:
                assert decision.verdict == Verdict.NEVER, decision
                assert not self.can_ever(hold), hold_id
            hold.state = decision.verdict

    def assert_nobody_waits_in_vain(self) -> None:
        """Whoever is first of all could not be held now; and where nothing is held, nobody waits."""
        waiting = self.waiting()
        if waiting:
            assert not self.fits(self.holds[waiting[0]]), waiting[0]
        for hold_id in waiting:
            assert any(self.held(name) != (0, 0) for name in self.path(self.holds[hold_id].account)), hold_id

    def _above(self, hold: ModelHold) -> list[tuple[str, ModelAccount]]:
        return [(name, self.accounts[name]) for name in self.path(hold.account)]

    def _sum(self, account_id: str, amount: Callable[[ModelHold], tuple[int, int]]) -> tuple[int, int]:
        amounts = [amount(hold) for hold in self.holds.values() if account_id in self.path(hold.account)]
        return sum(tokens for tokens, _ in amounts), sum(microusd for _, microusd in amounts)

    def _somebody_first(self, hold: ModelHold) -> bool:
        above = set(self.path(hold.account))
        return any(
            self.holds[other].order < hold.order and above & set(self.path(self.holds[other].account))
            for other in self.waiting()
        )

    def _assert_passes_nobody(self, hold: ModelHold) -> None:
        """Nobody who came before in the same account waits; nor the first of all, if only our accounts are full."""
        before = [self.holds[name] for name in self.waiting()]
        before = [other for other in before if other is not hold and other.order < hold.order]
        assert all(other.account != hold.account for other in before), (hold, before)
        for first in before[:1]:
            above = self.path(hold.account)
            full = [name for name in self.path(first.account) if not self.fits_in(name, first)]
            assert not full or any(name not in above for name in full), (first, hold)

    def _set_aside(self, hold: ModelHold) -> tuple[int, int]:
        if hold.state == Verdict.WAITING:
            return (0, 0)
        return hold.spent if hold.state == Verdict.EXPIRED else (hold.tokens, hold.microusd)

    def _mark_overrun(self, hold: ModelHold) -> None:
        for name, account in self._above(hold):
            spent, held = self.spent(name), self.held(name)
            if spent[0] + held[0] > account.tokens or spent[1] + held[1] > account.microusd:
                account.overrun = True

    def _may_be_late(self, hold: ModelHold) -> bool:
        """A charge for a lost owner can be corrected as long as one account above it is open."""
        root = self.path(hold.account)[-1]
        alive = any(other.state in OPEN_STATES for other in self.holds.values() if root in self.path(other.account))
        return hold.state == Verdict.EXPIRED and (not self.accounts[root].closed or alive)

    def _remembered(self, hold: ModelHold) -> bool:
        """A closed account forgets its holds with its last open one, and when all below it are gone."""
        account = self.accounts[hold.account]
        below = [name for name in self.accounts if hold.account in self.path(name)]
        still_open = [other for other in self.holds.values() if other.account in below and other.state in OPEN_STATES]
        return not account.closed or bool(still_open)
