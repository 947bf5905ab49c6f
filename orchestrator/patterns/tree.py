"""Tree: many items merged in groups, what comes of the groups merged again, until one is left."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from actors.contracts import Outcome, Task
from orchestrator.runs import Finish, State, Step

T = TypeVar("T")


class Merge(Protocol[T]):
    """What is merged, and how. Deterministic: a resumed run replays it."""

    def groups(self, items: Sequence[T]) -> Sequence[Sequence[T]]:
        """`items` in groups that one sub-agent can read: each in exactly one, and fewer groups than items, or one."""
        ...

    def task(self, level: int, place: int, items: Sequence[T]) -> Task:
        """What is asked about one group. `level` counts from 0 at the leaves, `place` within its level."""
        ...

    def item(self, task: Task, items: Sequence[T], outcome: Outcome) -> T:
        """What a group came to, also when its sub-agent failed: the item that the next level reads."""
        ...


@dataclass(frozen=True, slots=True)
class Tree(Generic[T]):
    """`leaves` come to one item, level by level. The groups of a level do not depend on each other: all run at once."""

    leaves: Sequence[T]
    merge: Merge[T]

    def next(self, state: State) -> Step:
        if state.open or not self.leaves:
            return () if state.open else Finish()
        for tasks, merged in self._levels(state):
            if not merged:
                return tasks
        return Finish()

    def root(self, state: State) -> T | None:
        """The one item that all leaves came to; None before the tree has grown together."""
        *_, (_, merged) = [((), ()), *self._levels(state)]
        return merged[0] if len(merged) == 1 else None

    def _levels(self, state: State) -> Iterator[tuple[Sequence[Task], Sequence[T]]]:
        """Each level's tasks and what they came to, from the leaves; the last one came to nothing yet, or to one."""
        items, level = self.leaves, 0
        while items and (level == 0 or len(items) > 1):
            groups = self.merge.groups(items)
            assert len(groups) < max(2, len(items)), f"level {level}: {len(items)} items in {len(groups)} groups"
            tasks = [self.merge.task(level, place, group) for place, group in enumerate(groups)]
            ended = [(task, group, state.outcome(task.id)) for task, group in zip(tasks, groups, strict=True)]
            items = [self.merge.item(task, group, outcome) for task, group, outcome in ended if outcome is not None]
            if len(items) < len(groups):
                items = []
            yield tasks, items
            level += 1
