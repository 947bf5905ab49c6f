"""A program that is killed in the middle of its batch: the same call goes on where it was."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from orchestrator.store import RunDirectory

HELD_TOKENS = 50_000  # of a task, while it works

PROGRAM = """
import asyncio, json, sys
from pydantic import BaseModel
from actors import ScriptedModel, Specialist
from actors.models.scripted import says
from orchestrator import Settings, dispatch

class Total(BaseModel):
    total: int

async def script(request):
    if len(sys.argv) > 1 and int(str(request.messages[0]).split("number ")[1].split(" ")[0]) >= 30:
        print("half of it", flush=True)
        await asyncio.Event().wait()
    with open("asked", "a") as asked:
        asked.write("x")
    return says('{"total": 5}')

adder = Specialist(name="adder", purpose="Adds.", prompt="Add.", output=Total)
tasks = [adder.task(f"t{n}", f"What is number {n} ?") for n in range(60)]
settings = Settings(mode="local", sessions_max=4)
given = {"specialists": [adder], "model": ScriptedModel(script), "settings": settings}
report = dispatch(tasks, **given, run_dir="run", resume=True)
print(json.dumps([len(report.results), report.spent_tokens, report.outcomes.num_rows]))
"""


def test_a_killed_program_goes_on_where_it_was(tmp_path: Path) -> None:
    """What had an outcome is not asked again, and what the dead had set aside is charged."""
    (tmp_path / "program.py").write_text(PROGRAM)
    command = [sys.executable, "program.py"]
    with subprocess.Popen([*command, "stuck"], cwd=tmp_path, stdout=subprocess.PIPE, text=True) as killed:
        assert killed.stdout is not None
        assert killed.stdout.readline() == "half of it\n"
        killed.kill()
    kept = RunDirectory.look(tmp_path / "run").effective().num_rows

    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True)

    answered, spent_tokens, rows = json.loads(ended.stdout.splitlines()[-1])
    assert 0 < kept <= 30
    assert (answered, rows) == (60, 60)
    assert len((tmp_path / "asked").read_text()) == 30 + (60 - kept)
    assert spent_tokens >= HELD_TOKENS
