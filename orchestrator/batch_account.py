"""The account that a batch spends under, and what an attempt before this one has left in it."""

from __future__ import annotations

from actors.accounts import is_driver_account
from budget import AccountStanding, Budget, Limit
from orchestrator.batch import Batch
from orchestrator.known_outcomes import Earlier
from orchestrator.past_holds import count_what_was_spent, settle_the_dead


async def standing_of(budget: Budget, batch: Batch) -> AccountStanding:
    standing = (await budget.standing(batch.id)).of(batch.id)
    assert standing is not None, "the batch's account is open as long as the batch"
    return standing


async def open_account(budget: Budget, batch: Batch, earlier: Earlier | None) -> None:
    """The batch's own account; that of an earlier attempt goes on where it was, under the ceiling of now."""
    settings = batch.settings
    limit = Limit(settings.tokens_max, settings.microusd_max)
    lost = earlier is not None and (await budget.standing(batch.id)).of(batch.id) is None
    await budget.open(
        batch.id,
        parent=settings.shared_budget or None,
        limit=earlier.limit if earlier else limit,
        alert_percents=settings.alert_percents,
    )
    if earlier is None:
        return
    if lost and len(earlier.known):
        await count_what_was_spent(budget, batch.id, earlier.known)
    await lock_out_drivers(budget, batch.id)
    await settle_the_dead(budget, batch.id, earlier.known)
    account = (await budget.standing(batch.id)).of(batch.id)
    if account is None or account.limit != limit:  # whatever the attempt before this one was given
        await budget.set_limit(batch.id, limit)


async def lock_out_drivers(budget: Budget, batch_id: str) -> None:
    """Drivers of an earlier attempt, and hosts of theirs that still live, can hold nothing any more."""
    for account in (await budget.standing()).accounts:
        if is_driver_account(batch_id, account.account_id) and not account.closing:
            await budget.close(account.account_id)
