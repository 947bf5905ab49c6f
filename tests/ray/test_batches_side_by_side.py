"""Batches of one process share its embedded Ray, which ends with the last of them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCRIPT = """
import asyncio
from concurrent.futures import ThreadPoolExecutor

import ray
from pydantic import BaseModel

from actors import ScriptedModel, Specialist
from actors.models.scripted import says
from orchestrator import Settings, dispatch


class Note(BaseModel):
    text: str


def answered(tasks, reply_s):
    async def reply(_):
        await asyncio.sleep(reply_s)
        return says('{"text": "x"}')

    writer = Specialist(name="writer", purpose="Writes.", prompt="Write.", output=Note)
    plan = [writer.task(f"t{n}", "Write.") for n in range(tasks)]
    report = dispatch(plan, specialists=[writer], model=ScriptedModel(reply), settings=Settings(mode="embedded"))
    return len(report.results)


with ThreadPoolExecutor(2) as threads:
    short, long = threads.submit(answered, 2, 0.0), threads.submit(answered, 12, 1.0)
    print(short.result(), long.result(), ray.is_initialized())
"""


def test_a_batch_that_ends_leaves_ray_to_those_that_go_on(tmp_path: Path) -> None:
    """The first to end does not take it from under the other, and the last one leaves nothing behind."""
    (tmp_path / "two.py").write_text(SCRIPT)

    ended = subprocess.run(
        [sys.executable, "two.py"], cwd=tmp_path, capture_output=True, text=True, timeout=180, check=False
    )

    assert ended.stdout.splitlines()[-1:] == ["2 12 False"], ended.stderr
