"""How soon a resumed batch works again: `python benchmarks/resume.py --outcomes 100000 --json`.

first_call_s       from opening the run directory to the first model call for a task that has no outcome
all_told_s         until the batch is at its end, every known run told of
bytes_per_outcome  what the segments take on the disk
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from pathlib import Path

from pydantic import BaseModel

from actors import ModelReply, ModelRequest, ScriptedModel, Specialist
from actors.contracts import Result, Task, Usage, Work
from actors.models.scripted import says
from actors.tables import outcome_batch
from budget import Limit
from orchestrator.batch import Batch
from orchestrator.batch_run import run_batch
from orchestrator.known_outcomes import Earlier, Known
from orchestrator.patterns import FanOut
from orchestrator.runs import Run
from orchestrator.settings import Settings
from orchestrator.store import RunDirectory

TASKS_PER_RUN = 4
ROWS_PER_SEGMENT = 1_000


class Count(BaseModel):
    words: int


COUNTER = Specialist(name="counter", purpose="Counts.", prompt="Count.", output=Count)


def tasks_of(run: int) -> tuple[Task, ...]:
    return tuple(COUNTER.task(f"run-{run}/{n}", "How many?", run_id=f"run-{run}") for n in range(TASKS_PER_RUN))


def write(folder: Path, outcomes: int) -> None:
    """A run directory as a killed driver leaves it."""
    directory = RunDirectory.create(folder, manifest={})
    rows: list[Result] = []
    for run in range(outcomes // TASKS_PER_RUN):
        for task in tasks_of(run):
            work = Work(model="scripted", usage=Usage(900, 120), spent_tokens=1_020, host="counter-1")
            answer = '{"words":1}'
            rows.append(
                Result(task_id=task.id, run_id=task.run_id, agent="counter", attempt=1, answer=answer, work=work)
            )
        if len(rows) >= ROWS_PER_SEGMENT:
            directory.append_outcomes([outcome_batch(rows)])
            rows = []
    if rows:
        directory.append_outcomes([outcome_batch(rows)])
    directory.close()


def resume(folder: Path, outcomes: int) -> tuple[float, float]:
    called_s: list[float] = []

    def script(_: ModelRequest) -> ModelReply:
        called_s.append(time.perf_counter())
        return says('{"words": 1}')

    began_s = time.perf_counter()
    directory = RunDirectory.reopen(folder)
    earlier = Earlier(Known.of(directory.outcomes()), Limit())
    batch = Batch(
        id="batch",
        specialists=[COUNTER],
        model=lambda _: ScriptedModel(script),
        settings=Settings(mode="local", model="scripted"),
    )
    runs = (Run(id=f"run-{run}", pattern=FanOut(tasks_of(run))) for run in range(outcomes // TASKS_PER_RUN + 1))
    told = 0

    def finished(*_: object) -> None:
        nonlocal told
        told += 1

    asyncio.run(run_batch(batch, runs, directory, finished=finished, earlier=earlier))
    assert told == outcomes // TASKS_PER_RUN + 1, told
    assert len(called_s) == TASKS_PER_RUN, called_s
    return called_s[0] - began_s, time.perf_counter() - began_s


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--outcomes", type=int, default=100_000)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="muster-resume-") as scratch:
        folder = Path(scratch) / "run"
        write(folder, given.outcomes)
        stored = sum(file.stat().st_size for file in (folder / "outcomes").iterdir())
        first_s, all_s = resume(folder, given.outcomes)
    figures = {
        "outcomes": given.outcomes,
        "first_call_s": round(first_s, 2),
        "all_told_s": round(all_s, 2),
        "bytes_per_outcome": round(stored / max(1, given.outcomes)),
    }
    print(json.dumps(figures) if given.json else "\n".join(f"{name:<18} {value}" for name, value in figures.items()))


if __name__ == "__main__":
    main()
