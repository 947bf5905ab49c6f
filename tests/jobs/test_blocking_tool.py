"""A tool that blocks its thread for ever holds up neither its siblings nor the program's end."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PROGRAM = '''
import threading
from pydantic import BaseModel
from actors import Call, Specialist, threads, tool
from orchestrator import Settings, dispatch

class Seen(BaseModel):
    ok: bool

@tool
def stuck(name: str) -> bool:
    """Waits for what never comes, for one name."""
    if name == "bad":
        threading.Event().wait()
    return True

def rules(inputs, answered):
    return Seen(ok=True) if answered else [Call("stuck", {"name": inputs["name"]})]

agent = Specialist(name="agent", purpose="Waits.", prompt="Wait.", output=Seen, tools=(stuck,), analyst=rules)
plan = [agent.task(name, "wait", inputs={"name": name}, deadline_s=0.5) for name in ("bad", "good", "fine")]
report = dispatch(plan, specialists=[agent], settings=Settings(mode="local"))
print([result.task_id for result in report.results], report.failures[0].reason.value, threads.busy(), flush=True)
import os
os._exit(0)
'''


def test_a_tool_that_never_returns_is_a_timeout_and_the_batch_ends(tmp_path: Path) -> None:
    """Its thread is left behind; the report is there, and the command does not wait for it."""
    (tmp_path / "program.py").write_text(PROGRAM)

    ended = subprocess.run(
        [sys.executable, "program.py"], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True
    )

    assert ended.stdout.strip() == "['fine', 'good'] timeout 1"
