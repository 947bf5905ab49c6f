"""Ids of traces and spans, made of names: whoever knows the names knows the ids, in whatever process.

So a run is one trace without anything being carried from process to process, and a resumed run continues its own.
"""

from __future__ import annotations

from hashlib import blake2b

TRACE_BYTES, SPAN_BYTES = 16, 8


def trace_number(batch_id: str, run_id: str) -> int:
    """The trace of a run."""
    return _number(TRACE_BYTES, batch_id, run_id)


def span_number(*names: str) -> int:
    """A span: of a run (its id), of an attempt at a task (id, attempt), of a call (id, attempt, place among calls)."""
    return _number(SPAN_BYTES, *names)


def traceparent(batch_id: str, run_id: str, task_id: str, attempt: int, place: int) -> str:
    """The W3C trace context of a session's call, as a header."""
    return f"00-{trace_number(batch_id, run_id):032x}-{span_number(task_id, str(attempt), str(place)):016x}-01"


def _number(size: int, *names: str) -> int:
    """A number of `size` bytes that the names decide, never 0."""
    return int.from_bytes(blake2b("\0".join(names).encode(), digest_size=size).digest(), "big") or 1
