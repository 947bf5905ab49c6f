"""What an earlier attempt at a batch has left: outcomes that stand, and tasks that go again.

A resumed batch plans the same tasks under the same ids. Those whose outcome stands are not submitted: their patterns
are told what came of them. All others go again, as later attempts.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, TypeAlias

import pyarrow as pa

from actors.contracts import Outcome, Reason, Task
from actors.tables import OK, outcomes_of
from budget import Amount, Limit
from orchestrator.portions import portions
from orchestrator.runs import Run
from orchestrator.tally import Tally

# Says of an outcome's status whether its task goes again.
Again: TypeAlias = Callable[[str], bool]


def interrupted(status: str) -> bool:
    """What a cancelled batch left undone."""
    return status == Reason.CANCELLED


def failed(reasons: frozenset[str] = frozenset()) -> Again:
    """Failures, all or those of some reasons; what was cancelled goes again in any case."""
    return lambda status: interrupted(status) or (status != OK and (not reasons or status in reasons))


_COLUMNS = ("task_id", "run_id", "attempt", "status", "spent_tokens", "cost_microusd", "model")
_REPLACED = ("task_id", "run_id", "attempt", "spent_tokens", "cost_microusd")


class _Row(NamedTuple):
    """Where an outcome lies, and what is asked of all of them."""

    batch: pa.RecordBatch
    row: int
    run_id: str
    attempt: int
    status: str
    spent_tokens: int
    cost_microusd: int | None
    model: str


@dataclass(slots=True)
class KnownRows:
    """Outcomes of earlier attempts, each made into a value when somebody looks at it, and not kept."""

    _rows: Sequence[_Row]

    def outcome(self, row: int) -> Outcome:
        found = self._rows[row]
        return outcomes_of(found.batch.slice(found.row, 1))[0]


@dataclass(slots=True)
class Known:
    """The latest outcome of each task. Only seven columns are read here; the rest stays as it lies on the disk."""

    again: Again = interrupted
    again_until: int | None = None  # `again` is asked of attempts up to this one; later ones were made since then
    runs_set_aside: int = 0  # that are known to their end, and wait until others have begun
    begun: int = 0  # the last attempt at any task that somebody out of reach may still be at
    _rows: dict[str, _Row] = field(default_factory=dict)
    _replaced: dict[str, int] = field(default_factory=dict)  # the last attempt of each task that is history
    _standing: Counter[str] | None = None  # outcomes that stand, by run, once somebody has asked
    _spent_tokens: int = 0  # by all attempts
    _cost_microusd: int | None = 0

    @classmethod
    def of(
        cls,
        batches: Iterable[pa.RecordBatch],
        again: Again = interrupted,
        *,
        runs: Container[str] | None = None,
        history: Iterable[pa.RecordBatch] = (),
    ) -> Known:
        """Of all runs, or of these. What `history` holds was replaced: it was paid for, and no outcome stands by it."""
        known = cls(again)
        for some in portions(batches):
            known._add(some, runs)
        for some in portions(history):
            known._add_replaced(some, runs)
        return known

    def __len__(self) -> int:
        return len(self._rows)

    def _add(self, batches: Sequence[pa.RecordBatch], runs: Container[str] | None) -> None:
        places = ((batch, row) for batch in batches for row in range(batch.num_rows))
        for (batch, row), (task_id, *rest) in zip(places, _values(batches, _COLUMNS), strict=True):
            found = _Row(batch, row, *rest)
            if runs is not None and found.run_id not in runs:
                continue
            self._count(found.spent_tokens, found.cost_microusd)
            before = self._rows.get(task_id)
            if before is None or before.attempt < found.attempt:
                self._rows[task_id] = found

    def _add_replaced(self, batches: Sequence[pa.RecordBatch], runs: Container[str] | None) -> None:
        for task_id, run_id, attempt, *spent in _values(batches, _REPLACED):
            if runs is None or run_id in runs:
                self._replaced[task_id] = max(attempt, self._replaced.get(task_id, 0))
                self._count(*spent)

    def _count(self, tokens: int, microusd: int | None) -> None:
        self._spent_tokens += tokens
        known = self._cost_microusd is not None and microusd is not None
        self._cost_microusd = (self._cost_microusd or 0) + (microusd or 0) if known else None

    def stands(self, task_id: str) -> bool:
        """Whether a task has an outcome, and does not go again."""
        found = self._rows.get(task_id)
        return found is not None and self._stands(found)

    def _stands(self, found: _Row) -> bool:
        since = self.again_until is not None and found.attempt > self.again_until
        return not (interrupted if since else self.again)(found.status)

    def standing_of(self, run_id: str) -> int:
        """How many tasks of a run have an outcome that stands."""
        if self._standing is None:
            self._standing = Counter(found.run_id for found in self._rows.values() if self._stands(found))
        return self._standing[run_id]

    def standing(self) -> Tally:
        """What stands of all tasks."""
        tally = Tally()
        stands = [found for found in self._rows.values() if self._stands(found)]
        tally.add(
            [found.status for found in stands],
            [found.spent_tokens for found in stands],
            [found.cost_microusd for found in stands],
        )
        return tally

    def has_row(self, task_id: str) -> bool:
        return task_id in self._rows

    def rows(self, tasks: Sequence[Task]) -> KnownRows:
        return KnownRows([self._rows[task.id] for task in tasks])

    def figures(self, tasks: Sequence[Task]) -> Iterable[tuple[str, int, int | None]]:
        """Status, tokens and micro-dollars of tasks that have an outcome."""
        for task in tasks:
            found = self._rows[task.id]
            yield found.status, found.spent_tokens, found.cost_microusd

    def spent(self, task_id: str, attempt: int) -> Amount | None:
        """What this very attempt came to, when its outcome is here and its session accounted for it.

        Outcomes that the driver or a broken session recorded name no model: nobody knows what those had spent.
        """
        found = self._rows.get(task_id)
        if found is None or found.attempt != attempt or not found.model:
            return None
        return Amount(found.spent_tokens, found.cost_microusd)

    def all_spent(self) -> Amount:
        """By all attempts whose outcomes are here."""
        return Amount(self._spent_tokens, self._cost_microusd)

    def next_attempt(self, task: Task) -> Task:
        found = self._rows.get(task.id)
        last = max(found.attempt if found else 0, self._replaced.get(task.id, 0), self.begun)
        return replace(task, attempt=last + 1) if last else task


@dataclass(frozen=True, slots=True)
class Earlier:
    """What an earlier attempt has left: its outcomes, and the ceiling under which its account was opened."""

    known: Known
    limit: Limit


def unfinished_first(runs: Iterable[Run], known: Known) -> Iterator[Run]:
    """All runs; those that have an outcome for each of their tasks, as far as that is told before they plan, come last.

    So new work does not wait until thousands of finished runs are gone through.
    """
    finished: deque[Run] = deque()
    for run in runs:
        if run.tasks_total is not None and known.standing_of(run.id) >= run.tasks_total:
            finished.append(run)
            known.runs_set_aside += 1
        else:
            yield run
    while finished:
        known.runs_set_aside -= 1
        yield finished.popleft()


def _values(batches: Sequence[pa.RecordBatch], names: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    """These columns of all batches, row by row."""
    table = pa.Table.from_batches([batch.select(names) for batch in batches]).combine_chunks()
    return zip(*(column.to_pylist() for column in table.columns), strict=True)
