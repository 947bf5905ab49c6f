"""Parquet out of segments, sorted, without holding their rows.

Rows are sorted in portions of some megabytes and spilled to a file; then, group by group, the next rows of each portion
are put in order and written. Of all rows only what they are sorted by is kept, and of each portion what is read next.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from orchestrator.attempts import KEYS, Places, ranked
from orchestrator.portions import PORTION_BYTES, portions

ROWS_OF_GROUP = 4_096  # of Parquet: some 6 MB of outcomes, so that a reader of one run reads little else
ROWS_READ = 256  # of a portion at once


@dataclass(slots=True)
class Compacted:
    """Files in the scratch folder. `rows` and `replaced` count what is in them."""

    effective: Path
    history: Path
    rows: int = 0
    replaced: int = 0


def compacted(
    batches: Iterable[pa.RecordBatch],
    schema: pa.Schema,
    history: pa.Schema | None,
    scratch: Path,
    *,
    id_column: str = "task_id",
    portion_bytes: int = PORTION_BYTES,
) -> Compacted:
    """Write rows as Parquet into `scratch`: those that count, one per task, and those that later attempts replaced.

    Both schemas may be stamped; without one for the history all rows count. Raises OSError when there is no room.
    """
    made = Compacted(scratch / "effective.parquet", scratch / "history.parquet")
    path = str(scratch / "sorted.arrow")
    spill = _spilled(portions(batches, portion_bytes), schema.remove_metadata(), id_column, path)
    order, counts = ranked(spill.keys())
    if history is None:
        counts[:] = True
    portion_of = np.searchsorted(np.cumsum([portion.rows for portion in spill.portions]), order, side="right")
    with ExitStack() as stack:
        source = pa.ipc.open_file(stack.enter_context(pa.OSFile(path, "rb")))
        left = [_Left(source, portion) for portion in spill.portions]
        effective = stack.enter_context(pq.ParquetWriter(made.effective, schema, compression="zstd"))
        replaced = stack.enter_context(pq.ParquetWriter(made.history, history or schema, compression="zstd"))
        for begin in range(0, len(order), ROWS_OF_GROUP):
            part = slice(begin, begin + ROWS_OF_GROUP)
            wanted = np.bincount(portion_of[part], minlength=len(left))
            table = spill.sorted([left[n].take(int(wanted[n])) for n in np.flatnonzero(wanted)])
            made.rows += _write(effective, table, counts[part])
            made.replaced += _write(replaced, table, ~counts[part])
            del table
            pa.default_memory_pool().release_unused()
    return made


def _spilled(found: Iterable[Sequence[pa.RecordBatch]], schema: pa.Schema, id_column: str, path: str) -> _Spill:
    options = pa.ipc.IpcWriteOptions(compression="lz4")
    with pa.OSFile(path, "wb") as file, pa.ipc.new_file(file, schema, options=options) as writer:
        spill = _Spill(writer, schema, id_column)
        for portion in found:
            spill.add(portion)
    return spill


def _write(writer: pq.ParquetWriter, table: pa.Table, which: Places) -> int:
    rows = table if which.all() else table.filter(pa.array(which))
    if rows.num_rows:
        writer.write_table(rows, row_group_size=ROWS_OF_GROUP)
    return int(rows.num_rows)


@dataclass(frozen=True, slots=True)
class _Portion:
    """Where in the file its sorted rows are."""

    batches: range
    rows: int


@dataclass(slots=True)
class _Spill:
    """Portions, each sorted, one after the other in a file, and what all their rows are sorted by."""

    writer: pa.RecordBatchFileWriter
    schema: pa.Schema
    id_column: str
    portions: list[_Portion] = field(default_factory=list)
    _keys: list[pa.Table] = field(default_factory=list)

    def add(self, portion: Sequence[pa.RecordBatch]) -> None:
        table = self.sorted([pa.Table.from_batches(portion, self.schema)])
        batches = table.to_batches(max_chunksize=ROWS_READ)
        for batch in batches:
            self.writer.write_batch(batch)
        begin = self.portions[-1].batches.stop if self.portions else 0
        self.portions.append(_Portion(range(begin, begin + len(batches)), table.num_rows))
        self._keys.append(self._keys_of(table))

    def keys(self) -> pa.Table:
        """Of all rows, in the order of the portions."""
        if not self._keys:
            return self._keys_of(self.schema.empty_table())
        return pa.concat_tables(self._keys).combine_chunks()

    def sorted(self, tables: Sequence[pa.Table]) -> pa.Table:
        table = pa.concat_tables(tables)
        return table.take(ranked(self._keys_of(table))[0])

    def _keys_of(self, table: pa.Table) -> pa.Table:
        return table.select(["run_id", self.id_column, "attempt"]).rename_columns(list(KEYS))


class _Left:
    """One portion, read from its beginning to its end."""

    def __init__(self, source: pa.RecordBatchFileReader, portion: _Portion) -> None:
        self._source, self._batches = source, iter(portion.batches)
        self._read = source.schema.empty_table()

    def take(self, rows: int) -> pa.Table:
        """The next rows. There are as many: whoever asks has counted them."""
        parts, missing = [self._read], rows - self._read.num_rows
        while missing > 0:
            parts.append(pa.Table.from_batches([self._source.get_batch(next(self._batches))]))
            missing -= parts[-1].num_rows
        table = pa.concat_tables(parts)
        self._read = table.slice(rows)
        return table.slice(0, rows)
