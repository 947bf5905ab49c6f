"""A ledger's whole state as plain rows, and back: what compaction of the journal keeps."""

from __future__ import annotations

from typing import Any

from budget.accounts import Account, Hold
from budget.closed_ids import ClosedIds
from budget.commands import Alert, Verdict
from budget.ledger import BudgetLedger
from budget.line import join
from budget.wire import opened

_ACCOUNT_FIELDS = (
    "limit_tokens",
    "limit_microusd",
    "free_tokens",
    "free_microusd",
    "spent_tokens",
    "spent_microusd",
    "earlier_tokens",
    "earlier_microusd",
    "unseen_tokens",
    "unseen_microusd",
    "own_tokens",
    "own_microusd",
    "returned_tokens",
    "returned_microusd",
    "unpriced",
    "overrun",
    "lowered",
    "closing",
    "period",
    "renewed_at",
)
_HOLD_FIELDS = ("arrival", "tokens", "microusd", "spent_tokens", "spent_microusd", "charged_at")


def snapshot(ledger: BudgetLedger) -> dict[str, Any]:
    """JSON values from which `restored` makes a ledger that answers every command alike."""
    return {
        "accounts": [_account_row(account) for account in ledger.accounts.values()],
        "holds": [_hold_row(hold) for hold in ledger.holds.values()],
        "late": [_hold_row(hold) for hold in ledger.late.values()],
        "gone": [list(owner) for owner in ledger.gone],
        "closed_roots": ledger.closed_roots.digests(),
        "alerts": [list(alert) for alert in ledger.alerts],
        "counts": [ledger.alert_count, ledger.arrivals, ledger.renewals],
    }


def restored(state: dict[str, Any]) -> BudgetLedger:
    """The ledger that `snapshot` wrote down. Raises KeyError, TypeError or ValueError for anything else."""
    ledger = BudgetLedger()
    ledger.alert_count, ledger.arrivals, ledger.renewals = state["counts"]
    ledger.alerts.extend(Alert(*row) for row in state["alerts"])
    ledger.gone = dict.fromkeys((owner, account_id) for owner, account_id in state["gone"])
    ledger.closed_roots = ClosedIds(state["closed_roots"])
    for row in state["accounts"]:
        _restore_account(ledger, row)
    for row in state["holds"]:
        _restore_hold(ledger, row)
    for row in state["late"]:
        hold = _hold(ledger, row)
        ledger.late[hold.id] = hold
    return ledger


def _account_row(account: Account) -> list[Any]:
    fields = [getattr(account, name) for name in _ACCOUNT_FIELDS]
    return [list(account.asked), fields, sorted(account.alerted), account.closed.digests()]


def _restore_account(ledger: BudgetLedger, row: list[Any]) -> None:
    asked, fields, alerted, closed = row
    terms = opened(*asked)
    parent = None if terms.parent_id is None else ledger.accounts[terms.parent_id]
    account = Account(terms, parent)
    for name, value in zip(_ACCOUNT_FIELDS, fields, strict=True):
        setattr(account, name, value)
    account.alerted = {(unit, percent) for unit, percent in alerted}
    account.aim_alerts()
    account.closed = ClosedIds(closed)
    ledger.accounts[account.id] = account
    if closed:
        ledger.parents[account.id] = account
    if parent:
        parent.children[account.id] = account
        ledger.parents[parent.id] = parent


def _hold_row(hold: Hold) -> list[Any]:
    fields = [getattr(hold, name) for name in _HOLD_FIELDS]
    return [
        list(hold.asked),
        hold.account.remembered.id,
        hold.state.value,
        hold.parked.id if hold.parked else None,
        fields,
    ]


def _hold(ledger: BudgetLedger, row: list[Any]) -> Hold:
    asked, account_id, state, _, fields = row
    hold_id, asked_account_id, tokens, microusd, owner, priority, waits = asked
    hold = Hold(hold_id, ledger.accounts[account_id], tokens, microusd, owner, priority, waits, arrival=0)
    hold.asked_account_id = asked_account_id
    hold.state = Verdict(state)
    for name, value in zip(_HOLD_FIELDS, fields, strict=True):
        setattr(hold, name, value)
    return hold


def _restore_hold(ledger: BudgetLedger, row: list[Any]) -> None:
    hold = _hold(ledger, row)
    ledger.holds[hold.id] = hold
    hold.account.hold_ids.append(hold.id)
    hold.account.holds_open += hold.state in (Verdict.HELD, Verdict.WAITING)
    if row[3] is not None:
        join(ledger.accounts[row[3]], hold)
