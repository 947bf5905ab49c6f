"""What is written when a batch has ended: the answer, its report, and what it cost."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

from budget.errors import RunDirectoryError
from jobs.job import Job
from jobs.performed import ExitStatus, Performed, exit_status
from jobs.request import Request
from jobs.sharded import JobWork
from orchestrator.batch_run import Ending
from orchestrator.model_use import ModelUse
from orchestrator.runs import Run, State
from orchestrator.spend import Spend, spend_of
from orchestrator.store import REPORT, SUMMARY, RunDirectory
from orchestrator.synthesis import Head, Money, encoded

log = logging.getLogger("muster")


@dataclass(frozen=True, slots=True, kw_only=True)
class Closing:
    """What a batch came to. `records` are those of its runs by their ids; `last` is the last run, where one was wanted.

    `head` is all but how the batch ended: that is said here.
    """

    job: Job
    directory: RunDirectory
    ending: Ending
    head: Head
    records: Mapping[str, Any]
    last: tuple[Run, State] | None

    def performed(self, *, min_fraction: float) -> Performed:
        """Write it, and say what came of it. `min_fraction`: of the tasks, that must be answered for a quorum."""
        ending = self.ending
        status = exit_status(ending, min_fraction=min_fraction)
        summary = self._summary(status, ending.stopped)
        try:
            report = self._written(summary)
        except RunDirectoryError as error:  # what was answered is kept, and `muster resume` writes it
            status = ExitStatus.INTERRUPTED if ending.interrupted else ExitStatus.NOTHING_USABLE
            summary, report = self._summary(status, ending.stopped or str(error)), f"not written: {error}"
        return Performed(status, summary, report, self.job.headline(summary))

    def _summary(self, status: ExitStatus, why: str) -> Mapping[str, Any]:
        said = status.name.lower()
        head = replace(self.head, status=f"{said}: {why}" if why else said)
        return self.job.summarize(head, self.records, self.last)

    def _written(self, summary: Mapping[str, Any]) -> str:
        """The answer's files, and Parquet of a batch that has come to its end. Gives the report's name.

        The summary comes last: where it is, the rest is. Raises RunDirectoryError when there is no room for them;
        without room for Parquet, and where somebody wants the process to end, the segments stay.
        """
        parts = (part.encode("utf-8", "replace") for part in self.job.report(summary))
        report = self.directory.write_parts(REPORT, parts)
        self.directory.write_parts(SUMMARY, encoded(summary))
        if not self.ending.interrupted:
            self.directory.compact_where_there_is_room()
        return report


def head_of(request: Request, work: JobWork, ending: Ending, *, spend: Spend, use: ModelUse, elapsed_s: float) -> Head:
    """What the batch was, for its summary; how it ended is not said yet."""
    return Head(
        run_id=work.batch_id,
        question=work.plan.question,
        model=request.settings.model,
        mode=request.settings.mode,
        status="",
        elapsed_s=elapsed_s,
        money=_money(ending, spend),
        models=use.models(request.model.price_of, _assigned(request)),
        cache=use.cache(),
    )


def spend_in(directory: RunDirectory) -> Spend:
    """Where the money went, as outcomes tell; nothing of it where they cannot be read just now."""
    try:
        return spend_of(chain(directory.outcomes(), directory.history()))
    except RunDirectoryError as error:
        log.warning("the report does not say where the money went: %s", error)
        return spend_of(())


def _assigned(request: Request) -> dict[str, str]:
    """The model that each specialist was to work with."""
    everybody = (*request.job.specialists, *request.job.leads)
    return {specialist.name: request.model.assigned(specialist).model for specialist in everybody}


def _money(ending: Ending, spend: Spend) -> Money:
    return Money(
        limit_tokens=ending.standing.limit.tokens,
        spent_tokens=ending.standing.spent.tokens,
        limit_microusd=ending.standing.limit.microusd,
        spent_microusd=ending.standing.spent.microusd,
        charged_unseen_tokens=ending.standing.unseen.tokens,
        returned_tokens=ending.standing.returned.tokens,
        spend=spend,
    )
