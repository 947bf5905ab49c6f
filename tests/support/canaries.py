"""Planted secrets and where to look for them: files and what is packed in them, the process list, forms of a text."""

from __future__ import annotations

import base64
import gzip
import json
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import pyarrow as pa
import pyarrow.parquet as pq


def forms_of(secret: str) -> list[bytes]:
    """A secret as it stands in texts of all kinds: bare, in JSON, in a URL, as basic authentication, in hex."""
    basic = [base64.b64encode(f"{user}:{secret}".encode())[4:-4] for user in ("", "u", "us")]
    plain = [secret, json.dumps(secret)[1:-1], quote(secret, safe=""), secret.encode().hex()]
    return [*dict.fromkeys([*(text.encode() for text in plain), *basic])]


def held(text: bytes, secrets: tuple[str, ...]) -> list[str]:
    """Those of the secrets that `text` has in it, in whatever form."""
    return [secret for secret in secrets if any(form in text for form in forms_of(secret))]


def texts_of(folder: Path) -> Iterator[tuple[Path, bytes]]:
    """Every file below a folder as bytes; tables and packed files also as what is in them."""
    for path in folder.rglob("*"):
        if not path.is_file():
            continue
        raw = path.read_bytes()
        yield path, raw
        if path.suffix == ".parquet":
            yield path, str(pq.read_table(path).to_pylist()).encode()
        if path.suffix == ".arrow":
            with pa.ipc.open_stream(raw) as stream:
                yield path, str(stream.read_all().to_pylist()).encode()
        if raw[:2] == b"\x1f\x8b":
            yield path, gzip.decompress(raw)
        if raw[:1] == b"\x78":
            yield path, _inflated(raw)


def _inflated(raw: bytes) -> bytes:
    try:
        return zlib.decompress(raw)
    except zlib.error:
        return b""


class Processes:
    """The command lines of all processes, each as often as it was new."""

    def __init__(self) -> None:
        self.seen: set[bytes] = set()
        self._over = threading.Event()

    def watch(self) -> None:
        while not self._over.wait(0.1):
            for file in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    self.seen.add(file.read_bytes())
                except OSError:
                    continue  # it has ended meanwhile

    def end(self) -> None:
        self._over.set()


@contextmanager
def watched_processes() -> Iterator[Processes]:
    """The process list, looked at ten times a second for the block."""
    processes = Processes()
    thread = threading.Thread(target=processes.watch, daemon=True)
    thread.start()
    try:
        yield processes
    finally:
        processes.end()
        thread.join()
