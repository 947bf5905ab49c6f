"""Runs and the fan-out pattern."""

from __future__ import annotations

from collections.abc import Mapping

from actors.contracts import Outcome
from actors.tables import OutcomeRows, outcome_batch
from orchestrator.patterns import FanOut
from orchestrator.runs import Finish, Run, Runs, Step
from support.tasks import a_failure, a_result, a_task


def end(runs: Runs, outcome: Outcome) -> Mapping[str, Step]:
    """One outcome comes in."""
    return runs.end([outcome.task_id], [outcome.run_id], OutcomeRows(outcome_batch([outcome])))


def test_a_fan_out_plans_all_at_once_and_finishes_with_the_last_outcome() -> None:
    """Failures count as outcomes: a branch that failed holds nothing up."""
    one, two = a_task("one"), a_task("two")
    runs = Runs()

    first = runs.admit(Run(id="r", pattern=FanOut((one, two))))
    between = end(runs, a_result(one))
    last = end(runs, a_failure(two))
    runs.check()

    assert first == (one, two)
    assert between == {"r": ()}
    assert last == {"r": Finish()}


def test_optional_tasks_do_not_hold_up_the_finish() -> None:
    """required: false means what it says."""
    must, may = a_task("must"), a_task("may", required=False)
    runs = Runs()
    runs.admit(Run(id="r", pattern=FanOut((must, may))))

    step = end(runs, a_result(must))

    assert step == {"r": Finish()}


def test_a_run_without_tasks_finishes_at_once() -> None:
    """A service without any source has nothing to be asked about."""
    assert isinstance(Runs().admit(Run(id="r", pattern=FanOut(()))), Finish)


def test_outcomes_of_a_run_that_has_ended_are_passed_by() -> None:
    """An optional task may come in after its run was closed."""
    must, may = a_task("must"), a_task("may", required=False)
    runs = Runs()
    runs.admit(Run(id="r", pattern=FanOut((must, may))))
    end(runs, a_result(must))
    _, state = runs.close("r")

    late = end(runs, a_result(may))

    assert late == {}
    assert list(state.outcomes) == [must.id]
