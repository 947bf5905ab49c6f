"""A run's tables: segments that are added while the batch runs, and Parquet in their place when it is over."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from actors.tables import OUTCOME_SCHEMA, TASK_SCHEMA
from actors.transcripts import TRANSCRIPT_SCHEMA
from orchestrator.compaction import compacted
from orchestrator.folder_rows import files_in, rows_of
from orchestrator.manifest_file import ManifestFile
from orchestrator.repair import SEGMENTS_OF_DRIVER, Folder, repair, say_gaps
from orchestrator.scratch_files import scratch_folder
from orchestrator.segments import Stamp, name_of, segment, stamped
from orchestrator.store_errors import usable
from orchestrator.store_files import Files

FOLDERS = ("outcomes", "tasks")  # there from the beginning; any other appears with its first file
SEGMENTED = (*FOLDERS, "transcripts")
SCHEMAS = {
    "outcomes": OUTCOME_SCHEMA,
    "tasks": TASK_SCHEMA,
    "history": OUTCOME_SCHEMA,
    "transcripts": TRANSCRIPT_SCHEMA,
}


@dataclass(slots=True)
class RunTables:
    """The folders of a run's tables, and the last number that was given to a file in each.

    `driver`: of those that add to the run at one time, which one this is. Each has a range of numbers of its own.
    All methods raise RunDirectoryError when the directory cannot be used.
    """

    files: Files
    manifest: ManifestFile
    driver: int = 0
    _last: dict[str, int] = field(init=False)

    def __post_init__(self) -> None:
        self._last = dict.fromkeys(SEGMENTED, self.driver * SEGMENTS_OF_DRIVER)

    def add(self, kind: str, batches: Iterable[pa.RecordBatch], *, durable: bool) -> None:
        """Rows as one segment more, whole or not at all; none where there are no rows."""
        rows = [batch for batch in batches if batch.num_rows]
        if rows:
            self._last[kind] += 1
            compression = "zstd" if kind == "transcripts" else None
            stamp = Stamp(self.manifest.run_id, kind, self._last[kind])
            with usable(self.files):
                self._put(kind, *segment(stamp, SCHEMAS[kind], rows, compression=compression), durable=durable)

    def rows(self, kind: str) -> Iterator[pa.RecordBatch]:
        """All rows of a table, in the order in which they were added. Raises RunChangedError as `rows_of` does."""
        yield from rows_of(self._folder(kind))

    def count(self) -> int:
        """Know what other drivers have added. Gives the number of one that has added nothing."""
        for kind, last in self._last.items():
            self._last[kind] = max([last, *(of.number for of, _ in files_in(self.files, kind))])
        return max(self._last.values()) // SEGMENTS_OF_DRIVER + 1

    def repair(self) -> None:
        """Set aside what cannot be believed, make durable what is left, and know all numbers that were ever given."""
        with usable(self.files):
            replaced = repair(self._folder("history"), outcomes=[of for of, _ in files_in(self.files, "outcomes")])
            for kind in self._last:
                self.files.settle(kind)
                self._last[kind] = repair(self._folder(kind))
            self._last["outcomes"] = max(self._last["outcomes"], replaced)
            say_gaps(self._folder("outcomes"))

    def compact(self, *, durable: bool) -> None:
        """Make Parquet of the segments: one row per task in `outcomes`, what they replaced in `history`.

        A crash at any moment leaves the segments, or the Parquet, or both; readers take the Parquet then.
        """
        with usable(self.files):
            self.count()
            for kind in FOLDERS:
                if self.files.names(kind):
                    self._compact(kind, self._last[kind], durable)

    def _compact(self, kind: str, number: int, durable: bool) -> None:
        run = self.manifest.run_id
        with scratch_folder(self.files) as scratch:
            history = stamped(SCHEMAS[kind], Stamp(run, "history", number))
            made = compacted(
                self.rows(kind),
                stamped(SCHEMAS[kind], Stamp(run, kind, number)),
                history if kind == "outcomes" else None,
                scratch,
                id_column="id" if kind == "tasks" else "task_id",
            )
            if made.replaced:
                self._put_parquet("history", number, made.history, durable)
            if made.rows:
                self._put_parquet(kind, number, made.effective, durable)
                self._remove_below(kind, number)

    def _put_parquet(self, kind: str, number: int, made: Path, durable: bool) -> None:
        with pa.memory_map(str(made), "r") as file:
            data = file.read_buffer()
        self._put(kind, name_of(number, "parquet", data), data, durable=durable)

    def _put(self, kind: str, name: str, data: pa.Buffer, *, durable: bool) -> None:
        if kind not in FOLDERS:
            self.files.prepare((kind,))
        self.files.put(f"{kind}/{name}", data, durable=durable)

    def _remove_below(self, kind: str, number: int) -> None:
        """Remove what the Parquet of this number holds."""
        for of, name in files_in(self.files, kind):
            if of.number < number or (of.number == number and of.kind == "arrow"):
                self.files.remove(f"{kind}/{name}")

    def _folder(self, kind: str) -> Folder:
        return Folder(self.files, kind, SCHEMAS[kind], self.manifest.run_id)
