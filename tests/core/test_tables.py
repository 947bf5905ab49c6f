"""Tasks and outcomes as columns."""

from __future__ import annotations

from actors.contracts import Failure, Reason, Result, Span, Task, Usage, Work
from actors.tables import OUTCOME_SCHEMA, TASK_SCHEMA, outcome_batch, outcomes_of, task_batch, tasks_of


def test_outcomes_come_back_from_their_columns_as_they_went_in():
    """What a host drained is what the driver reads, field by field, results and failures alike."""
    spans = (
        Span("chat m", 1.0, 2.5, "", '{"a":7}'),
        Span("execute_tool t", 2.5, 3.0, "broken"),
    )
    work = Work(
        model="m",
        usage=Usage(10, 5, 3, 2),
        spent_tokens=20,
        cost_microusd=None,
        model_calls=2,
        tool_calls=1,
        host="h",
        queued_ms=0.5,
        started_at_s=1.0,
        elapsed_ms=2000.0,
        spans=spans,
    )
    result = Result(
        task_id="a/x",
        run_id="a",
        agent="x",
        attempt=1,
        answer='{"answer":[1,"é<"]}',
        unresolved=("commit:0",),
        work=work,
    )
    failure = Failure(
        task_id="a/y", run_id="a", agent="y", attempt=2, reason=Reason.TIMEOUT, message="late", found=[{"from": "t"}]
    )

    batch = outcome_batch([result, failure])

    assert batch.schema == OUTCOME_SCHEMA
    assert outcomes_of(batch) == [result, failure]


def test_no_outcomes_give_no_rows_and_the_same_columns():
    """An empty drain is a batch like any other."""
    batch = outcome_batch([])

    assert (batch.num_rows, batch.schema) == (0, OUTCOME_SCHEMA)
    assert outcomes_of(batch) == []


def test_tasks_come_back_from_their_columns_as_they_went_in():
    """A host runs what the driver planned."""
    task = Task(
        id="a/x",
        run_id="a",
        agent="x",
        objective="why?",
        output_schema="s",
        tokens_max=10,
        deadline_s=1.5,
        turns_max=3,
        idempotency_key="k",
        inputs={"window": {"as_of_s": 1.0}},
        required=False,
        attempt=2,
        priority=9,
    )

    batch = task_batch([task])

    assert batch.schema == TASK_SCHEMA
    assert tasks_of(batch) == [task]


def test_every_column_states_its_unit():
    """Whoever queries the tables need not read the code."""
    fields = [*OUTCOME_SCHEMA, *TASK_SCHEMA]

    assert all(field.metadata and field.metadata[b"unit"] for field in fields)
