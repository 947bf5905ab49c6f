"""The run directory: outcomes as immutable Arrow segments, durable before anybody acts on them.

manifest.json          what was asked
outcomes/ tasks/       segments while the batch runs, Parquet after it (segments.py)
history/               outcomes that a later attempt replaced, once compacted
transcripts/           conversations of sub-agents, compressed segments; a row may come twice, the last one counts
set-aside/             files that were found torn, changed or foreign: nothing reads them
ledger/                the budget's journal; for a directory in an object store it lies in this user's home
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import pyarrow as pa

from actors.contracts import JsonValue
from actors.tables import OUTCOME_SCHEMA, TASK_SCHEMA
from actors.transcripts import TRANSCRIPT_SCHEMA
from budget.errors import RunDirectoryError
from orchestrator.segments import DamagedError, batches_of, latest, named, parquet, segment
from orchestrator.store_files import Files, LocalFiles, files_at

log = logging.getLogger("muster.store")

MANIFEST = "manifest.json"
FOLDERS = ("outcomes", "tasks", "ledger")
SEGMENTS_OF_DRIVER = 10_000_000  # one a second for a third of a year
SCHEMAS = {
    "outcomes": OUTCOME_SCHEMA,
    "tasks": TASK_SCHEMA,
    "history": OUTCOME_SCHEMA,
    "transcripts": TRANSCRIPT_SCHEMA,
}


@dataclass(slots=True)
class RunDirectory:
    """One run's files. Only one process works on a directory at a time: open it with `create` or `reopen`.

    `look` opens it for reading only, beside whoever works on it.
    """

    files: Files
    durable: bool = True
    _segments: dict[str, int] = field(default_factory=lambda: {"outcomes": 0, "tasks": 0, "transcripts": 0})

    @classmethod
    def create(
        cls, path: Path | str | Files, *, manifest: Mapping[str, JsonValue], durable: bool = True
    ) -> RunDirectory:
        """A new run. Raises RunDirectoryError when the folder holds a run, is in use, or cannot be written."""
        directory = cls(files_at(path), durable)
        try:
            directory.files.prepare(FOLDERS)
            directory._acquire()
            if directory._has(MANIFEST):
                directory.close()
                raise RunDirectoryError(
                    f"run directory {directory.shown!r} holds a run already: choose another with --run-dir, "
                    "or resume it"
                )
        except OSError as error:
            directory.close()
            raise RunDirectoryError(
                f"run directory {directory.shown!r} cannot be written ({_reason(error)}): choose another with --run-dir"
            ) from None
        directory.write_manifest(manifest)
        return directory

    @classmethod
    def reopen(cls, path: Path | str | Files, *, durable: bool = True) -> RunDirectory:
        """A run that was begun. What is torn or foreign is set aside.

        Raises RunDirectoryError when it is none, cannot be read, or another process is at it.
        """
        directory = cls.look(path)
        directory.durable = durable
        try:
            directory._acquire()
            directory.files.prepare(FOLDERS)
            directory.files.settle("")
            for kind in directory._segments:
                directory.files.settle(kind)
                directory._segments[kind] = directory._set_aside(kind)
        except OSError as error:
            directory.close()
            raise directory._unusable(error) from None
        return directory

    @classmethod
    def look(cls, path: Path | str | Files) -> RunDirectory:
        """A run to be read, whoever works on it. Raises RunDirectoryError when there is none."""
        directory = cls(files_at(path))
        try:
            if directory._has(MANIFEST):
                return directory
        except OSError as error:
            raise directory._unusable(error) from None
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
            found = (of.number for name in self.files.names(kind) if (of := named(name)))
            self._segments[kind] = max(last, *found, 0)
        return max(self._segments.values()) // SEGMENTS_OF_DRIVER + 1

    @property
    def shown(self) -> str:
        return self.files.shown

    @property
    def ledger(self) -> Path:
        """Where the budget's journal lies: on a disk of this machine in any case."""
        if isinstance(self.files, LocalFiles):
            return self.files.path / "ledger"
        return Path.home() / ".muster" / "ledgers" / str(self.manifest().get("run_id", "run"))

    @property
    def in_use(self) -> bool:
        """Whether a process works on the run."""
        return self.files.locked()

    def manifest(self) -> dict[str, JsonValue]:
        """What was asked. Raises RunDirectoryError when it cannot be read."""
        try:
            found = json.loads(self.files.read(MANIFEST).to_pybytes())
        except (OSError, ValueError) as error:
            raise RunDirectoryError(f"{self.shown}/{MANIFEST} cannot be read ({error}): restore it") from None
        if not isinstance(found, dict):
            raise RunDirectoryError(f"{self.shown}/{MANIFEST} holds no JSON object: restore it")
        return cast(dict[str, JsonValue], found)

    def write_manifest(self, manifest: Mapping[str, JsonValue]) -> None:
        self.write_bytes(MANIFEST, (json.dumps(manifest, indent=2, sort_keys=True) + "\n").encode())

    def summary(self) -> dict[str, JsonValue] | None:
        """The answer for programs, when there is one."""
        try:
            return cast(dict[str, JsonValue], json.loads(self.files.read("summary.json").to_pybytes()))
        except (OSError, ValueError):
            return None

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
        """All outcomes so far, in the order in which they were added; of a task that went again, each attempt's."""
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
        self.count_segments()
        number = self._segments["outcomes"]
        found = list(self.outcomes())
        if found:
            effective, replaced = latest(found, OUTCOME_SCHEMA)
            if replaced.num_rows:
                self._put("history", *parquet(number, replaced), durable=self.durable)
            self._put("outcomes", *parquet(number, effective), durable=self.durable)
            self._remove_below("outcomes", number)
        planned = list(self.tasks())
        if planned:
            order = [("run_id", "ascending"), ("id", "ascending"), ("attempt", "ascending")]
            table = pa.Table.from_batches(planned, TASK_SCHEMA).sort_by(order)
            self._put("tasks", *parquet(self._segments["tasks"], table), durable=self.durable)
            self._remove_below("tasks", self._segments["tasks"])

    def write_bytes(self, name: str, content: bytes) -> str:
        """A whole file, or the one before it: never a half. Gives the name to show."""
        try:
            self.files.put(name, content, durable=True)
        except OSError as error:
            raise self._unusable(error) from None
        return f"{self.shown}/{name}"

    def close(self) -> None:
        """Let others work on the directory."""
        self.files.unlock()

    def _acquire(self) -> None:
        if not self.files.lock():
            raise RunDirectoryError(
                f"run directory {self.shown!r} is in use by another process: wait for it, or choose another"
            )

    def _has(self, name: str) -> bool:
        return name in self.files.names("")

    def _append(self, kind: str, batches: Iterable[pa.RecordBatch], *, durable: bool) -> None:
        rows = [batch for batch in batches if batch.num_rows]
        if rows:
            self._segments[kind] += 1
            compression = "zstd" if kind == "transcripts" else None
            made = segment(self._segments[kind], SCHEMAS[kind], rows, compression=compression)
            self._put(kind, *made, durable=durable)

    def _put(self, kind: str, name: str, data: pa.Buffer, *, durable: bool) -> None:
        try:
            if kind not in FOLDERS:
                self.files.prepare((kind,))
            self.files.put(f"{kind}/{name}", data, durable=durable)
        except OSError as error:
            raise self._unusable(error) from None

    def _rows(self, kind: str) -> Iterator[pa.RecordBatch]:
        for name in self._current(kind):
            try:
                yield from batches_of(name, self.files.read(f"{kind}/{name}"), SCHEMAS[kind])
            except (DamagedError, OSError) as error:
                log.warning("%s/%s/%s is not read: %s", self.shown, kind, name, error)

    def _current(self, kind: str) -> list[str]:
        """The files that count, in order: the last Parquet and the segments after it."""
        known = {name: of for name in self.files.names(kind) if (of := named(name))}
        if kind == "history":
            done = max((of.number for name in self.files.names("outcomes") if (of := named(name))), default=0)
            return [name for name, of in sorted(known.items()) if of.number <= done]
        compacted = max((of.number for of in known.values() if of.kind == "parquet"), default=-1)
        return [
            name
            for name, of in sorted(known.items(), key=lambda item: item[1].number)
            if of.number > compacted or (of.kind == "parquet" and of.number == compacted)
        ]

    def _set_aside(self, kind: str) -> int:
        """Put away what cannot be read; returns the highest number in use."""
        numbers = [0]
        for name in self.files.names(kind):
            if name.startswith("."):  # a file of ours that was never whole
                self.files.remove(f"{kind}/{name}")
                continue
            try:
                batches_of(name, self.files.read(f"{kind}/{name}"), SCHEMAS[kind])
                numbers += [of.number for of in [named(name)] if of]
            except (DamagedError, pa.ArrowInvalid) as error:
                aside = f"set-aside/{kind}-{name}.torn"
                self.files.move(f"{kind}/{name}", aside)
                log.warning("%s/%s/%s is set aside as %s: %s", self.shown, kind, name, aside, error)
        return max(numbers)

    def _remove_below(self, kind: str, number: int) -> None:
        """Remove what the Parquet of this number holds."""
        for name in self.files.names(kind):
            of = named(name)
            if of and (of.number < number or (of.number == number and of.kind == "arrow")):
                self.files.remove(f"{kind}/{name}")

    def _unusable(self, error: OSError) -> RunDirectoryError:
        return RunDirectoryError(
            f"run directory {self.shown!r} cannot be used ({_reason(error)}): what is in it is kept; make room or "
            "repair it, then `muster resume` it"
        )


def _reason(error: OSError) -> str:
    return error.strerror or " ".join(str(error).split())[:200] or type(error).__name__
