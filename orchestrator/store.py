"""The run directory: outcomes as immutable Arrow segments, durable before anybody acts on them.

manifest.json          what was asked
input.json.gz          the job's input as it was read, so that going on need not read it again; nothing depends on it
outcomes/ tasks/       segments while the batch runs, Parquet after it (segments.py)
history/               outcomes that a later attempt replaced, once compacted
transcripts/           conversations of sub-agents, compressed segments; a row may come twice, the last one counts
set-aside/             files that were found torn, changed or foreign: nothing reads them (repair.py)
ledger/                the budget's journal; for a directory in an object store it lies in this user's home
"""

from __future__ import annotations

import errno
import json
import logging
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import pyarrow as pa

from actors.contracts import JsonValue
from actors.tables import OUTCOME_SCHEMA, TASK_SCHEMA
from actors.transcripts import TRANSCRIPT_SCHEMA
from budget.errors import RunDirectoryError
from orchestrator.attempts import latest
from orchestrator.compaction import compacted
from orchestrator.local_files import LocalFiles, NoFileError
from orchestrator.object_files import reason_of
from orchestrator.repair import SEGMENTS_OF_DRIVER, Folder, repair, say_gaps
from orchestrator.run_manifest import read_manifest
from orchestrator.segments import (
    DamagedError,
    Named,
    NewerError,
    Stamp,
    batches_of,
    name_of,
    named,
    segment,
    stamped,
    unfinished,
)
from orchestrator.store_files import Files, files_at

log = logging.getLogger("muster.store")

MANIFEST = "manifest.json"
SUMMARY = "summary.json"
INPUT = "input.json.gz"
SCRATCH = ".compaction-"
FOLDERS = ("outcomes", "tasks", "ledger")
SCHEMAS = {
    "outcomes": OUTCOME_SCHEMA,
    "tasks": TASK_SCHEMA,
    "history": OUTCOME_SCHEMA,
    "transcripts": TRANSCRIPT_SCHEMA,
}


class RunChangedError(RunDirectoryError):
    """Whoever works on the run replaced files while they were read: what was read so far is not all."""


