"""A pattern whose last task waits for all others: the smallest one that plans twice."""

from __future__ import annotations

from dataclasses import dataclass

from actors.contracts import Task
from orchestrator.runs import Finish, State, Step


@dataclass(frozen=True, slots=True)
class TwoStages:
    """Independent tasks first; one more, when all of them have ended."""

    first: tuple[Task, ...]
    then: Task

    def next(self, state: State) -> Step:
        if not state.planned:
            return self.first
        if state.open:
            return ()
        return Finish() if self.then.id in state.planned else (self.then,)
