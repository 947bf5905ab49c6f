"""How the accounts stand, as values to show: live, in the summary and in the report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from budget.accounts import Account
from budget.ledger import BudgetLedger
from budget.money import UNLIMITED, Amount, Limit


@dataclass(frozen=True, slots=True)
class AccountStanding:
    """One account, with all below it, closed accounts included.

    spent     in the present period, charges for lost owners included; cost None when some of it is unknown
    held      set aside for tasks that run now
    unseen    the part of all spent that was charged in full because its owner was lost
    returned  held once, and given back unspent
    earlier   spent in periods before the present one
    """

    account_id: str
    parent_id: str | None
    limit: Limit
    spent: Amount
    held: Amount
    unseen: Amount
    returned: Amount
    earlier: Amount
    waiting: int
    overrun: bool
    closing: bool
    period: str

    @property
    def free(self) -> Limit:
        """What may still be held; never below zero; None in a unit without a limit."""
        return Limit(
            _left(self.limit.tokens, self.spent.tokens + self.held.tokens),
            _left(self.limit.microusd, (self.spent.microusd or 0) + (self.held.microusd or 0)),
        )


@dataclass(frozen=True, slots=True)
class Standing:
    """The accounts asked for, parents before their children. `holds_late` are lost owners' holds in closed accounts."""

    accounts: tuple[AccountStanding, ...]
    alert_count: int = 0
    holds_late: int = 0

    def of(self, account_id: str) -> AccountStanding | None:
        return next((account for account in self.accounts if account.account_id == account_id), None)


def standing(ledger: BudgetLedger, account_ids: Sequence[str] | None = None) -> Standing:
    """The accounts of these names that are open, or all of them; an unknown or closed name is left out."""
    named = ledger.accounts if account_ids is None else [name for name in account_ids if name in ledger.accounts]
    rows = tuple(_of_account(ledger.accounts[name]) for name in named)
    return Standing(rows, ledger.alert_count, len(ledger.late))


def standing_rows(found: Standing) -> list[Any]:
    """A standing as JSON rows: one per account, numbers only where numbers are meant."""
    return [[_row(account) for account in found.accounts], found.alert_count, found.holds_late]


def standing_from_rows(table: Sequence[Any]) -> Standing:
    accounts, alert_count, holds_late = table
    return Standing(tuple(_from_row(row) for row in accounts), alert_count, holds_late)


def _of_account(account: Account) -> AccountStanding:
    unpriced = account.unpriced > 0
    returned = _returned(account)
    return AccountStanding(
        account_id=account.id,
        parent_id=account.parent.id if account.parent else None,
        limit=account.limit,
        spent=Amount(account.spent_tokens, None if unpriced else account.spent_microusd),
        held=Amount(account.held_tokens, account.held_microusd),
        unseen=Amount(account.unseen_tokens, None if unpriced else account.unseen_microusd),
        returned=Amount(*returned),
        earlier=Amount(account.earlier_tokens, None if unpriced else account.earlier_microusd),
        waiting=sum(entry[2].parked is account for entry in account.line),
        overrun=account.overrun,
        closing=account.closing,
        period=account.period,
    )


def _returned(account: Account) -> tuple[int, int]:
    tokens, microusd = account.returned_tokens, account.returned_microusd
    for child in account.children.values():
        child_tokens, child_microusd = _returned(child)
        tokens, microusd = tokens + child_tokens, microusd + child_microusd
    return tokens, microusd


def _row(account: AccountStanding) -> list[Any]:
    amounts = (
        account.limit,
        account.spent,
        account.held,
        account.unseen,
        account.returned,
        account.earlier,
    )
    figures = [(amount.tokens, amount.microusd) for amount in amounts]
    flags = [account.waiting, account.overrun, account.closing, account.period]
    return [account.account_id, account.parent_id, figures, *flags]


def _from_row(row: Sequence[Any]) -> AccountStanding:
    account_id, parent_id, figures, waiting, overrun, closing, period = row
    limit, *amounts = figures
    spent, held, unseen, returned, earlier = (Amount(*amount) for amount in amounts)
    return AccountStanding(
        account_id,
        parent_id,
        Limit(*limit),
        spent,
        held,
        unseen,
        returned,
        earlier,
        waiting,
        overrun,
        closing,
        period,
    )


def _left(limit: int | None, used: int) -> int | None:
    return None if limit is None or limit >= UNLIMITED else max(0, limit - used)