@dataclass(slots=True)
class RunDirectory:
    """One run's files. Only one process works on a directory at a time: open it with `create` or `reopen`.

    `look` opens it for reading only, beside whoever works on it.
    """

    files: Files
    durable: bool = True
    _segments: dict[str, int] = field(default_factory=lambda: {"outcomes": 0, "tasks": 0, "transcripts": 0})
    _run_id: str | None = None

    @classmethod
    def create(
        cls, path: Path | str | Files, *, manifest: Mapping[str, JsonValue], durable: bool = True
    ) -> RunDirectory:
        """A new run. Raises RunDirectoryError when the folder holds a run, is in use, or cannot be written."""
        directory = cls(files_at(path), durable, _run_id=str(manifest.get("run_id", "")))
        try:
            directory.files.prepare(FOLDERS)
            directory._acquire()
            if directory.files.exists(MANIFEST):
                raise RunDirectoryError(
                    f"run directory {directory.shown!r} holds a run already: choose another with --run-dir, "
                    "or resume it"
                )
            directory.write_manifest(manifest)
        except OSError as error:
            directory.close()
            raise RunDirectoryError(
                f"run directory {directory.shown!r} cannot be written ({reason_of(error)}): "
                "choose another with --run-dir"
            ) from None
        except RunDirectoryError:
            directory.close()
            raise
        return directory

    @classmethod
    def reopen(cls, path: Path | str | Files, *, durable: bool = True) -> RunDirectory:
        """A run that was begun. What is torn or foreign is set aside.

        Raises RunDirectoryError when it is none, cannot be read, is of a newer version, or another process is at it.
        """
        directory = cls.look(path)
        directory.durable = durable
        try:
            with directory._usable():
                directory._acquire()
                directory.files.prepare(FOLDERS)
                directory._repair()
        except RunDirectoryError:
            directory.close()
            raise
        return directory

    @classmethod
    def look(cls, path: Path | str | Files) -> RunDirectory:
        """A run to be read, whoever works on it. Raises RunDirectoryError when there is none."""
        directory = cls(files_at(path))
        with directory._usable():
            if directory.files.exists(MANIFEST):
                return directory
        raise RunDirectoryError(f"{directory.shown!r} is no run directory: it has no {MANIFEST}")

    @classmethod
    def beside(cls, path: Path | str | Files, *, number: int, durable: bool = True) -> RunDirectory:
        """A run that another process has opened, for one of its drivers: what this one adds has numbers of its own."""
        directory = cls(files_at(path), durable)
        directory._segments = dict.fromkeys(directory._segments, number * SEGMENTS_OF_DRIVER)
        return directory

    def count_segments(self) -> int:
        """Know what drivers beside this process have added. Gives a `number` for `beside` that none of them has."""
        for kind, last in self._segments.items():
            self._segments[kind] = max([last, *(of.number for of, _ in self._files_of(kind))])
        return max(self._segments.values()) // SEGMENTS_OF_DRIVER + 1

    @property
    def shown(self) -> str:
        return self.files.shown

    @property
    def full(self) -> str:
        """Why nothing further may begin: what was written last took the room that was set aside. Empty otherwise."""
        return str(self._unusable(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))) if self.files.spare_used else ""

    @property
    def run_id(self) -> str:
        """The run's id; empty when its manifest names none. Raises RunDirectoryError when that cannot be read."""
        if self._run_id is None:
            self._run_id = str(self.manifest().get("run_id", ""))
        return self._run_id

    @property
    def ledger(self) -> Path:
        """Where the budget's journal lies: on a disk of this machine in any case."""
        if isinstance(self.files, LocalFiles):
            return self.files.path / "ledger"
        return Path.home() / ".muster" / "ledgers" / (self.run_id or "run")

    @property
    def in_use(self) -> bool:
        """Whether a process works on the run."""
        with self._usable():
            return self.files.locked()

    def manifest(self) -> dict[str, JsonValue]:
        """What was asked. Raises RunDirectoryError when it cannot be read."""
        try:
            return read_manifest(self.files.read(MANIFEST).to_pybytes())
        except (OSError, ValueError) as error:
            reason = reason_of(error) if isinstance(error, OSError) else error
            raise RunDirectoryError(f"{self.shown}/{MANIFEST} cannot be read ({reason}): restore it") from None

    def write_manifest(self, manifest: Mapping[str, JsonValue]) -> None:
        self.write_bytes(MANIFEST, (json.dumps(manifest, indent=2, sort_keys=True) + "\n").encode())

    def keep_input(self, data: bytes) -> None:
        """Keep what the job made of its input, for `kept_input`; nothing, where it is empty."""
        if data:
            with self._usable():
                self.files.put(INPUT, data, durable=False)

    def kept_input(self) -> bytes:
        """What `keep_input` was given last, perhaps damaged; empty when it cannot be read."""
        try:
            return bytes(self.files.read(INPUT))
        except OSError:
            return b""

    def summary(self) -> dict[str, JsonValue] | None:
        """The answer for programs, when there is one and it can be read."""
        try:
            found = json.loads(self.files.read(SUMMARY).to_pybytes())
        except (OSError, ValueError, RecursionError):
            return None
        return cast(dict[str, JsonValue], found) if isinstance(found, dict) else None

    def append_outcomes(self, batches: Iterable[pa.RecordBatch]) -> None:
        """Add outcomes, durably: when this returns, no crash loses them.

        Raises RunDirectoryError when they cannot be written; then nothing of them is there, and all that was is.
        """
        self._append("outcomes", batches, durable=self.durable)

    def append_tasks(self, batches: Iterable[pa.RecordBatch]) -> None:
        """Add tasks as submitted. A record for people: a resumed run plans them again."""
        self._append("tasks", batches, durable=False)

    def append_transcripts(self, batches: Iterable[pa.RecordBatch]) -> None:
        """Add conversations. A record for people: nothing waits for it."""
        self._append("transcripts", batches, durable=False)

    def transcripts(self) -> Iterator[pa.RecordBatch]:
        """The conversations that were kept, in the order in which they were added."""
        return self._rows("transcripts")

    def outcomes(self) -> Iterator[pa.RecordBatch]:
        """All outcomes so far, in the order in which they were added; of a task that went again, each attempt's.

        Raises RunDirectoryError when they cannot be read, RunChangedError when a file vanished meanwhile.
        """
        return self._rows("outcomes")

    def effective(self) -> pa.Table:
        """One row per task that has an outcome: its latest attempt's."""
        return latest(list(self.outcomes()), OUTCOME_SCHEMA)[0]

    def history(self) -> Iterator[pa.RecordBatch]:
        """Outcomes that later attempts replaced, as far as they were compacted; others are among `outcomes`."""
        return self._rows("history")

    def tasks(self) -> Iterator[pa.RecordBatch]:
        return self._rows("tasks")

    def compact(self) -> None:
        """Make Parquet of the segments: one row per task in `outcomes`, what they replaced in `history`.

        A crash at any moment leaves the segments, or the Parquet, or both; readers take the Parquet then.
        Raises RunDirectoryError when there is no room; the segments stay.
        """
        with self._usable():
            self.count_segments()
            for kind in ("outcomes", "tasks"):
                if self.files.names(kind):
                    self._compact(kind, self._segments[kind])

    def write_bytes(self, name: str, content: bytes) -> str:
        """A whole file, or the one before it: never a half. Gives the name to show."""
        with self._usable():
            self.files.put(name, content, durable=True)
        return self._address_of(name)

    def write_parts(self, name: str, parts: Iterable[bytes]) -> str:
        """As `write_bytes`, for what is too large to be held whole: its parts come one after the other."""
        scratch = self.files.scratch
        self.files.give_back()  # outcomes are there by now
        with self._usable(), tempfile.TemporaryDirectory(prefix=SCRATCH, dir=scratch) as folder:
            made = Path(folder) / "whole"
            with made.open("wb") as file:
                file.writelines(parts)
                file.flush()
                os.fsync(file.fileno())
            if scratch is None:
                with pa.memory_map(str(made), "r") as whole:
                    self.files.put(name, whole.read_buffer(), durable=True)
            else:
                self.files.move(str(made.relative_to(scratch)), name)
                self.files.settle("")
        return self._address_of(name)

    def _address_of(self, name: str) -> str:
        address, mark, query = self.shown.partition("?")
        return f"{address}/{name}{mark}{query}"

    def close(self) -> None:
        """Let others work on the directory."""
        try:
            self.files.unlock()
        except OSError as error:  # a lease lapses of itself
            log.warning("%s is not given back yet: %s", self.shown, reason_of(error))

    def _acquire(self) -> None:
        if not self.files.lock():
            raise RunDirectoryError(
                f"run directory {self.shown!r} is in use by another process: wait for it, or choose another"
            )

    def _repair(self) -> None:
        self.files.settle("")
        if self.files.scratch is not None:
            for left in self.files.scratch.glob(f"{SCRATCH}*"):
                shutil.rmtree(left)
        replaced = repair(self._folder("history"), outcomes=[of for of, _ in self._files_of("outcomes")])
        for kind in self._segments:
            self.files.settle(kind)
            self._segments[kind] = repair(self._folder(kind))
        self._segments["outcomes"] = max(self._segments["outcomes"], replaced)
        say_gaps(self._folder("outcomes"))

    def _folder(self, kind: str) -> Folder:
        return Folder(self.files, kind, SCHEMAS[kind], self.run_id)

    def _append(self, kind: str, batches: Iterable[pa.RecordBatch], *, durable: bool) -> None:
        rows = [batch for batch in batches if batch.num_rows]
        if rows:
            self._segments[kind] += 1
            compression = "zstd" if kind == "transcripts" else None
            stamp = Stamp(self.run_id, kind, self._segments[kind])
            with self._usable():
                self._put(kind, *segment(stamp, SCHEMAS[kind], rows, compression=compression), durable=durable)

    def _put(self, kind: str, name: str, data: pa.Buffer, *, durable: bool) -> None:
        if kind not in FOLDERS:
            self.files.prepare((kind,))
        self.files.put(f"{kind}/{name}", data, durable=durable)

    def _compact(self, kind: str, number: int) -> None:
        ids = "id" if kind == "tasks" else "task_id"
        with tempfile.TemporaryDirectory(prefix=SCRATCH, dir=self.files.scratch) as scratch:
            schema = stamped(SCHEMAS[kind], Stamp(self.run_id, kind, number))
            history = stamped(SCHEMAS[kind], Stamp(self.run_id, "history", number))
            made = compacted(
                self._rows(kind),
                schema,
                history if kind == "outcomes" else None,
                Path(scratch),
                id_column=ids,
            )
            if made.replaced:
                self._put_parquet("history", number, made.history)
            if made.rows:
                self._put_parquet(kind, number, made.effective)
                self._remove_below(kind, number)

    def _put_parquet(self, kind: str, number: int, made: Path) -> None:
        with pa.memory_map(str(made), "r") as file:
            data = file.read_buffer()
        self._put(kind, name_of(number, "parquet", data), data, durable=self.durable)

    def _rows(self, kind: str) -> Iterator[pa.RecordBatch]:
        folder = self._folder(kind)
        for name in self._current(folder):
            try:
                yield from batches_of(name, self._read(folder, name), folder.schema, folder.place(name))
            except DamagedError as error:
                log.warning("%s is not read: %s", folder.shown(name), error)
            except NewerError as error:
                raise RunDirectoryError(f"{folder.shown(name)} was written by a newer version: {error}") from None

    def _read(self, folder: Folder, name: str) -> pa.Buffer:
        try:
            return self.files.read(f"{folder.name}/{name}")
        except NoFileError as error:
            raise DamagedError(error.strerror) from None
        except FileNotFoundError:
            raise RunChangedError(f"{folder.shown(name)} has gone while it was to be read: look again") from None
        except OSError as error:
            raise self._unusable(error) from None

    def _current(self, folder: Folder) -> list[str]:
        """The files that count, in order: the last whole Parquet and the segments after it."""
        known = sorted(self._files_of(folder.name))
        if folder.name == "history":
            outcomes = [of for of, _ in self._files_of("outcomes")]
            return [name for of, name in known if not unfinished(of, outcomes)]
        tables = [(of, name) for of, name in known if of.kind == "parquet"]
        last = next((one for one in reversed(tables) if len(tables) == 1 or self._is_whole(folder, one[1])), None)
        segments = [name for of, name in known if of.kind == "arrow" and (last is None or of.number > last[0].number)]
        return segments if last is None else [last[1], *segments]

    def _files_of(self, kind: str) -> list[tuple[Named, str]]:
        with self._usable():
            return [(of, name) for name in self.files.names(kind) if (of := named(name))]

    def _is_whole(self, folder: Folder, name: str) -> bool:
        try:
            with self._usable():
                folder.examine(name)
        except (DamagedError, NewerError):
            return False
        return True

    def _remove_below(self, kind: str, number: int) -> None:
        """Remove what the Parquet of this number holds."""
        for of, name in self._files_of(kind):
            if of.number < number or (of.number == number and of.kind == "arrow"):
                self.files.remove(f"{kind}/{name}")

    @contextmanager
    def _usable(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise self._unusable(error) from None

    def _unusable(self, error: OSError) -> RunDirectoryError:
        return RunDirectoryError(
            f"run directory {self.shown!r} cannot be used ({reason_of(error)}): what is in it is kept; make room or "
            "repair it, then `muster resume` it"
        )
