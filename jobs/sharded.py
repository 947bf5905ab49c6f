"""A job's runs as each of several drivers makes them for itself, from the input that the batch was begun with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any

from budget.errors import ManifestError
from jobs.job import Job, Plan
from orchestrator.runs import Run, State
from orchestrator.settings import Settings
from orchestrator.shards import Shard
from orchestrator.store import RunDirectory


@dataclass(slots=True, kw_only=True)
class JobWork:
    """The `Work` of a job. What travels is where its input lies; each process reads it once.

    `run_dir` is where it may have been kept as it was read: thousands of services take seconds otherwise.

    Raises ManifestError, by `runs`, when the input is not the one that `fingerprint` was made of.
    """

    job: Job
    source: Path
    run_dir: Path | str
    question: str
    batch_id: str
    settings: Settings
    began_s: float
    fingerprint: str
    read: Plan | None = None  # by this process

    def runs(self, shard: Shard) -> Iterator[Run]:
        return self.plan.part(shard)

    def record(self, run: Run, state: State) -> Any:
        return self.job.record(run, state)

    @property
    def plan(self) -> Plan:
        if self.read is None:
            self.read = self._read()
        return self.read

    def _read(self) -> Plan:
        plan = self.job.plan(
            self.source,
            question=self.question,
            batch_id=self.batch_id,
            settings=self.settings,
            now_s=self.began_s,
            kept=RunDirectory.look(self.run_dir).kept_input(),
        )
        if plan.fingerprint != self.fingerprint:
            raise ManifestError(
                f"{self.source} is another one for this driver than for the batch: it has changed just now, or this "
                "node has a copy of its own; put it where all nodes see the same, and resume"
            )
        return plan

    def __reduce__(self) -> tuple[Callable[[], JobWork], tuple[()]]:
        """All but what this process has read."""
        told = {one.name: getattr(self, one.name) for one in fields(self) if one.name != "read"}
        return partial(JobWork, **told), ()
