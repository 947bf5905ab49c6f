"""Pages: the accounts in which a host writes down holds of runs that have none of their own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from actors.accounts import attempt_of, hold_id, is_page, page_account
from actors.contracts import Outcome
from actors.pages import HOLDS_PER_PAGE, Pages
from budget import Amount, Budget, Verdict
from budget.client import local_budget
from support.tasks import a_result, a_task


def with_pages(scenario: Callable[[Budget, Pages], Awaitable[None]]) -> None:
    async def run() -> None:
        async with local_budget(None) as budget:
            await budget.open("batch")
            await scenario(budget, Pages(budget, "batch", "host-1"))

    asyncio.run(run())


def outcomes(numbers: range) -> list[Outcome]:
    return [a_result(a_task(f"t{n}")) for n in numbers]


async def spent_on(budget: Budget, pages: Pages, task: str) -> None:
    answer = await budget.reserve(task, pages.take(task), Amount(40, 0))
    assert answer.held
    await budget.reconcile(task, Amount(10, 0))


async def accounts(budget: Budget) -> list[str]:
    return [one.account_id for one in (await budget.standing()).accounts if one.account_id != "batch"]


def test_many_holds_share_an_account_and_their_spend_is_the_batchs() -> None:
    """A run without a ceiling costs the ledger nothing above its tasks."""

    async def scenario(budget: Budget, pages: Pages) -> None:
        names = [outcome.task_id for outcome in outcomes(range(HOLDS_PER_PAGE + 1))]

        for name in names:
            await spent_on(budget, pages, name)

        assert len(await accounts(budget)) == 2
        assert len({pages.of(name) for name in names}) == 2
        batch = (await budget.standing("batch")).of("batch")
        assert batch is not None
        assert batch.spent == Amount(10 * len(names), 0)

    with_pages(scenario)


def test_a_page_is_closed_when_it_is_full_and_all_that_came_of_it_is_safe() -> None:
    """Until then each hold is known, so that nobody who asks again is given it twice."""

    async def scenario(budget: Budget, pages: Pages) -> None:
        ended = outcomes(range(HOLDS_PER_PAGE + 3))
        for outcome in ended:
            await spent_on(budget, pages, outcome.task_id)
        first, second = await accounts(budget)

        pages.end(ended[1:])
        known = await budget.extend(ended[0].task_id, Amount(0, 0))
        pages.end([*ended[:1], *ended])
        late = await budget.reserve(ended[0].task_id, first, Amount(40, 0))

        assert known.verdict is Verdict.RECONCILED
        assert late.verdict is Verdict.CLOSED
        assert await accounts(budget) == [second]

    with_pages(scenario)


def test_outcomes_of_tasks_that_no_page_has_are_passed_by() -> None:
    """A task may be cancelled before it asks, and a run may have an account of its own."""

    async def scenario(budget: Budget, pages: Pages) -> None:
        pages.end(outcomes(range(2 * HOLDS_PER_PAGE)))

        await spent_on(budget, pages, "task")

        assert await accounts(budget) == [pages.of("task")]

    with_pages(scenario)


def test_hosts_of_one_name_do_not_share_a_page() -> None:
    """A resumed batch numbers its hosts anew; their clients of the budget are others."""
    names = {page_account("batch", "host-1", client, 1) for client in ("a1", "b2")}

    assert len(names) == 2
    assert all(is_page("batch", name) for name in names)
    assert not is_page("batch", "batch/run")
    assert not is_page("bat", "batch@host-1/a1/1")
    assert attempt_of("batch", hold_id("batch", "t@1/2#3", 4)) == ("t@1/2#3", 4)
