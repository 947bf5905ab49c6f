"""Where a batch stands, in numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from copy import copy
from dataclasses import dataclass, field, fields
from typing import cast

from actors.tables import OK, OutcomeRows


@dataclass(slots=True)
class Tally:
    """Where a batch stands, for progress and for the end."""

    runs_finished: int = 0
    runs_admitted: int = 0
    tasks_planned: int = 0
    tasks_in_flight: int = 0  # at work, as their hosts said last
    statuses: Counter[str] = field(default_factory=Counter)
    spent_tokens: int = 0
    cost_microusd: int | None = 0

    def go_on_from(self, other: Tally) -> None:
        """What `other` has counted was before."""
        for one in fields(other):
            setattr(self, one.name, copy(getattr(other, one.name)))

    def count(self, rows: OutcomeRows) -> None:
        self.add(rows.column("status"), rows.column("spent_tokens"), rows.column("cost_microusd"))

    def add(self, statuses: Sequence[str], spent_tokens: Sequence[int], costs: Sequence[int | None]) -> None:
        self.statuses.update(statuses)
        self.spent_tokens += sum(spent_tokens)
        unknown = self.cost_microusd is None or None in costs
        self.cost_microusd = None if unknown else cast(int, self.cost_microusd) + sum(cast(Sequence[int], costs))

    def take(self, statuses: Sequence[str], spent_tokens: Sequence[int], costs: Sequence[int | None]) -> None:
        """The opposite of `add`."""
        self.statuses.subtract(statuses)
        self.spent_tokens -= sum(spent_tokens)
        if self.cost_microusd is not None:
            self.cost_microusd -= sum(cast(Sequence[int], costs))

    @property
    def succeeded(self) -> int:
        return self.statuses[OK]


def together(tallies: Iterable[Tally]) -> Tally:
    """Several tallies as one."""
    sums = Tally()
    for tally in tallies:
        sums.runs_finished += tally.runs_finished
        sums.runs_admitted += tally.runs_admitted
        sums.tasks_planned += tally.tasks_planned
        sums.tasks_in_flight += tally.tasks_in_flight
        sums.statuses.update(tally.statuses)
        sums.add([], [tally.spent_tokens], [tally.cost_microusd])
    return sums
