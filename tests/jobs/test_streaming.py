"""A batch as a stream: runs come in as hosts have room, results go out while others start."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
from pydantic import BaseModel

from actors.contracts import Usage
from actors.models.base import ModelReply, ModelRequest, StopReason, Text
from actors.models.scripted import ScriptedModel
from actors.specialists.base import Specialist
from jobs.performed import ExitStatus, exit_status
from orchestrator.admission import ADMITTED_AT_ONCE
from orchestrator.batch import Batch
from orchestrator.batch_run import run_batch
from orchestrator.patterns import FanOut
from orchestrator.runs import Run, State
from orchestrator.settings import Settings
from orchestrator.shards import Gathered, Shard
from orchestrator.shared_batch import run_work
from orchestrator.store import RunDirectory
from orchestrator.tally import Tally

RUNS, AHEAD = 600, 64


class Count(BaseModel):
    n: int


READER = Specialist(name="reader", purpose="counts", prompt="Count.", output=Count)


def reply(_: ModelRequest) -> ModelReply:
    return ModelReply(blocks=(Text('{"n":3}'),), usage=Usage(10, 2), model="stub", stop_reason=StopReason.END_TURN)


class Source:
    """Runs made one by one, counting how many were asked for."""

    def __init__(self) -> None:
        self.taken = 0

    def __iter__(self) -> Iterator[Run]:
        for number in range(RUNS):
            self.taken += 1
            run_id = f"run-{number:04d}"
            yield Run(id=run_id, pattern=FanOut((READER.task(f"{run_id}/reader", "Count.", run_id=run_id),)))


def carried_out(folder: Path, source: Source, finished: list[str], seen: list[tuple[int, ...]]) -> None:
    """A whole batch; at each report of progress, what a reader beside it sees, what had ended, and what was taken."""
    settings = Settings(mode="local", sessions_max=16, runs_ahead=AHEAD)
    batch = Batch(id="b", specialists=[READER], model=lambda _: ScriptedModel(reply), settings=settings)
    directory = RunDirectory.create(folder, manifest={"schema": "muster.run/1"})

    def progress(tally: Tally) -> None:
        rows = RunDirectory.look(folder).effective()  # noqa: F841  (DuckDB finds it by its name)
        read = duckdb.sql("SELECT count(*), count(answer) FROM rows").fetchall()[0]
        seen.append((*read, sum(tally.statuses.values()), source.taken, len(finished)))

    def ended(run: Run, _: State) -> None:
        finished.append(run.id)

    asyncio.run(run_batch(batch, iter(source), directory, finished=ended, progress=progress))
    directory.close()


def test_results_are_read_while_the_batch_runs_and_runs_are_taken_as_there_is_room(tmp_path: Path) -> None:
    """A reader sees every outcome that has been counted, complete, long before the end; the source is not run ahead of.

    Runs are held from their admission to their finish: at most `runs_ahead` of them, and those taken in one go.
    """
    source, finished, seen = Source(), [], []  # type: ignore[var-annotated]

    carried_out(tmp_path / "run", source, finished, seen)

    assert len(finished) == RUNS
    assert all(rows == answers == counted for rows, answers, counted, _, _ in seen)
    assert any(0 < rows < RUNS for rows, *_ in seen)
    assert all(taken - done <= AHEAD + ADMITTED_AT_ONCE for *_, taken, done in seen)


@dataclass
class Counting:
    """Work of which nothing but the number of ended tasks is kept."""

    source: Source = field(default_factory=Source)

    def runs(self, _: Shard) -> Iterator[Run]:
        return iter(self.source)

    def record(self, _: Run, state: State) -> int:
        return state.ended


def test_runs_that_a_deadline_left_no_time_for_count_as_not_answered(tmp_path: Path) -> None:
    """A quorum is one of all that was asked, not of what was begun."""

    answered = itertools.count()

    async def soon_silent(request: ModelRequest) -> ModelReply:
        if next(answered) >= 8:
            await asyncio.Event().wait()
        return reply(request)

    settings = Settings(mode="local", sessions_max=4, runs_ahead=4, batch_deadline_s=2.0)
    batch = Batch(id="b", specialists=[READER], model=lambda _: ScriptedModel(soon_silent), settings=settings)
    directory = RunDirectory.create(tmp_path / "run", manifest={"schema": "muster.run/1"})
    gathered = Gathered()

    ending = asyncio.run(
        run_work(batch, Counting(), directory, run_dir=tmp_path / "run", runs_total=RUNS, gathered=gathered)
    )
    directory.close()

    assert "deadline" in ending.stopped
    assert ending.tally.succeeded == 8
    assert sum(ending.tally.statuses.values()) == len(gathered.records) == RUNS
    assert exit_status(ending, min_fraction=0.7) is ExitStatus.BELOW_QUORUM
