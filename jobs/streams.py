"""The command's standard streams: one that is closed or broken neither ends a batch nor changes what comes of it."""

from __future__ import annotations

import codecs
import io
import os
import sys
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

ESCAPED = "muster.escaped"  # how a character is written that the output's encoding does not have


def make_good() -> None:
    """Open what is closed, as /dev/null, and let nothing that is written to the streams raise an error.

    To be called before any file is opened: the first one would stand for a descriptor that is closed.
    """
    global _output
    for descriptor in range(3):
        _ensure_open(descriptor)
    sys.stdin = sys.stdin or _nothing("r")
    told, said = sys.stdout or _nothing("w"), sys.stderr or _nothing("w")
    _output = OutputFile(told)
    errors = ESCAPED if told.errors in ("strict", "surrogateescape") else told.errors
    sys.stdout = _text(_output, errors=errors, line_buffering=told.isatty())
    sys.stderr = _text(QuietFile(said), errors=said.errors, line_buffering=True)


def trouble() -> str:
    """Why not all is written that was asked for. Said once; nothing when all is, or when its reader had enough."""
    return "" if _output is None else _output.taken_trouble()


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


class OutputFile(_File):
    """What was asked for. When it cannot be written no more of it is tried, and why is kept for the end."""

    _over = False
    _trouble = ""

    def write(self, data: ReadableBuffer) -> int:
        if not self._over:
            try:
                return super().write(data)
            except BrokenPipeError:
                self._over = True
            except OSError as error:
                self._over, self._trouble = True, error.strerror or type(error).__name__
        return memoryview(data).nbytes

    def taken_trouble(self) -> str:
        taken, self._trouble = self._trouble, ""
        return taken


_output: OutputFile | None = None


def _text(file: _File, *, errors: str | None, line_buffering: bool) -> TextIO:
    buffer = io.BufferedWriter(file)
    return io.TextIOWrapper(buffer, file.stream.encoding, errors, line_buffering=line_buffering)


def _escaped(error: UnicodeError) -> tuple[str, int]:
    """A character as JSON writes it in ASCII, a backslash and its number: inside a string it stays what it was."""
    assert isinstance(error, UnicodeEncodeError)
    units = error.object[error.start : error.end].encode("utf-16-be", "surrogatepass")
    return "".join("\\u" + unit for unit in units.hex(" ", 2).split()), error.end


codecs.register_error(ESCAPED, _escaped)


def _ensure_open(descriptor: int) -> None:
    try:
        os.fstat(descriptor)
    except OSError:
        os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # it takes the lowest that is free: this one


def _nothing(mode: str) -> TextIO:
    return open(os.devnull, mode, errors="replace")  # type: ignore[return-value]
