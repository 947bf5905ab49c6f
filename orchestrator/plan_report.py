"""What a plan came to, as its files tell it: figures at once, outcomes when somebody asks for them."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from itertools import accumulate, chain
from pathlib import Path
from typing import Any, Generic, TypeVar, cast, overload

import pyarrow as pa

from actors.columns import column
from actors.contracts import Failure, Outcome, Result
from actors.tables import OK, OUTCOME_SCHEMA, outcomes_of
from budget.errors import RunDirectoryError
from orchestrator.store import RunDirectory

READ_AT_ONCE = 1_024  # outcomes that are values at a time while somebody goes through them

Kind = TypeVar("Kind", bound=Outcome)


class Scratch:
    """A folder that is there as long as somebody holds this, or until the process ends."""

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="muster-"))
        self._removal = weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)

    def keep(self) -> None:
        """Leave the folder where it is, for good."""
        self._removal.detach()


class Outcomes(Sequence[Kind], Generic[Kind]):
    """Some of a report's outcomes, by task id: made values as they are looked at, and not kept.

    How many there are is known without reading. `read` gives the report's rows.
    """

    def __init__(self, count: int, read: Callable[[], Sequence[pa.RecordBatch]], *, answered: bool) -> None:
        self._count = count
        self._read = read
        self._answered = answered

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, wanted: int) -> Kind: ...

    @overload
    def __getitem__(self, wanted: slice) -> list[Kind]: ...

    def __getitem__(self, wanted: int | slice) -> Kind | list[Kind]:
        if isinstance(wanted, slice):
            return self._values(self._places[wanted])
        place = range(self._count)[wanted]  # raises IndexError
        return self._values(self._places[place : place + 1])[0]

    def __iter__(self) -> Iterator[Kind]:
        for start in range(0, self._count, READ_AT_ONCE):
            yield from self._values(self._places[start : start + READ_AT_ONCE])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence) or len(self) != len(other):
            return False
        return all(one == another for one, another in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<{self._count} outcomes>" if self._count > READ_AT_ONCE else repr(list(self))

    @cached_property
    def _places(self) -> Sequence[int]:
        """Where these outcomes lie among the report's rows, by task id. Only two columns are read for it."""
        statuses = chain.from_iterable(batch.column("status").to_pylist() for batch in self._read())
        places = [place for place, status in enumerate(statuses) if (status == OK) is self._answered]
        ids = [task_id for batch in self._read() for task_id in batch.column("task_id").to_pylist()]
        return array("q", sorted(places, key=ids.__getitem__))

    @cached_property
    def _starts(self) -> Sequence[int]:
        """The place of each batch's first row."""
        return list(accumulate((batch.num_rows for batch in self._read()), initial=0))

    def _values(self, places: Sequence[int]) -> list[Kind]:
        """The outcomes at these places, in the order asked for."""
        by_batch: dict[int, list[int]] = {}
        for place in places:
            by_batch.setdefault(bisect_right(self._starts, place) - 1, []).append(place)
        found: dict[int, Outcome] = {}
        for number, chosen in by_batch.items():
            rows = column([place - self._starts[number] for place in chosen], pa.int64())
            found |= zip(chosen, outcomes_of(self._read()[number].take(rows)), strict=True)
        return cast(list[Kind], [found[place] for place in places])


@dataclass(frozen=True, kw_only=True)
class Report:
    """What a plan came to: always all of it, also when it was cut short.

    Figures are there at once. Outcomes lie in files, those of `run_dir` when one was given (as Parquet then), and are
    read when asked for; without one the files go when the report and all that was read through it are gone.

    `statuses` counts tasks by what came of them: `ok`, or the reason of the failure. `not_begun` counts the tasks of a
    list that its batch was stopped before (`stopped` says why); of an iterator nobody can tell, and it is 0.
    Raises RunDirectoryError, when outcomes are asked for, where files of theirs are gone.
    """

    spent_tokens: int
    cost_microusd: int | None
    elapsed_s: float
    statuses: Mapping[str, int]
    stopped: str = ""
    not_begun: int = 0
    read: Callable[[], Iterator[pa.RecordBatch]] = field(repr=False, compare=False)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The outcomes as columns, some rows at a time, in no order to rely on: for more than fits memory.

        One row per task; columns and units: `actors.tables.OUTCOME_SCHEMA`, docs/tables.md.
        """
        rows = 0
        for batch in self.read():
            rows += batch.num_rows
            yield batch
        if rows != self.tasks:
            raise RunDirectoryError(
                f"{rows} of {self.tasks} outcomes of the plan are there: its files were removed or changed, "
                "or an earlier plan in this run_dir had other tasks"
            )

    @property
    def outcomes(self) -> pa.Table:
        """All outcomes as one table over the mapped files, in no order to rely on: `sort_by("task_id")`."""
        return pa.Table.from_batches(self._batches, OUTCOME_SCHEMA)

    @property
    def tasks(self) -> int:
        """How many tasks have an outcome."""
        return sum(self.statuses.values())

    @cached_property
    def results(self) -> Sequence[Result]:
        """What was answered, by task id."""
        return Outcomes[Result](self.statuses.get(OK, 0), lambda: self._batches, answered=True)

    @cached_property
    def failures(self) -> Sequence[Failure]:
        """What came to nothing, with reason and spend, by task id."""
        return Outcomes[Failure](self.tasks - len(self.results), lambda: self._batches, answered=False)

    @property
    def synthesis(self) -> str:
        """The answers merged in the order of their ids, saying how many there are of how many."""
        planned = self.tasks + self.not_begun
        lines = [f"synthesis from {self.statuses.get(OK, 0)}/{planned} sub-agents:"]
        lines += [f"- [{result.task_id}] {result.answer}" for result in self.results]
        if self.failures:
            lines.append(f"(degraded: {len(self.failures)} sub-agents unavailable)")
        if self.stopped:
            lines.append(f"(stopped: {self.stopped}; {self.not_begun} sub-agents not begun)")
        return "\n".join(lines)

    @cached_property
    def _batches(self) -> list[pa.RecordBatch]:
        return list(self.batches())

    def __reduce__(self) -> tuple[Any, ...]:
        """In another process the files may not be there: the outcomes travel with the report."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "read"}
        return _unpickled, (values | {"statuses": dict(self.statuses)}, self.outcomes.combine_chunks())


def report_of(read: Callable[[], Iterator[pa.RecordBatch]], statuses: Mapping[str, int], **figures: Any) -> Report:
    """The report of a batch whose outcomes `read` reads: `kept`, or `latest` where some may have several attempts."""
    return Report(read=read, statuses=dict(sorted(statuses.items())), **figures)


def kept(directory: RunDirectory, _: Scratch | None) -> Iterator[pa.RecordBatch]:
    """All rows of a directory, which is a scratch where they are not to stay: held as long as they may be read."""
    return directory.outcomes()


def latest(directory: RunDirectory) -> Iterator[pa.RecordBatch]:
    """One row per task, where segments may hold those of several attempts."""
    return iter(directory.effective().to_batches())


def _unpickled(values: Mapping[str, Any], outcomes: pa.Table) -> Report:
    return Report(**values, read=partial(_of_table, outcomes))


def _of_table(outcomes: pa.Table) -> Iterator[pa.RecordBatch]:
    return iter(outcomes.to_batches())
