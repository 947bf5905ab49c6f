"""The run directory: outcomes as immutable Arrow segments, durable before anybody acts on them.

manifest.json          what was asked (manifest_file.py)
input.json.gz          the job's input as it was read, so that going on need not read it again; nothing depends on it
outcomes/ tasks/       segments while the batch runs, Parquet after it (run_tables.py, segments.py)
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
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import pyarrow as pa

from actors.contracts import JsonValue
from actors.tables import OUTCOME_SCHEMA
from budget.errors import RunDirectoryError
from orchestrator.attempts import latest
from orchestrator.local_files import LocalFiles
from orchestrator.manifest_file import MANIFEST, ManifestFile
from orchestrator.object_files import reason_of
from orchestrator.run_tables import FOLDERS, RunTables
from orchestrator.scratch_files import put_parts, remove_scratch
from orchestrator.store_errors import unusable, usable
from orchestrator.store_files import Files, files_at

log = logging.getLogger("muster.store")

SUMMARY = "summary.json"
REPORT = "report.md"
INPUT = "input.json.gz"
LEDGER = "ledger"


@dataclass(slots=True)
class RunDirectory:
    """One run's files. Only one process works on a directory at a time: open it with `create` or `reopen`.

    `look` opens it for reading only, beside whoever works on it.
    """

    files: Files
    durable: bool = True
    driver: int = 0  # of those that add to the run at one time, which one this is
    _manifest: ManifestFile = field(init=False)
    _tables: RunTables = field(init=False)

    def __post_init__(self) -> None:
        self._manifest = ManifestFile(self.files)
        self._tables = RunTables(self.files, self._manifest, self.driver)

    @classmethod
    def create(
        cls, path: Path | str | Files, *, manifest: Mapping[str, JsonValue], durable: bool = True
    ) -> RunDirectory:
        """A new run. Raises RunDirectoryError when the folder holds a run, is in use, or cannot be written."""
        directory = cls(files_at(path), durable)
        try:
            directory.files.prepare((*FOLDERS, LEDGER))
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
            with usable(directory.files):
                directory._acquire()
                directory.files.prepare((*FOLDERS, LEDGER))
                directory.files.settle("")
                remove_scratch(directory.files)
                directory._tables.repair()
        except RunDirectoryError:
            directory.close()
            raise
        return directory

    @classmethod
    def holds(cls, path: Path | str | Files) -> bool:
        """Whether a run was begun there. Raises RunDirectoryError when nobody can tell."""
        directory = cls(files_at(path))
        with usable(directory.files):
            return directory.files.exists(MANIFEST)

    @classmethod
    def look(cls, path: Path | str | Files) -> RunDirectory:
        """A run to be read, whoever works on it. Raises RunDirectoryError when there is none."""
        directory = cls(files_at(path))
        if cls.holds(directory.files):
            return directory
        raise RunDirectoryError(f"{directory.shown!r} is no run directory: it has no {MANIFEST}")

    @classmethod
    def beside(cls, path: Path | str | Files, *, number: int, durable: bool = True) -> RunDirectory:
        """A run that another process has opened, for one of its drivers: what this one adds has numbers of its own."""
        return cls(files_at(path), durable, number)

    def count_segments(self) -> int:
        """Know what drivers beside this process have added. Gives a `number` for `beside` that none of them has."""
        return self._tables.count()

    @property
    def shown(self) -> str:
        return self.files.shown

    @property
    def full(self) -> str:
        """Why nothing further may begin: what was written last took the room that was set aside. Empty otherwise."""
        return (
            str(unusable(self.files, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))) if self.files.spare_used else ""
        )

    @property
    def run_id(self) -> str:
        """The run's id; empty when its manifest names none. Raises RunDirectoryError when that cannot be read."""
        return self._manifest.run_id

    @property
    def ledger(self) -> Path:
        """Where the budget's journal lies: on a disk of this machine in any case."""
        if isinstance(self.files, LocalFiles):
            return self.files.path / LEDGER
        return Path.home() / ".muster" / "ledgers" / (self.run_id or "run")

    @property
    def in_use(self) -> bool:
        """Whether a process works on the run."""
        with usable(self.files):
            return self.files.locked()

    def manifest(self) -> dict[str, JsonValue]:
        """What was asked. Raises RunDirectoryError when it cannot be read."""
        return self._manifest.read()

    def write_manifest(self, manifest: Mapping[str, JsonValue]) -> None:
        self._manifest.write(manifest)

    def keep_input(self, data: bytes) -> None:
        """Keep what the job made of its input, for `kept_input`; nothing, where it is empty."""
        if data:
            with usable(self.files):
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
        self._tables.add("outcomes", batches, durable=self.durable)

    def append_tasks(self, batches: Iterable[pa.RecordBatch]) -> None:
        """Add tasks as submitted. A record for people: a resumed run plans them again."""
        self._tables.add("tasks", batches, durable=False)

    def append_transcripts(self, batches: Iterable[pa.RecordBatch]) -> None:
        """Add conversations. A record for people: nothing waits for it."""
        self._tables.add("transcripts", batches, durable=False)

    def transcripts(self) -> Iterator[pa.RecordBatch]:
        """The conversations that were kept, in the order in which they were added."""
        return self._tables.rows("transcripts")

    def outcomes(self) -> Iterator[pa.RecordBatch]:
        """All outcomes so far, in the order in which they were added; of a task that went again, each attempt's.

        Raises RunDirectoryError when they cannot be read, RunChangedError when a file vanished meanwhile.
        """
        return self._tables.rows("outcomes")

    def effective(self) -> pa.Table:
        """One row per task that has an outcome: its latest attempt's."""
        return latest(list(self.outcomes()), OUTCOME_SCHEMA)[0]

    def history(self) -> Iterator[pa.RecordBatch]:
        """Outcomes that later attempts replaced, as far as they were compacted; others are among `outcomes`."""
        return self._tables.rows("history")

    def tasks(self) -> Iterator[pa.RecordBatch]:
        return self._tables.rows("tasks")

    def compact(self) -> None:
        """Make Parquet of the segments: one row per task in `outcomes`, what they replaced in `history`.

        A crash at any moment leaves the segments, or the Parquet, or both; readers take the Parquet then.
        Raises RunDirectoryError when there is no room; the segments stay.
        """
        self._tables.compact(durable=self.durable)

    def compact_where_there_is_room(self) -> None:
        """`compact`; where that fails the segments stay as they are, and the log says why."""
        try:
            self.compact()
        except RunDirectoryError as error:
            log.warning("the segments stay as they are: %s", error)

    def write_parts(self, name: str, parts: Iterable[bytes]) -> str:
        """A whole file out of parts that come one after the other, or the one before it: never a half.

        Gives the name to show. What was written last is safe by then: room that was set aside is free for this.
        """
        self.files.give_back()
        with usable(self.files):
            put_parts(self.files, name, parts)
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
