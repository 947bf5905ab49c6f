"""Fan-out and gather: independent tasks, all at once, and the finish when each has an outcome."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from actors.contracts import Task
from orchestrator.runs import Finish, State, Step


@dataclass(frozen=True, slots=True)
class FanOut:
    """`tasks` do not depend on each other. Optional ones are not waited for.

    Give a function where they take their time to be made, and may never be looked at.
    """

    plan: tuple[Task, ...] | Callable[[], tuple[Task, ...]]

    @property
    def tasks(self) -> tuple[Task, ...]:
        return self.plan() if callable(self.plan) else self.plan

    def next(self, state: State) -> Step:
        if not state.planned and (tasks := self.tasks):
            return tasks
        return () if state.open else Finish()
