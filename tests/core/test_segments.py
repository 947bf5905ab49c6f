"""What a run directory's files tell of themselves: whose they are, whether they are whole, and of which version."""

from __future__ import annotations

import pyarrow as pa
import pytest

from actors.tables import OUTCOME_SCHEMA, outcome_batch, outcomes_of
from orchestrator.attempts import latest
from orchestrator.segments import (
    DamagedError,
    ForeignError,
    Named,
    NewerError,
    Stamp,
    batches_of,
    name_of,
    segment,
    unfinished,
)
from support.tasks import a_result, a_task

PLACE = Stamp("run-1", "outcomes", 3)
ROW = outcome_batch([a_result(a_task("a"))])


def written(batch: pa.RecordBatch, stamp: Stamp = PLACE) -> tuple[str, pa.Buffer]:
    return segment(stamp, batch.schema, [batch])


def read(name: str, data: pa.Buffer) -> list[pa.RecordBatch]:
    return list(batches_of(name, data, OUTCOME_SCHEMA, PLACE))


def test_an_older_versions_file_is_read_and_what_it_lacks_says_that_nothing_happened() -> None:
    """Columns are only ever added: zero, empty, or null where null means unknown."""
    lacking = ("saved_tokens", "spans", "cost_microusd", "host")
    older = ROW.select([name for name in ROW.schema.names if name not in lacking])

    (batch,) = read(*written(older))

    assert batch.schema.equals(OUTCOME_SCHEMA)
    assert [batch.column(name)[0].as_py() for name in lacking] == [0, [], None, ""]
    assert outcomes_of(batch)[0].task_id == outcomes_of(ROW)[0].task_id


def test_a_newer_versions_file_is_told_from_a_damaged_one() -> None:
    """It must be refused, not set aside: what it holds was paid for."""
    newer = ROW.append_column("mood", pa.array(["fair"]))

    with pytest.raises(NewerError, match="mood"):
        read(*written(newer))
    with pytest.raises(DamagedError, match="task_id"):
        read(*written(ROW.drop_columns(["task_id"])))


@pytest.mark.parametrize(
    ("stamp", "error", "said"),
    [
        (Stamp("run-2", "outcomes", 3), ForeignError, "of another run, 'run-2'"),
        (Stamp("run-1", "outcomes", 4), DamagedError, "copy of number 4"),
        (Stamp("run-1", "history", 3), DamagedError, "copy of number 3 of history"),
    ],
)
def test_a_file_knows_where_it_belongs(stamp: Stamp, error: type[Exception], said: str) -> None:
    """Another run's, a copy under another number, and one from another folder are none of this place's."""
    name, data = written(ROW, stamp)

    with pytest.raises(error, match=said):
        read(f"00000003{name[8:]}", data)


def test_what_something_else_wrote_is_not_believed() -> None:
    """Rows that a tool wrote anew may hold anything: without checksum or owner nobody vouches for them."""
    _, data = written(ROW)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, OUTCOME_SCHEMA) as stream:
        stream.write_batch(ROW)
    rewritten = sink.getvalue()

    with pytest.raises(DamagedError, match="its name"):
        read("00000003.arrow", data)
    with pytest.raises(DamagedError, match="does not say whose it is"):
        read(name_of(3, "arrow", rewritten), rewritten)


def test_every_turned_bit_and_every_cut_is_seen() -> None:
    """The name holds the checksum of all bytes."""
    name, data = written(ROW)
    whole = data.to_pybytes()
    turned = [bytes([*whole[:n], whole[n] ^ 1, *whole[n + 1 :]]) for n in range(0, len(whole), 97)]

    for bad in [*turned, *(whole[:n] for n in range(0, len(whole), 101))]:
        with pytest.raises(DamagedError):
            read(name, pa.py_buffer(bad))


def test_the_latest_attempt_counts_and_of_equals_the_first() -> None:
    """Whatever order they were written in; both sorted by run, task and attempt."""
    rows = [a_result(a_task(name, attempt=attempt)) for name, attempt in [("b", 2), ("a", 1), ("b", 1), ("b", 2)]]

    effective, replaced = latest([outcome_batch(rows)], OUTCOME_SCHEMA)

    assert effective.column("task_id").to_pylist() == ["r/a", "r/b"]
    assert effective.column("attempt").to_pylist() == [1, 2]
    assert replaced.column("attempt").to_pylist() == [1, 2]


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        ([Named(7, "parquet")], False),
        ([Named(9, "parquet"), Named(10, "arrow")], False),
        ([Named(n, "arrow") for n in range(1, 8)], True),
        ([Named(4, "parquet"), Named(5, "arrow")], True),
        ([], False),  # the Parquet was lost: what it replaced is not
        ([Named(8, "arrow")], False),
    ],
)
def test_a_history_counts_unless_its_rows_are_still_in_segments(outcomes: list[Named], expected: bool) -> None:
    """A compaction writes it first, and may die then."""
    assert unfinished(Named(7, "parquet"), outcomes) is expected
