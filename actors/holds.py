"""A host's side of the budget: a task's worst case is set aside before it starts, its bill told when it has ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from actors.accounts import hold_id, run_account
from actors.bill import Prices
from actors.contracts import Outcome, Task
from actors.pages import Pages
from budget import Answer, Budget, Told, mistake_of
from budget.errors import BudgetError


@dataclass(slots=True)
class Holds:
    """The holds of one host, in accounts below `account`: of runs, or pages of its own where those have none."""

    budget: Budget
    prices: Prices
    account: str
    owner: str
    on_exhausted: str = "wait"  # or "skip"
    _pages: Pages = field(init=False)

    def __post_init__(self) -> None:
        self._pages = Pages(self.budget, self.account, self.owner)

    @property
    def waits(self) -> bool:
        """Whether a hold that does not fit now waits until it does."""
        return self.on_exhausted == "wait"

    def ask(self, task: Task, told: Told) -> None:
        """Set the task's worst case aside. `told` is called once that is decided, and before when it has to wait."""
        account = run_account(self.account, task.run_id) if task.own_account else self._pages.take(task.id)
        self.budget.ask(
            hold_id(self.account, task.id, task.attempt),
            account,
            task.tokens_max,
            self.prices.worst_case(task.tokens_max),
            told,
            owner=self.owner,
            priority=task.priority,
            waits=self.waits,
        )

    def give_up(self, task: Task, told: Told) -> None:
        """The task will not start: `told` is not called any more."""
        self.budget.give_up(hold_id(self.account, task.id, task.attempt), told)

    def settle(self, outcome: Outcome, told: Told) -> None:
        """Say what came of a hold: what its session spent."""
        work = outcome.work
        hold = hold_id(self.account, outcome.task_id, outcome.attempt)
        self.budget.bill(hold, work.spent_tokens, work.cost_microusd, told)

    def end(self, outcomes: Sequence[Outcome]) -> None:
        """These are safe where they were handed to: their holds may be forgotten."""
        self._pages.end(outcomes)

    def mistake(self, task: Task, answer: Answer) -> BudgetError | None:
        """What was wrong with asking, where it was not the money that was lacking."""
        account = run_account(self.account, task.run_id) if task.own_account else self._pages.of(task.id)
        return mistake_of(hold_id(self.account, task.id, task.attempt), account, answer)
