"""What follows from outcomes: tasks to begin, and runs that end. Outcomes of earlier attempts are told at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from actors.contracts import Task
from actors.tables import OutcomeRows
from orchestrator.known_outcomes import Known
from orchestrator.runs import Finish, Run, Runs, State, Step
from orchestrator.tally import Tally, together


class Ended(NamedTuple):
    """A run that its pattern has finished. Optional tasks that are still open end with it.

    `not_begun` were planned, and nobody has them; `cut`: hosts have others. `replayed`: what was known sufficed.
    """

    run: Run
    state: State
    not_begun: Sequence[Task] = ()
    cut: bool = False
    replayed: bool = False


@dataclass(slots=True)
class FollowUps:
    """The runs under way, and what their patterns want. Take away what is `planned` and what has `ended`.

    `known` holds what earlier attempts at the batch have left: those outcomes are told to patterns, not made again.
    """

    known: Known
    tally: Tally
    runs: Runs = field(default_factory=Runs)
    planned: list[Task] = field(default_factory=list)  # by patterns, not yet submitted
    ended: list[Ended] = field(default_factory=list)
    _to_replay: Tally = field(init=False)  # what is known and not in `tally` yet

    def __post_init__(self) -> None:
        self._to_replay = self.known.standing()

    @property
    def shown(self) -> Tally:
        """The tally with all that is known, though its runs may not have had their turn."""
        if not len(self.known):
            return self.tally
        return together([self.tally, self._to_replay, Tally(runs_finished=self.known.runs_set_aside)])

    def nothing_to_replay(self) -> None:
        """What is known has been counted elsewhere."""
        self._to_replay = Tally()

    def admit(self, run: Run) -> None:
        """A run begins."""
        self._follow(run.id, self.runs.admit(run), admitted=True)

    def end(self, rows: OutcomeRows) -> None:
        """Outcomes came in, and are durable."""
        for run_id, step in self.runs.end(rows.column("task_id"), rows.column("run_id"), rows).items():
            self._follow(run_id, step)

    def take_planned(self) -> list[Task]:
        planned, self.planned = self.planned, []
        return planned

    def take_ended(self) -> list[Ended]:
        ended, self.ended = self.ended, []
        return ended

    def _follow(self, run_id: str, step: Step, *, admitted: bool = False) -> None:
        """What a pattern said."""
        planned: Sequence[Task] = ()
        if len(self.known):
            step, planned = self._replayed(run_id, step)
        elif not isinstance(step, Finish):
            planned = step
        if isinstance(step, Finish):
            self._finish(run_id, planned, replayed=admitted)
        else:
            self.planned += planned

    def _replayed(self, run_id: str, step: Step) -> tuple[Step, list[Task]]:
        """What is known of a run's next tasks is told to its pattern, until that says something new.

        Gives what it said last, and the tasks on the way of which nothing is known.
        """
        planned: list[Task] = []
        while not isinstance(step, Finish) and step:
            known = [task for task in step if self.known.stands(task.id)]
            planned += [task for task in step if not self.known.stands(task.id)]
            if not known:
                break
            self.tally.tasks_planned += len(known)
            figures = [list(column) for column in zip(*self.known.figures(known), strict=True)]
            self.tally.add(*figures)
            self._to_replay.take(*figures)
            ids = [task.id for task in known]
            step = self.runs.end(ids, [run_id] * len(ids), self.known.rows(known))[run_id]
        return step, planned

    def _finish(self, run_id: str, planned: Sequence[Task], *, replayed: bool) -> None:
        run, state = self.runs.close(run_id)
        self.tally.runs_finished += 1
        new = [task for task in planned if not self.known.has_row(task.id)]
        cut = state.ended + len(planned) < len(state.planned)
        self.ended.append(Ended(run, state, new, cut, replayed))
