"""Columns are laid out as pyarrow itself would, and without what pyarrow would import for it."""

import subprocess
import sys

import pyarrow as pa
import pytest

from actors.columns import column

COLUMNS = [
    (pa.string(), ["a", "", "naïve – 漢字", "x" * 1_000]),
    (pa.string(), ["a", None, "ü", None]),
    (pa.string(), [None, None]),
    (pa.string(), []),
    (pa.int32(), [0, -1, 2**31 - 1, -(2**31)]),
    (pa.int64(), [0, -1, 2**63 - 1, -(2**63)]),
    (pa.int64(), [1, None, 3]),
    (pa.int64(), []),
    (pa.float64(), [0.0, -1.5, float("inf"), 1e-300]),
    (pa.float64(), [None, 2.0]),
    (pa.float64(), [1, 2]),
    (pa.bool_(), [True, False, None, True, True, False, False, True, True]),
    (pa.bool_(), []),
    (pa.list_(pa.string()), [["a", "b"], [], ("c",)]),
    (pa.list_(pa.string()), []),
]


@pytest.mark.parametrize(("kind", "values"), COLUMNS)
def test_a_column_is_the_one_that_pyarrow_makes(kind: pa.DataType, values: list[object]) -> None:
    """Every kind, with and without nulls and rows: valid in full, and equal."""
    made = column(values, kind)
    made.validate(full=True)
    assert made.equals(pa.array(values, kind))


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (pa.string(), ["a", 1]),
        (pa.string(), [None, 1]),
        (pa.int32(), [2**31]),
        (pa.int64(), ["1"]),
        (pa.float64(), ["x"]),
    ],
)
def test_a_value_of_another_kind_is_refused(kind: pa.DataType, values: list[object]) -> None:
    """Nothing is turned into something else on the way."""
    with pytest.raises((TypeError, ValueError)):
        column(values, kind)


def test_half_a_character_costs_a_question_mark_and_no_batch() -> None:
    """Models and tools say such things; no file takes them."""
    assert column(["a \ud800 b", None, "ü"], pa.string()).to_pylist() == ["a ? b", None, "ü"]


def test_what_a_batch_writes_and_reads_imports_no_pandas() -> None:
    """Tasks and outcomes travel through a process without the import that pyarrow's own conversion makes."""
    program = """
import sys
from actors import Task
from actors.contracts import Result, Span, Work
from actors.tables import OutcomeRows, outcome_batch, task_batch, tasks_of
task = Task(id="r/1", run_id="r", agent="a", objective="?", output_schema="S", tokens_max=1, deadline_s=1.0,
            turns_max=1, idempotency_key="k")
assert tasks_of(task_batch([task])) == [task]
work = Work(spans=(Span("chat m", 1.0, 2.0, "", ""),))
done = Result(task_id="r/1", run_id="r", agent="a", attempt=1, answer="{}", work=work)
assert OutcomeRows(outcome_batch([done])).outcomes() == [done]
assert "pandas" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True)
