"""The command's standard streams: one that is closed or broken neither ends a batch nor changes what comes of it."""

from __future__ import annotations

import io
import os
import sys
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


def make_good() -> None:
    """Open what is closed, as /dev/null, and lose what people are told where nobody can be told.

    To be called before any file is opened: the first one would stand for a descriptor that is closed.
    """
    for descriptor in range(3):
        _ensure_open(descriptor)
    sys.stdin, sys.stdout = sys.stdin or _nothing("r"), sys.stdout or _nothing("w")
    sys.stderr = _text(QuietFile(sys.stderr or _nothing("w")))


class _File(io.FileIO):
    """The file of a stream, in its place."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream.fileno(), "w", closefd=False)
        self.stream = stream  # kept: its end would close the descriptor


class QuietFile(_File):
    """What cannot be written is dropped: the reader has gone, the terminal is closed, or the disk is full."""

    def write(self, data: ReadableBuffer) -> int:
        size = memoryview(data).nbytes
        try:
            return super().write(data) or size  # none: the reader is slow, and is not waited for
        except OSError:
            return size


def _text(file: _File) -> TextIO:
    stream = file.stream
    return io.TextIOWrapper(io.BufferedWriter(file), stream.encoding, stream.errors, line_buffering=True)


def _ensure_open(descriptor: int) -> None:
    try:
        os.fstat(descriptor)
    except OSError:
        os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # it takes the lowest that is free: this one


def _nothing(mode: str) -> TextIO:
    return open(os.devnull, mode, errors="replace")  # type: ignore[return-value]
