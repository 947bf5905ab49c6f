"""Arrow arrays out of Python lists, for the few kinds of columns that our tables have.

`pyarrow.array` does the same, and first imports pandas wherever that is installed: a third of a second and 40 MB for
each process (pyarrow 26). So they are laid out here, which takes no longer.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import pyarrow as pa

_CODES = {pa.int32(): "i", pa.int64(): "q", pa.float64(): "d"}


def column(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    """Values as an array of `kind`: string, int32, int64, float64, bool, or a list of one of them. None is null.

    Raises: TypeError for a value that is not of this kind or does not fit it. Half a character becomes a question mark.
    """
    if pa.types.is_list(kind):
        return pa.ListArray.from_arrays(offsets(values), column([one for of in values for one in of], kind.value_type))
    try:
        return pa.Array.from_buffers(kind, len(values), [None, *_laid_out(values, kind)])
    except (TypeError, struct.error) as error:
        if None not in values:
            raise TypeError(f"not all of {len(values)} values can be {kind}: {error}") from None
    filler = "" if pa.types.is_string(kind) else 0
    present = _bits([value is not None for value in values])
    filled = _laid_out([filler if value is None else value for value in values], kind)
    return pa.Array.from_buffers(kind, len(values), [present, *filled])


def offsets(lists: Sequence[Sequence[Any]]) -> pa.Array:
    """Where each list begins and ends once all are one: int32, one more than there are lists."""
    return column(list(accumulate(map(len, lists), initial=0)), pa.int32())


def _laid_out(values: Sequence[Any], kind: pa.DataType) -> Sequence[pa.Buffer]:
    """The buffers after the one that tells what is null. Raises TypeError or struct.error for a None."""
    if pa.types.is_string(kind):
        text = "".join(values)
        if text.isascii():
            sizes, data = map(len, values), text.encode()
        else:
            encoded = [value.encode(errors="replace") for value in values]
            sizes, data = map(len, encoded), b"".join(encoded)
        ends = list(accumulate(sizes, initial=0))
        return [pa.py_buffer(struct.pack(f"{len(ends)}i", *ends)), pa.py_buffer(data)]
    if pa.types.is_boolean(kind):
        if None in values:
            raise TypeError("None is no bit")
        return [_bits(values)]
    return [pa.py_buffer(struct.pack(f"{len(values)}{_CODES[kind]}", *values))]


def _bits(values: Sequence[Any]) -> pa.Buffer:
    """One bit each, the first one lowest."""
    digits = "".join(["1" if value else "0" for value in reversed(values)])
    return pa.py_buffer(int(digits or "0", 2).to_bytes((len(values) + 7) // 8, "little"))
