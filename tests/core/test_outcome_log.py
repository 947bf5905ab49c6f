"""One line a sub-agent in the log: what failed is a warning, what was stopped is not."""

from __future__ import annotations

import logging

import pytest

from actors.contracts import Reason
from actors.tables import OutcomeRows, outcome_batch
from orchestrator.runs import Runs
from orchestrator.telemetry import Telemetry
from support.tasks import a_failure, a_result, a_task


def test_a_batch_that_is_stopped_does_not_warn_of_each_task(caplog: pytest.LogCaptureFixture) -> None:
    """A deadline may cancel thousands at once, and the answer says how many; a sub-agent that failed is named."""
    caplog.set_level(logging.INFO, "muster.subagent")
    outcomes = [
        a_result(a_task("a")),
        a_failure(a_task("b"), Reason.CANCELLED),
        a_failure(a_task("c"), Reason.TIMEOUT),
    ]

    Telemetry("batch").outcomes(OutcomeRows(outcome_batch(outcomes)), Runs())

    assert [(record.levelname, " ".join(record.getMessage().split()[:2])) for record in caplog.records] == [
        ("INFO", "sub-agent answered"),
        ("INFO", "sub-agent cancelled"),
        ("WARNING", "sub-agent failed"),
    ]
