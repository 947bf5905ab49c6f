"""A task that holds the event loop of the only process: it is found out, and the rest can go on."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

from actors.contracts import Reason
from orchestrator.store import RunDirectory

PROGRAM = """
import asyncio, os, sys, time
from pathlib import Path
from pydantic import BaseModel
from actors import Specialist
from actors.models.scripted import ScriptedModel, says
from orchestrator import Settings
from orchestrator.batch import Batch
from orchestrator.batch_run import run_batch
from orchestrator.patterns import FanOut
from orchestrator.runs import Run
from orchestrator.store import RunDirectory

class Count(BaseModel):
    words: int

def reply(request):
    if "bad" in request.messages[0].blocks[0].text:
        print("bad", flush=True)
        while True:
            pass
    return says('{"words": 1}')

def blocked(said):
    print(said, flush=True)
    os._exit(130)

counter = Specialist(name="counter", purpose="Counts.", prompt="Count.", output=Count)
words = sys.argv[3].split()
plan = [counter.task(word, word, run_id="run", deadline_s=float(sys.argv[2])) for word in words]
settings = Settings(mode="local", model="scripted", sessions_max=1, grace_s=1.0)
model = lambda _: ScriptedModel(reply)
batch = Batch(id="batch", specialists=[counter], model=model, settings=settings, blocked=blocked)
directory = RunDirectory.create(Path(sys.argv[1]), manifest={})

def planned():
    time.sleep(float(sys.argv[4]))
    yield Run(id="run", pattern=FanOut(tuple(plan)))

runs = planned()
asyncio.run(run_batch(batch, runs, directory, finished=lambda *_: None))
"""


def started(
    folder: Path, deadline_s: float, words: str = "good bad fine late", planning_s: float = 0.0
) -> subprocess.Popen[str]:
    (folder / "program.py").write_text(PROGRAM)
    command = [sys.executable, str(folder / "program.py"), str(folder / "run"), str(deadline_s), words, str(planning_s)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def outcomes_in(run_dir: Path) -> dict[str, str]:
    rows = RunDirectory.look(run_dir).effective()
    return dict(zip(rows["task_id"].to_pylist(), rows["status"].to_pylist(), strict=True))


def test_a_task_that_spins_is_recorded_as_lost_and_what_was_finished_is_kept(tmp_path: Path) -> None:
    """After deadline and grace: one sentence that names it; a resumed run does not meet it again."""
    process = started(tmp_path, deadline_s=1.0)

    said, _ = process.communicate(timeout=60.0)

    assert process.returncode == 130
    assert "task 'bad' has held the event loop" in said
    assert "muster resume" in said
    assert outcomes_in(tmp_path / "run") == {"good": "ok", "bad": Reason.HOST_LOST}


def test_who_interrupts_a_blocked_process_is_not_kept_waiting(tmp_path: Path) -> None:
    """Its deadline is far away; the signal counts, and the task goes again when the run is resumed."""
    process = started(tmp_path, deadline_s=600.0)
    assert process.stdout is not None
    assert process.stdout.readline() == "bad\n"
    time.sleep(0.5)

    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=60.0)

    assert process.returncode == 130
    assert "task 'bad' has held the event loop" in said
    assert outcomes_in(tmp_path / "run") == {"good": "ok"}


def test_long_work_of_our_own_ends_by_itself(tmp_path: Path) -> None:
    """Planning may hold the loop for longer than any task may: nobody is to blame, and the batch goes on."""
    process = started(tmp_path, deadline_s=0.5, words="good fine", planning_s=4.0)

    said, _ = process.communicate(timeout=60.0)

    assert (process.returncode, said) == (0, "")
    assert outcomes_in(tmp_path / "run") == {"good": "ok", "fine": "ok"}
