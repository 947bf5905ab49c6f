"""What follows from outcomes: new ones, and those that earlier attempts at the batch have left."""

from __future__ import annotations

from collections.abc import Sequence

from actors.contracts import Outcome, Reason, Task, Work
from actors.tables import OutcomeRows, outcome_batch
from orchestrator.follow_ups import FollowUps
from orchestrator.known_outcomes import Known, unfinished_first
from orchestrator.patterns import FanOut
from orchestrator.runs import Run
from orchestrator.tally import Tally, together
from support.tasks import a_failure, a_result, a_task
from support.two_stages import TwoStages

ONE, TWO, LAST = a_task("one"), a_task("two"), a_task("last")
STAGES = Run(id="r", pattern=TwoStages((ONE, TWO), LAST))


def knowing(*outcomes: Outcome) -> FollowUps:
    batches = [outcome_batch(outcomes)] if outcomes else []
    return FollowUps(Known.of(batches), Tally())


def rows(*outcomes: Outcome) -> OutcomeRows:
    return OutcomeRows(outcome_batch(outcomes))


def ids(tasks: Sequence[Task]) -> list[str]:
    return [task.id for task in tasks]


def test_a_run_goes_from_stage_to_stage_and_ends_once() -> None:
    """What is planned and what has ended is taken away once."""
    follow_ups = knowing()

    follow_ups.admit(STAGES)
    first = ids(follow_ups.take_planned())
    follow_ups.end(rows(a_result(ONE), a_failure(TWO)))
    then = ids(follow_ups.take_planned())
    follow_ups.end(rows(a_result(LAST)))
    ended = follow_ups.take_ended()

    assert (first, then) == ([ONE.id, TWO.id], [LAST.id])
    assert [(one.run.id, one.not_begun, one.cut, one.replayed) for one in ended] == [("r", [], False, False)]
    assert (follow_ups.take_planned(), follow_ups.take_ended()) == ([], [])
    assert len(follow_ups.runs) == 0
    assert follow_ups.tally.runs_finished == 1


def test_what_is_known_is_told_at_once_and_only_the_rest_is_planned() -> None:
    """A resumed run is where it was: its first stage is over, and its last task goes to work."""
    follow_ups = knowing(a_result(ONE), a_failure(TWO))

    follow_ups.admit(STAGES)

    assert ids(follow_ups.take_planned()) == [LAST.id]
    assert follow_ups.take_ended() == []
    assert follow_ups.tally.tasks_planned == 2
    assert follow_ups.tally.statuses == {"ok": 1, "timeout": 1}


def test_a_run_that_is_known_to_its_end_ends_when_it_is_admitted() -> None:
    """Nothing of it is made again, and its state has all of its outcomes."""
    follow_ups = knowing(a_result(ONE), a_result(TWO), a_result(LAST))

    follow_ups.admit(STAGES)
    (ended,) = follow_ups.take_ended()

    assert (ended.run, ended.replayed, follow_ups.take_planned()) == (STAGES, True, [])
    assert ended.state.outcomes.keys() == {ONE.id, TWO.id, LAST.id}


def test_what_an_interruption_left_undone_is_planned_again() -> None:
    """A cancelled task has an outcome that does not stand."""
    follow_ups = knowing(a_result(ONE), a_failure(TWO, Reason.CANCELLED))

    follow_ups.admit(STAGES)

    assert ids(follow_ups.take_planned()) == [TWO.id]


def test_optional_tasks_end_with_their_run_whether_a_host_has_them_or_not() -> None:
    """Those that nobody has are named; those with a host are to be cancelled there."""
    may = a_task("may", required=False)
    run = Run(id="r", pattern=FanOut((ONE, may)))
    new, known = knowing(), knowing(a_result(ONE))

    new.admit(run)
    new.end(rows(a_result(ONE)))
    known.admit(run)
    (cut,), (finished,) = new.take_ended(), known.take_ended()

    assert (ids(cut.not_begun), cut.cut) == ([], True)
    assert (ids(finished.not_begun), finished.cut) == ([may.id], False)


def test_who_looks_on_sees_what_is_known_from_the_start_and_once() -> None:
    """A resumed batch does not seem to begin anew, nor to leap when finished runs have their turn."""
    finished = Run(id="old", pattern=FanOut((a_task("a", run="old"),)), tasks_total=1)
    before = a_result(a_task("a", run="old"))._replace(work=Work("m", spent_tokens=70, cost_microusd=7))
    follow_ups = knowing(before, a_result(ONE)._replace(work=Work("m", spent_tokens=10, cost_microusd=1)))
    runs = unfinished_first(iter([finished, STAGES]), follow_ups.known)
    shown = []
    for run in runs:
        follow_ups.admit(run)
        shown.append(follow_ups.shown)

    seen = [(one.runs_finished, one.statuses["ok"], one.spent_tokens, one.cost_microusd) for one in shown]
    assert seen == [(1, 2, 80, 8), (1, 2, 80, 8)]
    assert follow_ups.shown == together([follow_ups.tally])
