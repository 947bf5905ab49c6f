"""Where the holds of runs without a ceiling of their own are written: in accounts that a host opens and closes.

The ledger remembers each hold as long as its account is open. A page is an account for some hundred holds, and is
closed when what came of all of them is safe: so what is remembered does not grow with the batch, and an account is
opened and closed once in some hundred sub-agents, not once in a run.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from actors.accounts import page_account
from actors.contracts import Outcome
from budget import Answer, Budget, Close, Open

HOLDS_PER_PAGE = 512  # some 300 KB in the ledger's process; opening and closing cost a five-hundredth of a hold each


@dataclass(slots=True)
class _Page:
    account: str
    holds: int = 0
    safe: int = 0  # of these: nobody will ask for them again


@dataclass(slots=True)
class Pages:
    """The pages of one host, below `account`."""

    budget: Budget
    account: str
    host: str
    _last: _Page = field(default_factory=lambda: _Page("", HOLDS_PER_PAGE))
    _number: int = 0
    _by_task: dict[str, _Page] = field(default_factory=dict)

    def take(self, task_id: str) -> str:
        """The account for the hold of one task more."""
        page = self._last
        if page.holds == HOLDS_PER_PAGE:
            page = self._turn()
        page.holds += 1
        self._by_task[task_id] = page
        return page.account

    def of(self, task_id: str) -> str:
        """The account that a task's hold is in."""
        return self._by_task[task_id].account

    def end(self, outcomes: Iterable[Outcome]) -> None:
        """These will not be lost any more, whatever happens. A page that is full of such is closed."""
        for outcome in outcomes:
            page = self._by_task.pop(outcome.task_id, None)
            if page is not None:
                page.safe += 1
                if page.safe == HOLDS_PER_PAGE:
                    self.budget.tell(Close(page.account), _heard)

    def _turn(self) -> _Page:
        self._number += 1
        name = page_account(self.account, self.host, self.budget.client_id, self._number)
        self.budget.tell(Open(name, self.account, None, None, (), self.budget.client_id), _heard)
        self._last = _Page(name)
        return self._last


def _heard(_: Answer | Exception) -> None:
    """What becomes of a page, its holds are told as well."""
