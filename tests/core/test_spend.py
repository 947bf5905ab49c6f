"""Where the tokens went, read off outcome batches."""

from __future__ import annotations

import weakref
from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from actors.contracts import Outcome, Work
from actors.tables import OUTCOME_SCHEMA, outcome_batch
from budget import Amount
from orchestrator.segments import Stamp, batches_of, segment
from orchestrator.spend import Spend, spend_of
from support.tasks import a_failure, a_result, a_task


def paid(outcome: Outcome, tokens: int, microusd: int | None, model: str = "m") -> Outcome:
    return outcome._replace(work=Work(model=model, spent_tokens=tokens, cost_microusd=microusd))


def test_the_bill_is_told_by_specialist_model_run_and_failure() -> None:
    """Each way of adding up comes to the same total; what failed is in it."""
    one = paid(a_result(a_task("a", run="r1", agent="reader")), 100, 7)
    two = paid(a_failure(a_task("b", run="r1", agent="writer")), 50, 3, model="n")
    three = paid(a_result(a_task("a", run="r2", agent="reader")), 10, 1)

    spend = spend_of([outcome_batch([one, two]), outcome_batch([three])])

    assert spend.by_agent == {"reader": Amount(110, 8), "writer": Amount(50, 3)}
    assert spend.by_model == {"m": Amount(110, 8), "n": Amount(50, 3)}
    assert spend.by_run == {"r1": Amount(150, 10), "r2": Amount(10, 1)}
    assert spend.failures == Amount(50, 3)


def test_an_unknown_price_makes_the_cost_unknown_and_not_nothing() -> None:
    """None stays None wherever it is part of a sum."""
    known = paid(a_result(a_task("a")), 100, 7)
    unknown = paid(a_result(a_task("b")), 10, None, model="own")

    spend = spend_of([outcome_batch([known, unknown])])

    assert spend.by_agent == {"reader": Amount(110, None)}
    assert spend.by_model == {"m": Amount(100, 7), "own": Amount(10, None)}


def test_a_task_that_called_no_model_is_under_none() -> None:
    """A skipped task has no model, and no cost."""
    spend = spend_of([outcome_batch([a_failure(a_task("a"))])])

    assert spend.by_model == {"none": Amount(0, 0)}


def test_what_was_added_up_is_let_go() -> None:
    """Of the segments no more than a portion is in memory; names that come in several are added up."""
    read: list[weakref.ref[np.ndarray[tuple[int], np.dtype[np.uint8]]]] = []

    def batches() -> Iterator[pa.RecordBatch]:
        for n in range(5):
            assert sum(data() is not None for data in read) <= 1
            rows = outcome_batch([paid(a_result(a_task(str(n), run="r", agent="reader")), 10, None if n == 3 else 2)])
            place = Stamp("run", "outcomes", n)
            name, written = segment(place, OUTCOME_SCHEMA, [rows])
            data = np.frombuffer(written, np.uint8).copy()
            read.append(weakref.ref(data))
            yield from batches_of(name, pa.py_buffer(data), OUTCOME_SCHEMA, place)

    spend = spend_of(batches(), portion_bytes=1)

    assert spend.by_agent == {"reader": Amount(50, None)}
    assert spend.by_model == {"m": Amount(50, None)}
    assert spend.by_run == {"r": Amount(50, None)}


def test_no_outcomes_no_spend() -> None:
    """An empty batch cost nothing."""
    assert spend_of([]) == Spend()
