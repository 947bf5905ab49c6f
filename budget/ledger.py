"""The ledger: what every account has spent, and what is set aside for tasks that run.

Always, for every account, `spent + held <= limit`. Only a bill above its own hold can break it: that is recorded as
the truth, marks the account overrun, and lets nothing more in. No clock, no files: the same commands in the same order
give the same state.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from budget import account_rules, expiry_rules, hold_rules
from budget.books import Books
from budget.commands import (
    Answer,
    Close,
    Command,
    Expire,
    ExpireAccount,
    ExpireOwner,
    Extend,
    Many,
    Open,
    Reconcile,
    ReconcileMany,
    Renew,
    Reserve,
    ReserveMany,
    SetLimit,
    Withdraw,
)


class BudgetLedger(Books):
    """The books behind one door, `apply`. `standing.py` reads them, `snapshot.py` writes them down."""

    def apply(self, command: Command) -> Answer:
        """Carry one command out, or refuse it and change nothing."""
        return _RULES[type(command)](self, command)

    def answers(self, command: Command | Many) -> list[Answer]:
        """The same for what is said of many holds as well: an answer for each."""
        if isinstance(command, ReserveMany):
            return hold_rules.reserve_many(self, command)
        if isinstance(command, ReconcileMany):
            return hold_rules.reconcile_many(self, command)
        return [self.apply(command)]


_RULES: dict[type, Callable[[Books, Any], Answer]] = {
    Open: account_rules.open_account,
    Close: account_rules.close,
    SetLimit: account_rules.set_limit,
    Renew: account_rules.renew,
    Reserve: hold_rules.reserve,
    Extend: hold_rules.extend,
    Reconcile: hold_rules.reconcile,
    Withdraw: hold_rules.withdraw,
    Expire: expiry_rules.expire,
    ExpireOwner: expiry_rules.expire_owner,
    ExpireAccount: expiry_rules.expire_account,
}
