"""What must be true of a ledger at any time, found out anew from its holds, as an accountant would."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from budget.accounts import Account, Hold
from budget.commands import Verdict
from budget.line import blocker

_CHARGED = (Verdict.RECONCILED, Verdict.EXPIRED)


def check(accounts: Mapping[str, Account], holds: Mapping[str, Hold], late: Mapping[str, Hold]) -> None:
    """Raise AssertionError naming the account, if a sum, a limit or a line is not what the holds say.

    `late` are the holds of closed accounts that were charged in full for lost owners.
    """
    late_tokens: Counter[str] = Counter()
    for hold in late.values():
        late_tokens[hold.account.remembered.id] += hold.spent_tokens
    for account in accounts.values():
        _check_limit(account)
        _check_sums(account, holds, late_tokens[account.id])
        _check_line(account)
    _check_waiting(accounts, [hold for hold in holds.values() if hold.state is Verdict.WAITING])
    assert all(hold.state is Verdict.EXPIRED for hold in late.values())


def _check_limit(account: Account) -> None:
    within = account.free_tokens >= 0 and account.free_microusd >= 0
    assert within or account.overrun or account.lowered, f"account {account.id!r} is above its limit and not marked"
    sums = (account.spent_tokens, account.spent_microusd, account.held_tokens, account.held_microusd)
    assert min(sums) >= 0, f"account {account.id!r} has a negative sum: {sums}"


def _check_sums(account: Account, holds: Mapping[str, Hold], late_tokens: int) -> None:
    own = [holds[hold_id] for hold_id in account.hold_ids]
    assert all(hold.account is account for hold in own)
    held = [hold for hold in own if hold.state is Verdict.HELD]
    charged = [hold for hold in own if hold.state in _CHARGED]
    below = account.children.values()

    held_tokens = sum(hold.tokens for hold in held) + sum(child.held_tokens for child in below)
    held_microusd = sum(hold.microusd for hold in held) + sum(child.held_microusd for child in below)
    assert (account.held_tokens, account.held_microusd) == (held_tokens, held_microusd), account.id

    spent_tokens = account.own_tokens + sum(hold.spent_tokens for hold in charged)
    spent_tokens += sum(child.spent_tokens + child.earlier_tokens for child in below)
    spent_microusd = account.own_microusd + sum(hold.spent_microusd or 0 for hold in charged)
    spent_microusd += sum(child.spent_microusd + child.earlier_microusd for child in below)
    assert account.spent_tokens + account.earlier_tokens == spent_tokens, account.id
    assert account.spent_microusd + account.earlier_microusd == spent_microusd, account.id

    unseen = late_tokens + sum(hold.spent_tokens for hold in own if hold.state is Verdict.EXPIRED)
    assert account.unseen_tokens - sum(child.unseen_tokens for child in below) >= unseen, account.id
    open_holds = sum(hold.state in (Verdict.HELD, Verdict.WAITING) for hold in own)
    assert account.holds_open == open_holds, account.id
    assert not (account.closing and not open_holds and not account.children), f"{account.id!r} is closed and empty"


def _check_line(account: Account) -> None:
    if not account.line:
        return
    first = account.line[0][2]
    assert (first.parked, first.state) == (account, Verdict.WAITING), account.id
    fits = first.tokens <= account.free_tokens and first.microusd <= account.free_microusd and not account.overrun
    assert not fits, f"{first.id!r} waits for account {account.id!r}, which has room for it"


def _check_waiting(accounts: Mapping[str, Account], waiting: list[Hold]) -> None:
    in_line = {entry[2] for account in accounts.values() for entry in account.line if entry[2].parked is account}
    assert in_line == set(waiting), "somebody waits in no line, or stands in one for nothing"
    if waiting:
        first = min(waiting, key=lambda hold: hold.order)
        assert blocker(first), f"{first.id!r} is first of all and could be held"
