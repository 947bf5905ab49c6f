"""Record batches some megabytes at a time.

Drains are often of a row or two, and each column of each of them takes its time; all batches of a run at once may be
more than the memory holds, since a single column keeps all of its segment there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pyarrow as pa

PORTION_BYTES = 4 << 20


def portions(batches: Iterable[pa.RecordBatch], portion_bytes: int = PORTION_BYTES) -> Iterator[list[pa.RecordBatch]]:
    """The batches in their order, as many at a time as come to so many bytes; none where there are none."""
    portion: list[pa.RecordBatch] = []
    size = 0
    for batch in batches:
        portion.append(batch)
        size += batch.nbytes
        if size >= portion_bytes:
            yield portion
            portion, size = [], 0
    if portion:
        yield portion
