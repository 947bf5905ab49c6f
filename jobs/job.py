"""What a job is: an input, runs that answer it, and an answer made of their records."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from actors.specialists.base import Specialist
from orchestrator.batch_synthesis import Bounds
from orchestrator.runs import Run, State
from orchestrator.settings import Settings
from orchestrator.shards import Shard
from orchestrator.synthesis import Head


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A job's input, read and checked: what is asked, and the runs that answer it.

    `fingerprint` tells inputs apart: a run is resumed on the same one only. `part` makes the runs of one shard, all of
    them for `Shard()`, and takes no time for those of others. `kept` is the input as it was read, for `Job.plan` to
    make the same plan of the same input sooner.
    """

    question: str
    part: Callable[[Shard], Iterator[Run]]
    runs_total: int
    fingerprint: str
    kept: Callable[[], bytes] = bytes


class Job(Protocol):
    """One kind of question. Its records are small: one per run is kept until the end, by the run's id."""

    @property
    def name(self) -> str: ...

    @property
    def specialists(self) -> Sequence[Specialist]: ...

    def plan(
        self, source: Path, *, question: str, batch_id: str, settings: Settings, now_s: float, kept: bytes = b""
    ) -> Plan:
        """The plan of an input. `kept`: what an earlier plan left, of this input or of another.

        Raises MusterError when the input cannot be used; nothing is spent by then.
        """
        ...

    def record(self, run: Run, state: State) -> Any:
        """What a run came to, finished or not."""
        ...

    @property
    def leads(self) -> Sequence[Specialist]:
        """Those who work on the last run; none, when the job has none."""
        ...

    def last_run(self, records: Mapping[str, Any], bounds: Bounds) -> Run:
        """One more run, over the records of all others. Asked for when there are leads."""
        ...

    def summarize(
        self, head: Head, records: Mapping[str, Any], last: tuple[Run, State] | None = None
    ) -> Mapping[str, Any]:
        """The answer for programs: JSON values, and `Rows` where a list is long. `last`: the last run, if any."""
        ...

    def report(self, summary: Mapping[str, Any]) -> Iterable[str]:
        """The answer for people, as Markdown, in parts."""
        ...

    def headline(self, summary: Mapping[str, Any]) -> str:
        """The answer in a few lines, for a terminal."""
        ...
