"""A batch that several drivers share: who does which runs, under which part of the limits, and what it comes to.

Values only. What a driver does with its shard is in shard_driver.py, who looks after the drivers in drivers.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import floor
from typing import Any, Protocol, TypeVar

from actors.contracts import Reason
from actors.specialists.base import Specialist
from orchestrator.known_outcomes import Known
from orchestrator.model_use import ModelUse
from orchestrator.runs import Finish, Run, Runs, State
from orchestrator.settings import Settings
from orchestrator.tally import Tally

T = TypeVar("T")

STRETCH_MAX = 64  # neighbours share repositories and trackers, which each driver's hosts read for themselves
STRETCHES_MIN = 8  # of each driver, so that a slow part of the batch is everybody's
DEATHS_MAX = 3  # of a shard's drivers, one after the other, without a run that ends in between


@dataclass(frozen=True, slots=True)
class Shard:
    """One driver's part of a batch of `total` runs: every `of`-th stretch of neighbours, from stretch `number` on."""

    number: int = 0
    of: int = 1
    total: int = 0

    def has(self, place: int) -> bool:
        """Whether the run at this place of the batch, from 0, is in it."""
        return place // self._stretch % self.of == self.number

    def pick(self, runs: Iterable[T]) -> Iterator[T]:
        """Those of all runs, in their order, that are in it."""
        return (run for place, run in enumerate(runs) if self.has(place))

    @property
    def _stretch(self) -> int:
        return max(1, min(STRETCH_MAX, self.total // (self.of * STRETCHES_MIN)))


class Work(Protocol):
    """A batch's runs, and what is kept of each until the end. It travels to the drivers, so it is small."""

    def runs(self, shard: Shard) -> Iterator[Run]: ...

    def record(self, run: Run, state: State) -> Any: ...


@dataclass(slots=True)
class Gathered:
    """What a batch's runs have come to so far: a record of each by its id, and the models' part in them."""

    records: dict[str, Any] = field(default_factory=dict)
    tally: Tally = field(default_factory=Tally)
    use: ModelUse = field(default_factory=ModelUse)

    def add(self, work: Work, run: Run, state: State) -> None:
        self.records[run.id] = work.record(run, state)
        self.use.add(state.outcomes.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """What a driver has to say: records since the last time, and sums over all of its runs.

    `shown` is the tally with what is known of runs that had no turn yet. `stopped` says why it ended early, `broken`
    that it can keep no more outcomes. `ended`: there is nothing to follow.
    """

    records: Sequence[tuple[str, Any]] = ()
    tally: Tally = field(default_factory=Tally)
    shown: Tally = field(default_factory=Tally)
    use: ModelUse = field(default_factory=ModelUse)
    stopped: str = ""
    broken: bool = False
    ended: bool = False


@dataclass(slots=True)
class Deaths:
    """A shard's drivers that died. Another takes over, as long as runs end between one death and the next."""

    in_a_row: int = 0
    _runs_finished: int = 0

    def one_more(self, runs_finished: int) -> bool:
        """A driver died when so many of the shard's runs had ended. Whether another one shall try."""
        self.in_a_row = 1 if runs_finished > self._runs_finished else self.in_a_row + 1
        self._runs_finished = max(runs_finished, self._runs_finished)
        return self.in_a_row < DEATHS_MAX


def share_of(settings: Settings, shard: Shard, *, batch_deadline_s: float | None) -> Settings:
    """What one driver may use of a batch's limits. Sessions and hosts are dealt out; each has a host of every agent."""
    return replace(
        settings,
        drivers=1,
        sessions_max=_dealt(settings.sessions_max, shard),
        hosts_per_agent=max(1, _dealt(settings.hosts_per_agent, shard)),
        batch_deadline_s=batch_deadline_s,
    )


def squeezed(specialists: Sequence[Specialist], *, drivers: int, cpus: float) -> list[Specialist]:
    """Specialists whose hosts, one of each for every driver, fit a machine that is theirs alone.

    What a host claims says how it is placed, not how much it gets, so on one machine all claims may shrink alike.
    """
    wanted = drivers * sum(specialist.resources.num_cpus for specialist in specialists)
    share = min(1.0, cpus / wanted) if wanted else 1.0
    return [
        replace(one, resources=replace(one.resources, num_cpus=floor(one.resources.num_cpus * share * 1e4) / 1e4))
        for one in specialists
    ]


def room_lacking(specialists: Sequence[Specialist], there: Mapping[str, float], *, drivers: int) -> str:
    """What hosts, one of each specialist for every driver, claim over what is `there`, in words; "" when they fit."""
    wanted = {
        "CPU": drivers * sum(specialist.resources.num_cpus for specialist in specialists),
        "memory": drivers * sum(specialist.resources.memory_bytes for specialist in specialists),
    }
    lacking = [
        f"{amount:,.7g} of {name} and the cluster has {there.get(name, 0.0):,.7g}"
        for name, amount in wanted.items()
        if amount > there.get(name, 0.0)
    ]
    return f"hosts of {drivers} drivers claim {'; '.join(lacking)}" if lacking else ""


def used_together(uses: Iterable[ModelUse]) -> ModelUse:
    """All drivers' models as one."""
    sums = ModelUse()
    for use in uses:
        sums.merge(use)
    return sums


def replayed(runs: Iterable[Run], known: Known, work: Work) -> Gathered:
    """What outcomes that are known make of runs, with nobody to go on with them.

    A run that is not known to its end has the record of what there is; its tasks that came to nothing count as
    cancelled.
    """
    gathered = Gathered()
    for run in runs:
        state, finished = state_of(run, known)
        gathered.add(work, run, state)
        _count(gathered.tally, state, finished, known)
    return gathered


def state_of(run: Run, known: Known) -> tuple[State, bool]:
    """What is known of a run, and whether that is all of it."""
    runs = Runs()
    step = runs.admit(run)
    while not isinstance(step, Finish):
        ready = [task for task in step if known.has_row(task.id)]
        if not ready:
            break
        ids = [task.id for task in ready]
        step = runs.end(ids, [run.id] * len(ids), known.rows(ready))[run.id]
    return runs.close(run.id)[1], isinstance(step, Finish)


def _count(tally: Tally, state: State, finished: bool, known: Known) -> None:
    ended = [task for task in state.planned.values() if known.has_row(task.id)]
    tally.runs_admitted += 1
    tally.runs_finished += finished
    tally.tasks_planned += len(state.planned)
    for status, spent_tokens, cost_microusd in known.figures(ended):
        tally.add([status], [spent_tokens], [cost_microusd])
    tally.statuses += Counter({Reason.CANCELLED.value: len(state.planned) - len(ended)})


def _dealt(count: int, shard: Shard) -> int:
    return count // shard.of + (shard.number < count % shard.of)
