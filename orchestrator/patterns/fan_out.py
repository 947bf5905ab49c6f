"""Fan-out and gather: independent tasks, all at once, and the finish when each has an outcome."""

from __future__ import annotations

from dataclasses import dataclass

from actors.contracts import Task
from orchestrator.runs import Finish, State, Step


@dataclass(frozen=True, slots=True)
class FanOut:
    """`tasks` do not depend on each other. Optional ones are not waited for."""

    tasks: tuple[Task, ...]

    def next(self, state: State) -> Step:
        if not state.planned and self.tasks:
            return self.tasks
        return () if state.open else Finish()
