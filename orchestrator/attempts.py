"""Which outcome of a task counts: that of its latest attempt. Others are its history."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

KEYS = ("run_id", "task_id", "attempt")
Places: TypeAlias = np.ndarray[Any, np.dtype[Any]]


def ranked(keys: pa.Table) -> tuple[Places, Places]:
    """The places of rows sorted by run, task and attempt, and for each of these whether its row counts.

    `keys`: the columns `KEYS`, one row each. Of rows that claim to be the same attempt the first counts.
    """
    order = pc.sort_indices(keys, sort_keys=[(name, "ascending") for name in KEYS])
    ordered = keys.take(order)
    if not len(order):
        return np.zeros(0, np.int64), np.zeros(0, np.bool_)
    task_begins = _changes(ordered.column("run_id")) | _changes(ordered.column("task_id"))
    attempt_begins = np.flatnonzero(task_begins | _changes(ordered.column("attempt")))
    ends_task = np.append(task_begins[attempt_begins[1:]], True)  # the attempt after it is another task's
    counts = np.zeros(len(order), np.bool_)
    counts[attempt_begins[ends_task]] = True
    return order.to_numpy(), counts


def latest(batches: Sequence[pa.RecordBatch], schema: pa.Schema) -> tuple[pa.Table, pa.Table]:
    """One row per task, its latest attempt's, and the rows that these replace; both sorted by run and task."""
    table = pa.Table.from_batches(batches, schema)
    order, counts = ranked(table.select(list(KEYS)))
    return table.take(pa.array(order[counts], pa.int64())), table.take(pa.array(order[~counts], pa.int64()))


def _changes(column: pa.ChunkedArray) -> Places:
    """Where a value is another than the one before it; the first always is."""
    values = column.combine_chunks()
    differs = pc.fill_null(pc.not_equal(values[1:], values[:-1]), True).to_numpy(zero_copy_only=False)
    return np.concatenate([np.ones(1, np.bool_), differs])
