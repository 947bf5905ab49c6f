"""What a run directory's files hold: Arrow segments that tell whether they are whole, and Parquet once a run is over.

00000007-1a2b3c4d.arrow     the seventh segment: an Arrow stream; the second part of its name is its CRC-32
00000007-5e6f7a8b.parquet   all segments up to the seventh, sorted by run and task

In both, the schema's metadata says whose they are: the run, the folder and the number. So a file that was put into
another run's directory, or lies there twice, is known for what it is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple
from zlib import crc32

import pyarrow as pa
import pyarrow.parquet as pq

_NAME = re.compile(r"([0-9]{8,})-([0-9a-f]{8})\.(arrow|parquet)\Z")
_STAMP = b"muster"
END_OF_STREAM = b"\xff\xff\xff\xff\x00\x00\x00\x00"
ROWS_OF_BATCH = 4_096
# What makes a row one of ours. All other columns may be missing in files of older versions.
ESSENTIAL = frozenset({"task_id", "id", "run_id", "agent", "attempt", "status", "transcript"})
# Columns whose null means something: unknown, or none. In others a missing value is zero, "" or empty.
NULL_MEANS_NONE = frozenset({"answer", "found", "cost_microusd"})


class DamagedError(Exception):
    """A file that is not what was written: torn, changed, or of somebody else."""


class ForeignError(DamagedError):
    """A whole file of another run."""


class NewerError(Exception):
    """A whole file of ours that this version cannot read."""


class Named(NamedTuple):
    """What a file's name says."""

    number: int
    kind: str
    crc: str = ""


class Stamp(NamedTuple):
    """Whose a file is. `run` is empty where the run has no id."""

    run: str
    folder: str
    number: int


def named(name: str) -> Named | None:
    """A file's place among the others; None for a name that is none of ours."""
    found = _NAME.match(name)
    return Named(int(found[1]), found[3], found[2]) if found else None


def unfinished(history: Named, outcomes: Iterable[Named]) -> bool:
    """Whether a compaction left this history before its end: what it holds is still in the segments."""
    found = list(outcomes)
    ended = any(of.kind == "parquet" and of.number >= history.number for of in found)
    return not ended and any(of.kind == "arrow" and of.number <= history.number for of in found)


def name_of(number: int, kind: str, data: pa.Buffer) -> str:
    return f"{number:08d}-{crc32(data):08x}.{kind}"


def stamped(schema: pa.Schema, stamp: Stamp) -> pa.Schema:
    return schema.with_metadata({_STAMP: json.dumps(stamp).encode()})


def segment(
    stamp: Stamp, schema: pa.Schema, batches: Iterable[pa.RecordBatch], *, compression: str | None = None
) -> tuple[str, pa.Buffer]:
    """A segment's name and bytes."""
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression=compression)
    with pa.ipc.new_stream(sink, stamped(schema, stamp), options=options) as stream:
        for batch in batches:
            stream.write_batch(batch)
    data = sink.getvalue()
    return name_of(stamp.number, "arrow", data), data


def batches_of(name: str, data: pa.Buffer, schema: pa.Schema, place: Stamp) -> Iterator[pa.RecordBatch]:
    """The rows of a file, with the columns of `schema`. Raises DamagedError and NewerError."""
    of = _whole(name, data)
    try:
        if of.kind == "arrow":
            with pa.ipc.open_stream(pa.BufferReader(data)) as stream:
                _known(stream.schema, schema, place)
                yield from _filled(stream, stream.schema, schema)
        else:
            with pq.ParquetFile(pa.BufferReader(data)) as file:
                _known(file.schema_arrow, schema, place)
                yield from _filled(file.iter_batches(ROWS_OF_BATCH), file.schema_arrow, schema)
    except (pa.ArrowException, OSError, EOFError) as error:
        raise DamagedError(" ".join(str(error).split())[:200]) from None


def examine(name: str, data: pa.Buffer, schema: pa.Schema, place: Stamp) -> None:
    """Whether a file is what was written at its place. Raises DamagedError, ForeignError and NewerError.

    Its rows are not read: the CRC in its name says that they are what was written.
    """
    of = _whole(name, data)
    try:
        if of.kind == "arrow":
            with pa.ipc.open_stream(pa.BufferReader(data)) as stream:
                found = stream.schema
        else:
            with pq.ParquetFile(pa.BufferReader(data)) as file:
                found = file.schema_arrow
        _known(found, schema, place)
    except (pa.ArrowException, OSError, EOFError) as error:
        raise DamagedError(" ".join(str(error).split())[:200]) from None


def _whole(name: str, data: pa.Buffer) -> Named:
    """What the name says, when the bytes are those that it was made of."""
    of = named(name)
    if of is None:
        raise DamagedError("its name is none that is written here")
    if f"{crc32(data):08x}" != of.crc:
        raise DamagedError(f"its {data.size:,} bytes are not those that its name was made of")
    ends = data.size >= len(END_OF_STREAM) and data.slice(data.size - len(END_OF_STREAM)).to_pybytes() == END_OF_STREAM
    if of.kind == "arrow" and not ends:
        raise DamagedError(f"its {data.size:,} bytes end before the stream does")
    return of


def _stamp(schema: pa.Schema) -> Stamp | None:
    try:
        return Stamp(*json.loads((schema.metadata or {})[_STAMP]))
    except (KeyError, ValueError, TypeError):
        return None


def _known(found: pa.Schema, schema: pa.Schema, place: Stamp) -> None:
    """Refuse what was written elsewhere, and columns that are none of ours: a newer version's by that name."""
    _refuse_strangers(_stamp(found), place)
    if found.equals(schema):
        return
    more, fewer = sorted({*found.names} - {*schema.names}), {*schema.names} - {*found.names}
    odd = more + sorted(fewer & ESSENTIAL)
    if more and not fewer:
        raise NewerError(f"it has columns that this version does not know: {', '.join(more[:5])}")
    if odd or len(found.names) != len({*found.names}):
        raise DamagedError(f"its columns are others: {', '.join(odd[:5]) or 'some are there twice'}")
    for field in found:
        ours = schema.field(field.name)
        if not field.type.equals(ours.type):
            raise NewerError(f"its column {field.name!r} is {field.type}, and not {ours.type}")


def _refuse_strangers(stamp: Stamp | None, place: Stamp) -> None:
    if stamp is None:
        raise DamagedError("it does not say whose it is: something else wrote it")
    if place.run and stamp.run != place.run:
        raise ForeignError(f"it is of another run, {stamp.run!r}")
    if stamp[1:] != place[1:]:
        raise DamagedError(f"it is a copy of number {stamp.number} of {stamp.folder}")


def _filled(batches: Iterable[pa.RecordBatch], found: pa.Schema, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """A file's rows under our columns; those that an older version did not write say nothing happened."""
    if found.equals(schema):
        yield from (batch.replace_schema_metadata(schema.metadata) for batch in batches)
        return
    have = {*found.names}
    for batch in batches:
        columns = [batch.column(f.name) if f.name in have else _nothing(f, batch.num_rows) for f in schema]
        yield pa.RecordBatch.from_arrays(columns, schema=schema)


def _nothing(field: pa.Field, rows: int) -> pa.Array:
    if field.name in NULL_MEANS_NONE:
        return pa.nulls(rows, field.type)
    if pa.types.is_list(field.type):
        return pa.array([[]] * rows, field.type)
    if pa.types.is_boolean(field.type):
        return pa.array([True] * rows, field.type)  # `required`: before it could be said, all were
    return pa.array(["" if pa.types.is_string(field.type) else 0] * rows, field.type)
