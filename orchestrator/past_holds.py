"""What earlier attempts left in the ledger: holds of hosts that are gone, and ids that no hold may have again.

Where outcomes tell what was spent, they are believed: for holds under way, and for a ledger that has lost its end or
all of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from actors.accounts import attempt_of, hold_id, is_page
from actors.contracts import Task
from budget import Amount, Budget, Verdict
from orchestrator.known_outcomes import Known


async def settle_the_dead(budget: Budget, batch: str, known: Known) -> None:
    """Charge what an earlier attempt had under way, and what its ledger has forgotten of it."""
    await charge_the_dead(budget, batch, known)
    await _count_what_is_missing(budget, batch, known.all_spent())


async def charge_the_dead(budget: Budget, account: str, known: Known) -> None:
    """Charge the holds of hosts that are gone: as an outcome tells where there is one, in full elsewhere."""
    answer = await budget.expire(account_id=account)
    named = {hold: attempt_of(account, hold) for hold in answer.expired_ids}
    told = {hold: known.spent(*attempt) for hold, attempt in named.items() if attempt}
    await asyncio.gather(*(budget.reconcile(hold, spent) for hold, spent in told.items() if spent is not None))


async def close_pages(budget: Budget, account: str) -> None:
    """All that hosts have set aside below this account is settled, and its outcomes are safe: nobody asks for it."""
    below = (one for one in (await budget.standing()).accounts if one.parent_id == account and not one.closing)
    await asyncio.gather(*(budget.close(one.account_id) for one in below if is_page(account, one.account_id)))


async def _count_what_is_missing(budget: Budget, batch: str, known: Amount) -> None:
    """For a journal that has lost its end: what outcomes tell counts as spent, whatever the ledger remembers."""
    account = (await budget.standing(batch)).of(batch)
    spent = account.spent if account else Amount(0, 0)
    tokens = max(0, known.tokens - spent.tokens)
    microusd = max(0, known.microusd - spent.microusd) if known.microusd and spent.microusd is not None else 0
    if tokens or microusd:
        hold = hold_id(batch, f"outcomes that the ledger lacks, up to {known.tokens} tokens", 1)
        await budget.reserve(hold, batch, Amount(0, 0))
        await budget.reconcile(hold, Amount(tokens, microusd))


async def count_what_was_spent(budget: Budget, batch: str, known: Known) -> None:
    """For a ledger that was lost: what the outcomes tell counts as spent. What was under way is not known any more."""
    spent = known.all_spent()
    hold = hold_id(batch, "outcomes of a lost ledger", 1)
    await budget.reserve(hold, batch, Amount(0, 0))
    await budget.reconcile(hold, spent)


async def unused_attempts(budget: Budget, batch: str, tasks: Sequence[Task]) -> list[Task]:
    """The tasks as attempts that the ledger has never heard of: a hold's id stays used, whatever came of it."""
    settled: dict[str, Task] = {}
    asked = list(tasks)
    while asked:
        # To extend a hold by nothing changes nothing, and tells whether there is one.
        ids = [hold_id(batch, task.id, task.attempt) for task in asked]
        answers = await asyncio.gather(*(budget.extend(one, Amount(0, 0)) for one in ids))
        unknown = [answer.verdict is Verdict.UNKNOWN_HOLD for answer in answers]
        settled |= {task.id: task for task, unused in zip(asked, unknown, strict=True) if unused}
        asked = [
            replace(task, attempt=task.attempt + 1) for task, unused in zip(asked, unknown, strict=True) if not unused
        ]
    return [settled[task.id] for task in tasks]
