"""Parquet out of segments, sorted, in memory that does not grow with their number.

Rows are sorted in portions of some megabytes and spilled to a folder; then, group by group, the next rows of each spill
are put in order and written. Only what rows are sorted by is kept of all of them.
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
from orchestrator.portions import portions

ROWS_OF_GROUP = 4_096  # of Parquet: some 6 MB of outcomes, so that a reader of one run reads little else
ROWS_READ = 256  # of a spill at once


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
) -> Compacted:
    """Write rows as Parquet into `scratch`: those that count, one per task, and those that later attempts replaced.

    Both schemas may be stamped; without one for the history all rows count. Raises OSError when there is no room.
    """
    made = Compacted(scratch / "effective.parquet", scratch / "history.parquet")
    spills = _Spills(scratch, schema.remove_metadata(), id_column)
    for portion in portions(batches):
        spills.add(portion)
    order, counts = ranked(spills.keys())
    if history is None:
        counts[:] = True
    spill_of = np.searchsorted(np.cumsum(spills.rows), order, side="right")
    with ExitStack() as stack:
        readers = [stack.enter_context(_Spill(path)) for path in spills.paths]
        effective = stack.enter_context(pq.ParquetWriter(made.effective, schema, compression="zstd"))
        replaced = stack.enter_context(pq.ParquetWriter(made.history, history or schema, compression="zstd"))
        for begin in range(0, len(order), ROWS_OF_GROUP):
            part = slice(begin, begin + ROWS_OF_GROUP)
            wanted = np.bincount(spill_of[part], minlength=len(readers))
            table = spills.sorted([reader.next(int(rows)) for reader, rows in zip(readers, wanted, strict=True)])
            made.rows += _write(effective, table, counts[part])
            made.replaced += _write(replaced, table, ~counts[part])
            del table
            pa.default_memory_pool().release_unused()
    return made


def _write(writer: pq.ParquetWriter, table: pa.Table, which: Places) -> int:
    rows = table if which.all() else table.filter(pa.array(which))
    if rows.num_rows:
        writer.write_table(rows, row_group_size=ROWS_OF_GROUP)
    return int(rows.num_rows)


@dataclass(slots=True)
class _Spills:
    """Sorted portions on the disk, and what all their rows are sorted by."""

    folder: Path
    schema: pa.Schema
    id_column: str
    paths: list[Path] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    _keys: list[pa.Table] = field(default_factory=list)

    def keys(self) -> pa.Table:
        """Of all rows, in the order of the spills."""
        if not self.paths:
            self.add([])
        return pa.concat_tables(self._keys).combine_chunks()

    def sorted(self, tables: Sequence[pa.Table]) -> pa.Table:
        table = pa.concat_tables(tables)
        return table.take(ranked(self._keys_of(table))[0])

    def add(self, portion: Sequence[pa.RecordBatch]) -> None:
        table = self.sorted([pa.Table.from_batches(portion, self.schema)])
        path = self.folder / f"{len(self.paths)}.spill"
        with (
            pa.OSFile(str(path), "wb") as file,
            pa.ipc.new_stream(file, self.schema, options=pa.ipc.IpcWriteOptions(compression="lz4")) as stream,
        ):
            stream.write_table(table, max_chunksize=ROWS_READ)
        self.paths.append(path)
        self.rows.append(table.num_rows)
        self._keys.append(self._keys_of(table))

    def _keys_of(self, table: pa.Table) -> pa.Table:
        return table.select(["run_id", self.id_column, "attempt"]).rename_columns(list(KEYS))


class _Spill:
    """One portion, read from its beginning to its end."""

    def __init__(self, path: Path) -> None:
        self._file = pa.OSFile(str(path), "rb")
        self._stream = pa.ipc.open_stream(self._file)
        self._left = pa.Table.from_batches([], self._stream.schema)

    def __enter__(self) -> _Spill:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()
        self._file.close()

    def next(self, rows: int) -> pa.Table:
        """The next rows. There are as many: whoever asks has counted them."""
        parts = [self._left]
        while (missing := rows - sum(part.num_rows for part in parts)) > 0:
            assert missing > 0
            parts.append(pa.Table.from_batches([self._stream.read_next_batch()]))
        table = pa.concat_tables(parts)
        self._left = table.slice(rows)
        return table.slice(0, rows)
