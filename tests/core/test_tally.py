"""Where a batch stands, in numbers."""

from __future__ import annotations

from orchestrator.tally import Tally


def test_a_tally_goes_on_from_another_and_leaves_it_as_it_is() -> None:
    """Several drivers' sums are what their last run begins with."""
    before, tally = Tally(runs_finished=3, tasks_planned=5), Tally(runs_finished=9)
    before.add(["ok", "timeout"], [10, 20], [1, 2])

    tally.go_on_from(before)
    tally.add(["ok"], [5], [None])

    assert (tally.runs_finished, tally.tasks_planned, tally.spent_tokens, tally.cost_microusd) == (3, 5, 35, None)
    assert tally.statuses == {"ok": 2, "timeout": 1}
    assert before.statuses == {"ok": 1, "timeout": 1}
    assert before.cost_microusd == 3
