"""A server on 127.0.0.1 that sends bytes as they are told: what no HTTP library would send, cut wherever a test wants.

    with raw_serving([reply(message), RESET]) as server: server.url, server.requests

Each answer is for one request, in their order; the last one is for all that follow.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias

RESET = "reset"  # breaks the connection with RST
CLOSE = "close"  # ends it in good order
HANG = "hang"  # says nothing more
# Bytes are sent in one piece, a number is a pause in seconds. A connection stays open after the last one.
Answer: TypeAlias = Sequence[bytes | float | str]


@dataclass
class Raw:
    """A running server. `requests` are the bodies that it was sent, `heads` what stood before them."""

    url: str
    answers: Sequence[Answer]
    requests: list[bytes] = field(default_factory=list)
    heads: list[bytes] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._exchange(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request and its answer. False: the connection is over."""
        head = await reader.readuntil(b"\r\n\r\n")
        lengths = [line[15:] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        self.requests.append(await reader.readexactly(int(lengths[0])))
        self.heads.append(head)
        for piece in self.answers[min(len(self.requests), len(self.answers)) - 1]:
            if isinstance(piece, float):
                await asyncio.sleep(piece)
            elif piece == HANG:
                await asyncio.sleep(3600)
            elif piece == RESET:
                sock = writer.get_extra_info("socket")
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                writer.transport.abort()
                return False
            elif piece == CLOSE:
                return False
            else:
                assert isinstance(piece, bytes)
                writer.write(piece)
                await writer.drain()
        return True


@contextmanager
def raw_serving(answers: Sequence[Answer]) -> Iterator[Raw]:
    """The server for the block, in a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    raw = Raw("", answers)

    async def begin() -> asyncio.Server:
        return await asyncio.start_server(raw.serve, "127.0.0.1", 0, limit=1 << 24)

    async def end() -> None:
        server.close()
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    server = asyncio.run_coroutine_threadsafe(begin(), loop).result()
    raw.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield raw
    finally:
        asyncio.run_coroutine_threadsafe(end(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def message(*content: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A reply's message: one text, unless other blocks are given."""
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-5-5",
        "content": list(content) or [{"type": "text", "text": "all is well"}],
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 100, "output_tokens": 10},
        **changes,
    }


def reply(body: Any, *, status: str = "200 OK", kind: str = "application/json", headers: str = "") -> bytes:
    """A whole HTTP reply. `headers` are more lines of its head, each ending in CRLF."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = f"HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {len(data)}\r\n{headers}\r\n"
    return head.encode() + data


def stream_head(kind: str = "text/event-stream; charset=utf-8", headers: str = "") -> bytes:
    """The head of a chunked stream."""
    return f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ntransfer-encoding: chunked\r\n{headers}\r\n".encode()


def chunk(data: bytes) -> bytes:
    """A piece of a chunked body; an empty one ends it."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def event(data: Any, *, end: bytes = b"\n", name: str | None = None) -> bytes:
    """One server-sent event, its lines ended by `end`."""
    text = data if isinstance(data, str) else json.dumps(data)
    named = name or (data.get("type", "") if isinstance(data, dict) else "")
    return b"".join(line.encode() + end for line in (f"event: {named}", f"data: {text}", ""))
