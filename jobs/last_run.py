"""The last run of a batch, over the records of all others: what it may take, and what it came to."""

from __future__ import annotations

from dataclasses import dataclass

from jobs.sharded import JobWork
from orchestrator.batch_synthesis import Bounds
from orchestrator.runs import Run, State
from orchestrator.settings import Settings
from orchestrator.shards import Gathered
from orchestrator.tally import Tally


@dataclass(slots=True)
class LastRun:
    """`concluded` is the run as it ended, once it has. `gathered` has the records by the time that it is made."""

    work: JobWork
    gathered: Gathered
    concluded: tuple[Run, State] | None = None

    @property
    def wanted(self) -> bool:
        """Whether there is to be one: the settings say so, and the job has specialists for it."""
        return self.work.settings.synthesis == "tree" and bool(self.work.job.leads)

    def made(self, tally: Tally) -> Run:
        """`tally`: what all other runs came to."""
        return self.work.job.last_run(self.gathered.records, self._bounds(tally))

    def ended(self, run: Run, state: State) -> None:
        """Keep what it came to, and count which models it asked."""
        self.gathered.use.add(state.outcomes.values())
        self.concluded = self.concluded or (run, state)

    def conclude(self, tally: Tally) -> None:
        """The batch is over. Where the run never began, rules write its page from the records that there are."""
        if self.wanted and self.concluded is None:
            self.concluded = self.made(tally), State()

    def _bounds(self, tally: Tally) -> Bounds:
        return bounds_of(self.work.settings, self.work.batch_id, tally)


def bounds_of(settings: Settings, batch_id: str, tally: Tally) -> Bounds:
    """What the last run's tasks may take: as much as a run, out of what the batch has left."""
    return Bounds(
        batch_id=batch_id,
        tokens_per_task=settings.tokens_per_run,
        tokens_left=None if settings.tokens_max is None else max(0, settings.tokens_max - tally.spent_tokens),
        deadline_s=settings.deadline_s,
        priority=tally.runs_admitted,
        waits=settings.on_exhausted == "wait",
    )
