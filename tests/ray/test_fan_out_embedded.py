"""What the page for programmers shows, on an embedded Ray."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parents[2] / "docs" / "extending.md"


def test_the_example_of_a_fan_out_runs_on_an_embedded_ray_as_a_script(tmp_path: Path) -> None:
    """One word is another; the tool and the model that the script defines travel to the hosts."""
    (example,) = [one for one in re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL) if "class Stub" in one]
    assert 'mode="local"' in example
    (tmp_path / "example.py").write_text(example.replace('mode="local"', 'mode="embedded"'))

    ended = subprocess.run(
        [sys.executable, "example.py"], cwd=tmp_path, capture_output=True, text=True, timeout=180, check=False
    )

    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines()[-1].startswith("1000 {'total': 5} 440000 ")


PROGRAM = """
import sys
sys.path.insert(0, "parts")
from adding import ADDER, MODEL, TASKS
from orchestrator import AllFailedError, Settings, dispatch

sys.path.remove("parts") if sys.argv[1:] else None
try:
    print(dispatch(iter(TASKS), specialists=[ADDER], model=MODEL, settings=Settings()).statuses)
except AllFailedError as error:
    print(error)
"""

PARTS = """
from pydantic import BaseModel
from actors import ScriptedModel, Specialist
from actors.models.scripted import says

class Total(BaseModel):
    total: int

MODEL = ScriptedModel(lambda _: says('{"total": 5}'))
ADDER = Specialist(name="adder", purpose="Adds.", prompt="Add.", output=Total)
TASKS = [ADDER.task(f"t{n}", "2 and 3?") for n in range(5)]
"""


@pytest.mark.parametrize(
    ("arguments", "said"), [([], "{'ok': 5}"), (["lost"], "ModuleNotFoundError: No module named 'adding'")]
)
def test_hosts_find_modules_where_the_program_found_them(tmp_path: Path, arguments: list[str], said: str) -> None:
    """Wherever that is; where they cannot, the error says so, though nothing of a generator's plan was begun."""
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "adding.py").write_text(PARTS)
    (tmp_path / "program.py").write_text(PROGRAM)

    ended = subprocess.run(
        [sys.executable, "program.py", *arguments],
        cwd=tmp_path, capture_output=True, text=True, timeout=180, check=False,
    )  # fmt: skip

    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines()[-1].endswith(said)
