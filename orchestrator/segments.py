"""What a run directory's files hold: Arrow segments that tell whether they are whole, and Parquet once a run is over.

00000007-1a2b3c4d.arrow   the seventh segment: an Arrow stream; the second part of its name is its CRC-32
00000007.parquet          all segments up to the seventh, sorted by run and task
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple
from zlib import crc32

import pyarrow as pa
import pyarrow.parquet as pq

_SEGMENT = re.compile(r"(\d{8,12})(?:-([0-9a-f]{8}))?\.arrow\Z")
_COMPACT = re.compile(r"(\d{8,12})\.parquet\Z")
END_OF_STREAM = b"\xff\xff\xff\xff\x00\x00\x00\x00"
ROWS_OF_GROUP = 16_384  # of Parquet: some 10 MB of outcomes, so that a reader of one run reads little else
ROWS_OF_BATCH = 4_096


class DamagedError(Exception):
    """A file that is not what was written: torn, changed, or of somebody else."""


class Named(NamedTuple):
    """What a file's name says. `crc` is empty where the name has none."""

    number: int
    kind: str
    crc: str = ""


def named(name: str) -> Named | None:
    """A file's place among the others; None for a name that is none of ours."""
    segment, compact = _SEGMENT.match(name), _COMPACT.match(name)
    if segment:
        return Named(int(segment[1]), "arrow", segment[2] or "")
    return Named(int(compact[1]), "parquet") if compact else None


def segment(
    number: int, schema: pa.Schema, batches: Iterable[pa.RecordBatch], *, compression: str | None = None
) -> tuple[str, pa.Buffer]:
    """A segment's name and bytes."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema, options=pa.ipc.IpcWriteOptions(compression=compression)) as stream:
        for batch in batches:
            stream.write_batch(batch)
    data = sink.getvalue()
    return f"{number:08d}-{crc32(data):08x}.arrow", data


def parquet(number: int, table: pa.Table) -> tuple[str, pa.Buffer]:
    """A compacted table's name and bytes."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd", row_group_size=ROWS_OF_GROUP)
    return f"{number:08d}.parquet", sink.getvalue()


def batches_of(name: str, data: pa.Buffer, schema: pa.Schema) -> list[pa.RecordBatch]:
    """The rows of a file. Raises DamagedError when it is torn, changed, or has other columns."""
    of = named(name)
    if of is None:
        raise DamagedError("its name is none that is written here")
    try:
        return _arrow(data, schema, of.crc) if of.kind == "arrow" else _parquet(data, schema)
    except (pa.ArrowInvalid, pa.ArrowSerializationError, OSError, EOFError) as error:
        raise DamagedError(" ".join(str(error).split())[:200]) from None


def _arrow(data: pa.Buffer, schema: pa.Schema, crc: str) -> list[pa.RecordBatch]:
    if crc and f"{crc32(data):08x}" != crc:
        raise DamagedError(f"its {data.size:,} bytes are not those that its name was made of")
    if data.size < len(END_OF_STREAM) or data.slice(data.size - len(END_OF_STREAM)).to_pybytes() != END_OF_STREAM:
        raise DamagedError(f"its {data.size:,} bytes end before the stream does")
    with pa.ipc.open_stream(pa.BufferReader(data)) as stream:
        _refuse_others(stream.schema, schema)
        return list(stream)


def _parquet(data: pa.Buffer, schema: pa.Schema) -> list[pa.RecordBatch]:
    with pq.ParquetFile(pa.BufferReader(data)) as file:
        _refuse_others(file.schema_arrow, schema)
        return [batch.cast(schema) for batch in file.iter_batches(ROWS_OF_BATCH)]


def _refuse_others(found: pa.Schema, schema: pa.Schema) -> None:
    if found.names != schema.names:
        odd = sorted({*found.names} ^ {*schema.names})
        raise DamagedError(f"its columns are others: {', '.join(odd[:5]) or 'in another order'}")
    for one, other in zip(found, schema, strict=True):
        if not one.type.equals(other.type):
            raise DamagedError(f"its column {one.name!r} is {one.type}, and not {other.type}")


def latest(batches: Sequence[pa.RecordBatch], schema: pa.Schema) -> tuple[pa.Table, pa.Table]:
    """One row per task, its latest attempt's, and the rows that these replace; both sorted by run and task."""
    best: dict[str, tuple[int, int]] = {}  # task -> attempt, place
    place = 0
    for batch in batches:
        ids, attempts = batch.column("task_id").to_pylist(), batch.column("attempt").to_pylist()
        for task_id, attempt in zip(ids, attempts, strict=True):
            before = best.get(task_id)
            if before is None or before[0] < attempt:
                best[task_id] = (attempt, place)
            place += 1
    table = pa.Table.from_batches(batches, schema)
    chosen = sorted(place for _, place in best.values())
    kept = set(chosen)
    others = [row for row in range(place) if row not in kept] if len(kept) < place else []
    order = [("run_id", "ascending"), ("task_id", "ascending"), ("attempt", "ascending")]
    return tuple(table.take(pa.array(rows, pa.int64())).sort_by(order) for rows in (chosen, others))
