"""Runs and the patterns that drive them: outcomes so far in, next tasks or the finish out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeAlias

from actors.contracts import JsonValue, Outcome, Task, light_value
from budget import Limit


@dataclass(frozen=True, slots=True)
class Finish:
    """The run needs no further task."""


class Rows(Protocol):
    """Rows of outcomes, made into values when a pattern looks at them."""

    def outcome(self, row: int) -> Outcome: ...


@dataclass(slots=True)
class State:
    """What a pattern may look at: the tasks that it planned and the outcomes so far, and nothing else."""

    planned: dict[str, Task] = field(default_factory=dict)
    _ended: dict[str, tuple[Rows, int]] = field(default_factory=dict)
    _open: int = 0  # tasks that an answer still waits for

    @property
    def open(self) -> int:
        """Tasks without an outcome that the run cannot do without."""
        return self._open

    @property
    def ended(self) -> int:
        return len(self._ended)

    @property
    def outcomes(self) -> dict[str, Outcome]:
        """The outcomes so far, by task."""
        return {task_id: rows.outcome(row) for task_id, (rows, row) in self._ended.items()}

    def outcome(self, task_id: str) -> Outcome | None:
        found = self._ended.get(task_id)
        return found[0].outcome(found[1]) if found else None

    def plan(self, tasks: Iterable[Task]) -> None:
        for task in tasks:
            assert task.id not in self.planned, f"task {task.id!r} is planned twice"
            self.planned[task.id] = task
            self._open += task.required

    def end(self, task_id: str, rows: Rows, row: int) -> None:
        assert task_id not in self._ended, f"task {task_id!r} has two outcomes"
        self._ended[task_id] = (rows, row)
        self._open -= self.planned[task_id].required


Step: TypeAlias = "Sequence[Task] | Finish"


class Pattern(Protocol):
    """Deterministic, no clock, no I/O: a resumed run replays its outcomes and comes to the same next tasks."""

    def next(self, state: State) -> Step:
        """The tasks to submit now (none: wait for what is open), or the finish."""
        ...


@light_value
class Run:
    """One user-facing question: one service to audit, one report, one ticket."""

    id: str
    pattern: Pattern
    subject: str = ""
    limit: Limit | None = None  # with one it has an account of its own, also where nothing is limited there
    tasks_total: int | None = None  # that its pattern plans, where that is known before it does
    context: Mapping[str, JsonValue] = field(default_factory=dict)  # the job's own, for its synthesis


@dataclass(slots=True)
class Runs:
    """The runs under way. Drive it with `admit` and `end`; each gives the tasks that follow, or the finished run."""

    _states: dict[str, tuple[Run, State]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self._states)

    def __contains__(self, run_id: str) -> bool:
        """Whether a run is under way."""
        return run_id in self._states

    def admit(self, run: Run) -> Step:
        """A run begins. Raises AssertionError for an id that is under way."""
        assert run.id not in self._states, f"run {run.id!r} is under way"
        self._states[run.id] = (run, State())
        return self._next(run.id)

    def end(self, task_ids: Sequence[str], run_ids: Sequence[str], rows: Rows) -> Mapping[str, Step]:
        """Outcomes came in: what follows, by run. Each touched run is asked once. Those of ended runs are passed by."""
        touched: dict[str, None] = {}
        for row, (task_id, run_id) in enumerate(zip(task_ids, run_ids, strict=True)):
            if run_id in self._states:
                self._states[run_id][1].end(task_id, rows, row)
                touched[run_id] = None
        return {run_id: self._next(run_id) for run_id in touched}

    def close(self, run_id: str) -> tuple[Run, State]:
        """A finished run, or one whose time is up, leaves."""
        return self._states.pop(run_id)

    def task(self, outcome: Outcome) -> Task | None:
        """The task that came to this outcome, while its run is under way."""
        state = self._states.get(outcome.run_id)
        return state[1].planned.get(outcome.task_id) if state else None

    def run_of(self, task_id: str) -> Run | None:
        """The run under way that planned a task."""
        return next((run for run, state in self._states.values() if task_id in state.planned), None)

    def check(self) -> None:
        """The invariants, for tests."""
        for run, state in self._states.values():
            assert state.ended <= len(state.planned), f"run {run.id!r} has outcomes nobody planned"
            assert 0 <= state.open <= len(state.planned)

    def _next(self, run_id: str) -> Step:
        run, state = self._states[run_id]
        step = run.pattern.next(state)
        if not isinstance(step, Finish):
            step = _with_account(step, run.limit is not None)
            state.plan(step)
            assert step or state.open, f"run {run_id!r}: its pattern neither plans, waits nor finishes"
        return step


def _with_account(tasks: Sequence[Task], own: bool) -> Sequence[Task]:
    """Tasks that say whether their run has an account of its own, whatever their planner said of it."""
    for task in tasks:
        if task.own_account is not own:
            return [replace(task, own_account=own) for task in tasks]
    return tasks
