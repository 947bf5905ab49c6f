"""Parquet out of segments: the same as sorting them at once, with few files open."""

from __future__ import annotations

import os
import random
import resource
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from actors.tables import OUTCOME_SCHEMA, outcome_batch
from orchestrator.attempts import latest
from orchestrator.compaction import compacted
from support.tasks import a_result, a_task


@pytest.fixture
def few_files() -> Iterator[None]:
    """No more than a dozen files beside those that are open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(map(int, os.listdir("/proc/self/fd")))
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 12, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("few_files")
def test_portions_come_together_as_if_sorted_at_once(tmp_path: Path) -> None:
    """However many they are: a long batch has thousands."""
    dice = random.Random(7)
    tasks = [a_task(f"t{n:03}", run=f"r{n % 7}", attempt=attempt) for n in range(150) for attempt in (1, 2)]
    dice.shuffle(tasks)
    batches = [outcome_batch([a_result(task) for task in tasks[n : n + 2]]) for n in range(0, len(tasks), 2)]
    effective, history = latest(batches, OUTCOME_SCHEMA)

    made = compacted(batches, OUTCOME_SCHEMA, OUTCOME_SCHEMA, tmp_path, portion_bytes=1)

    assert (made.rows, made.replaced) == (150, 150)
    assert pq.read_table(made.effective).equals(effective)
    assert pq.read_table(made.history).equals(history)


def test_nothing_comes_to_a_table_without_rows(tmp_path: Path) -> None:
    """A run that was stopped before anything ended."""
    made = compacted([], OUTCOME_SCHEMA, None, tmp_path)

    assert (made.rows, made.replaced) == (0, 0)
    assert pq.read_table(made.effective) == pa.Table.from_batches([], OUTCOME_SCHEMA)
