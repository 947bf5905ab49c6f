"""Who waits for whose money, and who is next.

A waiting hold stands in one line: that of the topmost account that has no room for it, or where another hold stands
before it. Lines are ordered by (priority, arrival). The first in line is never passed by a later one that needs the
same account, so nobody starves, and what lies unused while it waits is less than its own size.
"""

from __future__ import annotations

from collections.abc import Iterable
from heapq import heapify, heappop, heappush

from budget.accounts import Account, Hold
from budget.commands import Refusal, Verdict


def blocker(hold: Hold) -> Account | None:
    """The topmost account that a hold has to wait for; None when it may be held now."""
    for account in reversed(hold.account.path):
        if lacks_room(account, hold) or _others_first(account, hold):
            return account
    return None


def lacks_room(account: Account, hold: Hold) -> bool:
    return hold.tokens > account.free_tokens or hold.microusd > account.free_microusd or account.overrun


def hopeless(hold: Hold, more_tokens: int = 0, more_microusd: int = 0) -> bool:
    """Whether some account could not hold it, and this much more, even if all that is held came back unspent."""
    return any(
        hold.tokens + more_tokens > account.unspent_tokens or hold.microusd + more_microusd > account.unspent_microusd
        for account in hold.account.path
    )


def refusals(hold: Hold, tokens: int, microusd: int) -> tuple[Refusal, ...]:
    """Every account that says no to this much more for a hold, unit by unit, from the hold's own account upwards."""
    found: list[Refusal] = []
    for account in hold.account.path:
        ahead = _others_first(account, hold)
        for unit, needed, free, unspent, limit in (
            ("tokens", tokens, account.free_tokens, account.unspent_tokens, account.limit_tokens),
            ("microusd", microusd, account.free_microusd, account.unspent_microusd, account.limit_microusd),
        ):
            if needed > free or needed > unspent:
                found.append(Refusal(account.id, unit, needed, free, unspent, limit, ahead))
        if ahead and not any(refusal.account_id == account.id for refusal in found):
            free, unspent = account.free_tokens, account.unspent_tokens
            found.append(Refusal(account.id, "tokens", tokens, free, unspent, account.limit_tokens, True))
    return tuple(found)


def join(account: Account, hold: Hold) -> None:
    hold.parked = account
    heappush(account.line, (*hold.order, hold))
    account.line_tokens_max = max(account.line_tokens_max, hold.tokens)
    account.line_microusd_max = max(account.line_microusd_max, hold.microusd)


def leave(hold: Hold) -> None:
    """Take a hold out of its line; the next one there may now have its turn."""
    account = hold.parked
    assert account is not None, hold.id
    hold.parked = None
    _drop_leavers(account)


def next_decided(accounts: Iterable[Account]) -> Iterable[tuple[Hold, Verdict]]:
    """Who in these accounts' lines is to be held or refused now, one after the other.

    The caller must set the money of a hold that is HELD aside before it asks for the next.
    """
    open_lines = [account for account in accounts if account.line]
    for account in open_lines:
        yield from _turned_away(account)
    open_lines = [account for account in open_lines if account.line]
    while open_lines:
        account = min(open_lines, key=lambda candidate: candidate.line[0][:2])
        hold = account.line[0][2]
        if hopeless(hold):
            leave(hold)
            yield hold, Verdict.NEVER
        elif lacks_room(account, hold):
            open_lines.remove(account)
            continue
        else:
            leave(hold)
            other = blocker(hold)
            if other is None:
                yield hold, Verdict.HELD
            else:
                join(other, hold)
        open_lines = [candidate for candidate in open_lines if candidate.line]


def _turned_away(account: Account) -> list[tuple[Hold, Verdict]]:
    """The holds in a line that have become too large for what is unspent, wherever in the line they stand."""
    if account.line_tokens_max <= account.unspent_tokens and account.line_microusd_max <= account.unspent_microusd:
        return []
    waiting = sorted(entry for entry in account.line if entry[2].parked is account)
    refused = [entry[2] for entry in waiting if hopeless(entry[2])]
    for hold in refused:
        hold.parked = None
    account.line = [entry for entry in waiting if entry[2].parked is account]
    heapify(account.line)
    account.line_tokens_max = max((entry[2].tokens for entry in account.line), default=0)
    account.line_microusd_max = max((entry[2].microusd for entry in account.line), default=0)
    return [(hold, Verdict.NEVER) for hold in refused]


def _others_first(account: Account, hold: Hold) -> bool:
    return bool(account.line) and account.line[0][:2] < hold.order


def _drop_leavers(account: Account) -> None:
    """Those who left are taken off the front, so that the first entry truly waits here."""
    while account.line and account.line[0][2].parked is not account:
        heappop(account.line)
