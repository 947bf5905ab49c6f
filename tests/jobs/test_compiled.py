"""What is compiled comes to the same as its source, in a process of each kind."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("budget", "actors", "orchestrator", "jobs")
SUSPENDS = (ast.Await, ast.AsyncFor, ast.AsyncWith, ast.Yield, ast.YieldFrom)

PROGRAM = '''
import asyncio
from pydantic import BaseModel
from actors import ModelReply, Specialist, ToolResult, runner, tool
from actors.models.scripted import calls, says
from orchestrator import Settings, dispatch

class Count(BaseModel):
    n: int

@tool
async def count(of: str) -> int:
    """Counts, for ever where it is asked for the sea's."""
    if of == "sea":
        await asyncio.Event().wait()
    if of == "sand":
        raise ValueError("password=hunter22secret")
    return len(of)

class Stub:
    async def reply(self, request) -> ModelReply:
        text = str(request.messages[0])
        last = request.messages[-1].blocks[0]
        word = next(word for word in ("sand", "sea", "wrong", "again", "lost", "word") if word in text)
        if word == "lost":
            raise RuntimeError("the line is dead")
        if word == "wrong" or (isinstance(last, ToolResult) and word != "again"):
            return says('{"n": 3}' if word != "wrong" else "no idea")
        said = calls("count", of=word)
        return said._replace(blocks=[*said.blocks], model=None)  # as a client of one's own may say it

counter = Specialist(name="counter", purpose="Counts.", prompt="Count.", output=Count, tools=(count,))
plan = [
    counter.task(f"{word}-{n}", f"How many {word}?", deadline_s=1.0 if word == "sea" else 30.0)
    for n in range(8) for word in ("word", "sand", "sea", "wrong", "again", "lost")
]
report = dispatch(plan, specialists=[counter], model=lambda _: Stub(), settings=Settings(mode="local", sessions_max=6))
for one in sorted([*report.results, *report.failures], key=lambda one: one.task_id):
    work = one.work
    said = getattr(one, "answer", None) or (one.reason.value, one.message, one.found)
    print(one.task_id, one.attempt, said, work.spent_tokens, work.model_calls, work.tool_calls, len(work.spans))
print(runner.__file__)
'''


def compiled() -> list[str]:
    """The sources that setup.py compiles."""
    for node in ast.parse((ROOT / "setup.py").read_text()).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "COMPILED":
            return list(ast.literal_eval(node.value))
    raise AssertionError("setup.py names nothing that is compiled")


def said(tree: Path) -> list[str]:
    """What the program prints with the packages of `tree`, a line each."""
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=tree, env={**os.environ, "PYTHONPATH": str(tree)},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr[-2_000:]
    return ended.stdout.splitlines()


def test_machine_code_and_python_come_to_the_same(tmp_path: Path) -> None:
    """Answers, failures of each kind, what they say, what was spent and what was found."""
    if not list(ROOT.glob("budget/compiled__mypyc*.so")):
        pytest.skip("nothing is compiled here: there is no C compiler, or it was said so (make pure)")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("*.so", "__pycache__"))

    *fast, fast_file = said(ROOT)
    *slow, slow_file = said(tmp_path)

    assert fast_file.endswith(".so")
    assert slow_file == str(tmp_path / "actors" / "runner.py")
    assert len(fast) == 8 * 6
    assert fast == slow


def test_all_of_it_is_compiled_or_nothing() -> None:
    """A module that is left out by mistake would be slow, and nobody would know."""
    modules = (path for package in PACKAGES for path in ROOT.glob(f"{package}/*.so") if "__mypyc" not in path.name)
    built = {path.relative_to(ROOT).with_name(f"{path.name.partition('.')[0]}.py") for path in modules}
    named = {Path(source) for source in compiled()}

    assert all((ROOT / source).is_file() for source in named)
    assert built in (set(), named)


def test_nothing_compiled_waits_while_it_handles_an_error() -> None:
    """All other tasks of the loop would have that error as theirs: as the cause of what they raise, and kept alive."""
    for source in compiled():
        for node in ast.walk(ast.parse((ROOT / source).read_text())):
            if isinstance(node, ast.Try):
                handling = [line for handler in node.handlers for line in handler.body] + node.finalbody
                waits = [one for line in handling for one in ast.walk(line) if isinstance(one, SUSPENDS)]
                assert not waits, f"{source}:{waits[0].lineno}"
