"""The accounts of a batch's runs: opened as they begin, with room for what their lost attempts were charged."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field

from budget import Amount, Budget, Limit
from budget.errors import AccountConflictError, UnknownAccountError


@dataclass(slots=True)
class RunAccounts:
    """The accounts of runs. A run whose account was closed and that goes on gets another, beside the batch's own.

    What a lost attempt was charged in full does not count against its run's ceiling: the task goes again, and has to
    find room. The batch's ceiling, which is above all runs', is not moved by that.
    """

    budget: Budget
    batch: str
    _parents: list[str] = field(default_factory=list)
    _unseen: dict[str, Amount] = field(default_factory=dict)  # charged in full, by account

    async def find(self) -> None:
        """Look for what earlier attempts opened, and what was charged there for those that are gone."""
        for account in (await self.budget.standing()).accounts:
            number = account.account_id.removeprefix(f"{self.batch}~")
            if number.isdigit():
                self._parents.append(account.account_id)
            elif account.account_id.startswith(f"{self.batch}/") and account.unseen.tokens:
                self._unseen[account.account_id] = account.unseen

    async def open_all(self, limits: Mapping[str, Limit]) -> None:
        """Accounts by name: together where nothing is known of earlier ones, else each as it needs it."""
        known = self._parents or self._unseen
        opened = set() if known else {*await self.budget.open_all(limits, parent=self.batch)}
        await asyncio.gather(*(self.open(name, limit) for name, limit in limits.items() if name not in opened))

    async def open(self, account: str, limit: Limit) -> None:
        for parent in [self.batch, *self._parents]:
            try:
                await self.budget.open(account, parent=parent, limit=limit, alert_percents=())
                break
            except AccountConflictError:
                continue
        else:
            await self._open_anew(account, limit)
        if account in self._unseen:
            await self.budget.set_limit(account, _above(limit, self._unseen.pop(account)))

    async def make_room(self, accounts: Mapping[str, Limit]) -> None:
        """For runs that have lost attempts just now. `accounts`: theirs, with the ceilings that they began under."""
        standing = await self.budget.standing(*accounts)
        for account in standing.accounts:
            if account.unseen.tokens and not account.closing:
                await self.budget.set_limit(account.account_id, _above(accounts[account.account_id], account.unseen))

    async def _open_anew(self, account: str, limit: Limit) -> None:
        """Under a parent where that name is not used up; an open one of other terms is closed before."""
        for number in itertools.count(len(self._parents) + 2):
            parent = f"{self.batch}~{number}"
            await self.budget.open(parent, parent=self.batch)
            if parent not in self._parents:
                self._parents.append(parent)
            try:
                await self.budget.open(account, parent=parent, limit=limit, alert_percents=())
                return
            except AccountConflictError:
                try:
                    await self.budget.close(account)
                except UnknownAccountError:
                    continue


def _above(limit: Limit, more: Amount) -> Limit:
    return Limit(
        None if limit.tokens is None else limit.tokens + more.tokens,
        None if limit.microusd is None else limit.microusd + (more.microusd or 0),
    )
