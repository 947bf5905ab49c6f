"""The tree pattern: level by level to one item, whatever the order in which outcomes come."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from actors.contracts import Outcome, Result, Task
from orchestrator.patterns import Tree
from orchestrator.runs import Run
from support.batches import carried_through
from support.tasks import a_failure, a_result, a_task


@dataclass(frozen=True)
class Sums:
    """Numbers in groups of `width`, each group to its sum; a group that failed counts nothing."""

    width: int = 3

    def groups(self, items: Sequence[int]) -> Sequence[Sequence[int]]:
        return [items[n : n + self.width] for n in range(0, len(items), self.width)]

    def task(self, level: int, place: int, items: Sequence[int]) -> Task:
        return a_task(f"{level}.{place}", inputs={"items": list(items)})

    def item(self, task: Task, items: Sequence[int], outcome: Outcome) -> int:
        assert list(items) == task.inputs["items"]
        return int(outcome.answer) if isinstance(outcome, Result) else 0


def total(task: Task) -> Result:
    return a_result(task, answer=str(sum(task.inputs["items"])))  # type: ignore[arg-type]


@pytest.mark.parametrize("leaves", [1, 2, 3, 4, 9, 10, 28, 100])
def test_all_leaves_come_to_one_item(leaves: int) -> None:
    """Each leaf counts once, on however many levels."""
    tree = Tree(range(1, leaves + 1), Sums())

    state = carried_through(Run(id="r", pattern=tree), total)

    assert tree.root(state) == leaves * (leaves + 1) // 2


def test_a_level_is_planned_at_once_and_waits_for_all_of_the_level_below() -> None:
    """Groups of a level do not depend on each other, and no level is asked for twice."""
    tree = Tree(range(10), Sums())

    state = carried_through(Run(id="r", pattern=tree), total)

    assert list(state.planned) == ["r/0.0", "r/0.1", "r/0.2", "r/0.3", "r/1.0", "r/1.1", "r/2.0"]


def test_any_order_of_outcomes_gives_the_same_tasks_and_the_same_root() -> None:
    """State is nothing but the outcomes so far, so a resumed run comes to the same next tasks."""
    tree = Tree(range(60), Sums())

    def shuffled(seed: int) -> tuple[object, object]:
        chance = random.Random(seed)
        state = carried_through(Run(id="r", pattern=tree), total, lambda step: chance.sample(step, len(step)))
        return list(state.planned.values()), tree.root(state)

    assert all(shuffled(seed) == shuffled(0) for seed in range(1, 20))


def test_a_group_that_failed_holds_nothing_up() -> None:
    """Failures are outcomes: the merge says what stands in for them."""
    tree = Tree([1] * 9, Sums())

    state = carried_through(
        Run(id="r", pattern=tree), lambda task: a_failure(task) if task.id == "r/0.1" else total(task)
    )

    assert tree.root(state) == 6


def test_no_leaves_are_nothing_to_do() -> None:
    """A batch of no runs has a last page all the same: none."""
    tree: Tree[int] = Tree([], Sums())

    state = carried_through(Run(id="r", pattern=tree), total)

    assert tree.root(state) is None
    assert not state.planned
