"""A plan's tasks as runs, one after the other: what is checked on the way is checked without holding the tasks."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import attrgetter

from actors.contracts import Task
from budget.errors import TaskError
from orchestrator.patterns import FanOut
from orchestrator.runs import Run

log = logging.getLogger("muster.plan")

COMPARED_MAX = 10_000  # tasks of a plan that are compared with each other: more than anybody words by hand
IDS_SHOWN_MAX = 5


@dataclass(slots=True)
class Ids:
    """Which ids of tasks and runs were met, as 64-bit hashes: some 70 bytes a task, however long ids and inputs are.

    Of a million ids two are taken for the same with a probability of 1 to 37 million.
    """

    _tasks: set[int] = field(default_factory=set)
    _runs: set[int] = field(default_factory=set)  # those of which no task has the same id
    _both: set[int] = field(default_factory=set)  # runs whose first task has the run's id, as it has by default

    def begin(self, run_id: str, first: Task) -> None:
        """A run begins with its first task. Raises TaskError when it was met, or the task was."""
        run = hash(run_id)
        if run in self._runs or run in self._both:
            self._refuse_known(first)
            raise TaskError(
                f"run {run_id!r} comes twice, at last with task {first.id!r}: the tasks of a run must come together "
                "where they come from an iterator; sort them by run_id, or give a list"
            )
        if first.id == run_id:
            self._refuse_known(first)
            self._both.add(run)
        else:
            self._runs.add(run)
            self.add(first)

    def add(self, task: Task) -> None:
        """One more task of the run. Raises TaskError when its id was met."""
        self._refuse_known(task)
        self._tasks.add(hash(task.id))

    def _refuse_known(self, task: Task) -> None:
        known = hash(task.id)
        if known in self._tasks or known in self._both:
            raise TaskError(f"task id {task.id!r} is used twice: ids must be unique in a plan")


def runs_of(plan: Iterable[Task]) -> Iterator[Run]:
    """A plan's runs, each when its turn comes: the tasks that follow each other under one run_id.

    Raises: TaskError, where it is met, for a task id that is used twice and for a run that comes again.
    """
    ids = Ids()
    for run_id, stretch in groupby(plan, key=attrgetter("run_id")):
        tasks = tuple(stretch)
        ids.begin(run_id, tasks[0])
        for task in tasks[1:]:
            ids.add(task)
        yield Run(id=run_id, pattern=FanOut(tasks))


def checked(plan: Sequence[Task]) -> Sequence[Task]:
    """A plan that is there as a whole, with the tasks of one run side by side, runs in the order of their first tasks.

    Raises: TaskError for a task id that is used twice, before anything of the plan runs.
    """
    stretches = sum(1 for _ in groupby(tasks_of(plan), key=attrgetter("run_id")))
    tasks = plan if stretches == len({hash(task.run_id) for task in plan}) else _together(plan)
    for _ in runs_of(tasks):
        pass
    return tasks


def tasks_of(plan: Iterable[object]) -> Iterator[Task]:
    """The plan as it is. Raises TaskError where it holds something else than tasks."""
    for task in plan:
        if not isinstance(task, Task):
            raise TaskError(f"the plan holds a {type(task).__name__}, not a task: make them with specialist.task(…)")
        yield task


def _together(plan: Iterable[Task]) -> list[Task]:
    by_run: dict[str, list[Task]] = {}
    for task in plan:
        by_run.setdefault(task.run_id, []).append(task)
    return [task for of_run in by_run.values() for task in of_run]


def warned_of_overlaps(plan: Iterable[Task]) -> Iterator[Task]:
    """The plan as it is. Says so once when tasks among its first COMPARED_MAX ask the same of the same agent."""
    asked: dict[int, str] = {}
    alike: list[str] = []
    tasks = iter(plan)
    for number, task in enumerate(tasks, 1):
        before = asked.setdefault(_asked(task), task.id)
        if before != task.id:
            alike.append(task.id)
            if len(alike) == 1:
                log.warning("tasks ask the same of the same agent: %s, %s", before, task.id)
        yield task
        if number == COMPARED_MAX:
            break
    if len(alike) > 1:
        log.warning("%d more tasks ask what another one asks, %s among them", len(alike) - 1, _some(alike[1:]))
    asked.clear()
    yield from tasks


def _asked(task: Task) -> int:
    return hash((task.agent, " ".join(str(task.objective).lower().split()), repr(task.inputs)))


def _some(ids: list[str]) -> str:
    return ", ".join(ids[:IDS_SHOWN_MAX])
