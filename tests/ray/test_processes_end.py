"""Whatever ends the command, nothing of the Ray that it started stays behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from orchestrator.reaper import family, processes
from support.left_processes import left_of

PROGRAM = """
import asyncio, sys
from pathlib import Path
from pydantic import BaseModel
from actors import Specialist
from orchestrator import Settings
from orchestrator.batch import Batch
from orchestrator.batch_run import run_batch
from orchestrator.patterns import FanOut
from orchestrator.runs import Run
from orchestrator.store import RunDirectory

class Count(BaseModel):
    words: int

class Slow:
    async def reply(self, request):
        await asyncio.sleep(600.0)

counter = Specialist(name="counter", purpose="Counts.", prompt="Count.", output=Count)
plan = FanOut(tuple(counter.task(f"task-{n}", "count", run_id="run", deadline_s=900.0) for n in range(4)))
settings = Settings(mode="embedded", model="slow")

def progress(tally):
    if tally.tasks_in_flight:
        print("at work", flush=True)

async def main():
    directory = RunDirectory.create(Path(sys.argv[1]), manifest={})
    batch = Batch(id="batch", specialists=[counter], model=lambda _: Slow(), settings=settings)
    ending = await run_batch(batch, iter([Run(id="run", pattern=plan)]), directory, finished=lambda *_: None,
                             progress=progress)
    print(ending.stopped, dict(ending.tally.statuses), flush=True)

asyncio.run(main())
"""


def started(folder: Path) -> tuple[subprocess.Popen[str], dict[int, str]]:
    """A batch whose sub-agents wait for ever, and all processes (with their start times) that belong to it."""
    (folder / "program.py").write_text(PROGRAM)
    command = [sys.executable, str(folder / "program.py"), str(folder / "run")]
    path = os.pathsep.join(part for part in sys.path if part)
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": path})
    assert process.stdout is not None
    assert process.stdout.readline() == "at work\n"
    known = processes()
    ours = {pid: known[pid][1] for pid in family({process.pid: known[process.pid][1]}) if pid in known}
    assert len(ours) > 5, "a driver, Ray's own, a host and a budget"
    return process, ours


@pytest.mark.parametrize("signals", [[signal.SIGKILL], [signal.SIGINT, signal.SIGINT], [signal.SIGINT]])
def test_nothing_of_an_embedded_ray_outlives_its_driver(signals: list[signal.Signals], tmp_path: Path) -> None:
    """Killed, ended at once, or in good order: raylet, agents, hosts and the budget are gone within a moment."""
    process, ours = started(tmp_path)

    for number in signals:
        process.send_signal(number)
        time.sleep(0.2)
    said = process.stdout.read() if process.stdout else ""
    status = process.wait()

    assert left_of(ours) == []
    assert status == {1: -signal.SIGKILL, 2: 130}.get(len(signals)) or "interrupted by SIGINT" in said
