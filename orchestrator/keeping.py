"""What is to be durable before anybody acts on it: tasks as submitted, outcomes, conversations."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from actors.contracts import Failure, Task
from actors.tables import outcome_batch, task_batch
from budget.errors import RunDirectoryError
from orchestrator.store import RunDirectory

log = logging.getLogger("muster.driver")


@dataclass(slots=True)
class Keeper:
    """Gathers rows, and appends them to the run directory together. `broken` says why it can do so no longer."""

    directory: RunDirectory
    broken: RunDirectoryError | None = None
    _failures: list[Failure] = field(default_factory=list)  # outcomes that no host gives
    _tasks: list[pa.RecordBatch] = field(default_factory=list)
    _transcripts: list[pa.RecordBatch] = field(default_factory=list)

    @property
    def has_outcomes(self) -> bool:
        return bool(self._failures)

    @property
    def waits(self) -> bool:
        """Whether there is something to append."""
        return bool(self._failures or self._tasks)

    def add_tasks(self, tasks: Sequence[Task]) -> None:
        self._tasks.append(task_batch(tasks))

    def add_failures(self, failures: Sequence[Failure]) -> None:
        self._failures.extend(failures)

    def add_transcripts(self, transcripts: pa.RecordBatch | None) -> None:
        if transcripts is not None:
            self._transcripts.append(transcripts)

    async def keep(self, drained: Sequence[pa.RecordBatch]) -> list[pa.RecordBatch]:
        """Append what was gathered, and these rows. Gives all outcomes; they are durable unless `broken` is set."""
        outcomes, tasks = self._gathered(drained)
        if (outcomes or tasks) and self.broken is None:
            try:
                await asyncio.to_thread(self._append, outcomes, tasks)
            except RunDirectoryError as error:
                self.broken = error
                log.error("%s", error)
        return outcomes

    def keep_now(self, drained: Sequence[pa.RecordBatch]) -> None:
        """The same without an event loop. Raises RunDirectoryError."""
        self._append(*self._gathered(drained))

    def _gathered(self, drained: Sequence[pa.RecordBatch]) -> tuple[list[pa.RecordBatch], list[pa.RecordBatch]]:
        outcomes = [batch for batch in drained if batch.num_rows]
        failures, self._failures = self._failures, []
        if failures:
            outcomes.append(outcome_batch(failures))
        tasks, self._tasks = self._tasks, []
        return outcomes, tasks

    def _append(self, outcomes: list[pa.RecordBatch], tasks: list[pa.RecordBatch]) -> None:
        self.directory.append_tasks(tasks)
        self.directory.append_outcomes(outcomes)
        transcripts, self._transcripts = self._transcripts, []
        self.directory.append_transcripts(transcripts)
