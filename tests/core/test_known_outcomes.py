"""What earlier attempts have left, as a resumed batch looks at it."""

from __future__ import annotations

from dataclasses import replace

from actors.tables import outcome_batch
from orchestrator.known_outcomes import Known, unfinished_first
from orchestrator.patterns import FanOut
from orchestrator.runs import Run
from support.tasks import a_failure, a_result, a_task


def a_run(run_id: str, tasks: int) -> Run:
    """A run that says how many tasks it will plan, and cannot be asked which."""

    def plan() -> tuple[()]:
        raise AssertionError(f"run {run_id!r} was planned")

    return Run(id=run_id, pattern=FanOut(plan), tasks_total=tasks)


def test_the_latest_attempt_counts_however_many_batches_outcomes_came_in() -> None:
    """A drain is often a row or two; its rows are found where they lie."""
    tasks = [a_task(f"t{n}") for n in range(2_100)]
    batches = [outcome_batch([a_result(task)]) for task in tasks]
    again = replace(tasks[7], attempt=2)

    known = Known.of([*batches, outcome_batch([a_failure(again)])])

    assert len(known) == len(tasks)
    assert known.rows([again]).outcome(0) == a_failure(again)
    assert known.rows([tasks[2_099]]).outcome(0) == a_result(tasks[2_099])


def test_runs_that_lack_outcomes_come_before_those_that_lack_none() -> None:
    """And no run is planned to find that out: a batch of thousands submits its rest at once."""
    rows = [a_result(a_task(name)) for name in ("a", "b")]
    runs = [a_run("r", 2), a_run("new", 2), a_run("r", 3), Run(id="r", pattern=FanOut(()))]

    told = list(unfinished_first(iter(runs), Known.of([outcome_batch(rows)])))

    assert [(run.id, run.tasks_total) for run in told] == [("new", 2), ("r", 3), ("r", None), ("r", 2)]


def test_what_was_cancelled_lacks_an_outcome() -> None:
    """It goes again, so its run is among the first."""
    rows = [a_result(a_task("a")), a_failure(a_task("b"))]
    known = Known.of([outcome_batch(rows)], lambda status: status != "ok")

    assert known.standing_of("r") == 1
