"""Server-sent events: bytes as they arrive in, the data of each event out. Pure.

Lines end in CR, LF or both, also mixed; comments, names, ids and fields of the future are passed over.
https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
"""

from __future__ import annotations

from collections.abc import Iterator

BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class EventStream:
    """The events of one stream. Work grows with its bytes, however they are cut into pieces."""

    def __init__(self) -> None:
        self._unfinished: list[bytes] = []  # pieces of a line whose end has not come
        self._data: list[bytes] = []
        self._after_cr = False
        self._began = False

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """The data of each event that `piece` completes. An event without data is none."""
        if self._after_cr and piece.startswith(b"\n"):
            piece = piece[1:]
            self._after_cr = False
        if piece:
            self._after_cr = piece.endswith(b"\r")
        for line in piece.splitlines(keepends=True):  # of bytes: at CR and LF only
            self._unfinished.append(line)
            if line.endswith((b"\n", b"\r")):
                whole = b"".join(self._unfinished).rstrip(b"\r\n")
                self._unfinished.clear()
                yield from self._line(whole)

    def _line(self, line: bytes) -> Iterator[bytes]:
        if not self._began:
            self._began, line = True, line.removeprefix(BYTE_ORDER_MARK)
        if not line:
            data = b"\n".join(self._data)
            self._data.clear()
            if data:
                yield data
        elif line.startswith(b"data:"):
            self._data.append(line[5:].removeprefix(b" "))
