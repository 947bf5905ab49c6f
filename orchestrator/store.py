"""The run directory: outcomes as immutable Arrow segments, durable before anybody acts on them."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pyarrow as pa

from actors.contracts import JsonValue
from actors.tables import OUTCOME_SCHEMA, TASK_SCHEMA
from budget.errors import RunDirectoryError

MANIFEST = "manifest.json"
LOCK = ".lock"
SEGMENT = "{number:08d}.arrow"


@dataclass(slots=True)
class RunDirectory:
    """One run's files. Only one process works on a directory at a time; open it with `create` or `reopen`."""

    path: Path
    durable: bool = True
    _lock: Any = None
    _segments: dict[str, int] = field(default_factory=lambda: {"outcomes": 0, "tasks": 0})

    @classmethod
    def create(cls, path: Path, *, manifest: Mapping[str, JsonValue], durable: bool = True) -> RunDirectory:
        """A new run. Raises RunDirectoryError when the folder holds a run, is in use, or cannot be written."""
        try:
            for folder in ("outcomes", "tasks", "ledger"):
                (path / folder).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunDirectoryError(
                f"run directory {str(path)!r} cannot be written ({error.strerror}): choose another with --run-dir"
            ) from None
        directory = cls(path, durable)
        directory._acquire()
        if (path / MANIFEST).exists():
            directory.close()
            raise RunDirectoryError(
                f"run directory {str(path)!r} holds a run already: choose another with --run-dir, or resume it"
            )
        directory.write_bytes(MANIFEST, (json.dumps(manifest, indent=2, sort_keys=True) + "\n").encode())
        return directory

    @classmethod
    def reopen(cls, path: Path, *, durable: bool = True) -> RunDirectory:
        """A run that was begun. Raises RunDirectoryError when it is none, or another process is at it."""
        if not (path / MANIFEST).is_file():
            raise RunDirectoryError(f"{str(path)!r} is no run directory: it has no {MANIFEST}")
        directory = cls(path, durable)
        directory._acquire()
        for kind in directory._segments:
            numbers = [int(file.stem) for file in directory.segments(kind) if file.stem.isdigit()]
            directory._segments[kind] = max(numbers, default=0)
        return directory

    @property
    def ledger(self) -> Path:
        return self.path / "ledger"

    def manifest(self) -> dict[str, JsonValue]:
        return cast(dict[str, JsonValue], json.loads((self.path / MANIFEST).read_text(encoding="utf-8")))

    def append_outcomes(self, batches: Iterable[pa.RecordBatch]) -> None:
        """Add outcomes, durably: when this returns, no crash loses them."""
        self._append("outcomes", OUTCOME_SCHEMA, batches, durable=self.durable)

    def append_tasks(self, batches: Iterable[pa.RecordBatch]) -> None:
        """Add tasks as submitted. A record for people: a resumed run plans them again."""
        self._append("tasks", TASK_SCHEMA, batches, durable=False)

    def outcomes(self) -> Iterator[pa.RecordBatch]:
        """The outcomes so far, segment by segment, in the order in which they were added."""
        for file in self.segments("outcomes"):
            with pa.OSFile(str(file), "rb") as source, pa.ipc.open_stream(source) as stream:
                yield from stream

    def segments(self, kind: str) -> list[Path]:
        return sorted((self.path / kind).glob("*.arrow"))

    def write_bytes(self, name: str, content: bytes) -> Path:
        """A whole file, or the one before it: never a half."""
        target = self.path / name
        temporary = target.with_name(f".{target.name}.tmp")
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
        _sync_folder(target.parent)
        return target

    def close(self) -> None:
        """Let others work on the directory."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _append(self, kind: str, schema: pa.Schema, batches: Iterable[pa.RecordBatch], *, durable: bool) -> None:
        rows = [batch for batch in batches if batch.num_rows]
        if not rows:
            return
        self._segments[kind] += 1
        folder = self.path / kind
        target = folder / SEGMENT.format(number=self._segments[kind])
        temporary = folder / f".{target.name}.tmp"
        with temporary.open("wb") as file:
            with pa.ipc.new_stream(file, schema) as stream:
                for batch in rows:
                    stream.write_batch(batch)
            file.flush()
            if durable:
                os.fsync(file.fileno())
        temporary.rename(target)
        if durable:
            _sync_folder(folder)

    def _acquire(self) -> None:
        self._lock = (self.path / LOCK).open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self.close()
            raise RunDirectoryError(
                f"run directory {str(self.path)!r} is in use by another process: wait for it, or choose another"
            ) from None


def _sync_folder(folder: Path) -> None:
    """Make a rename durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
