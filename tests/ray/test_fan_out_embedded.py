"""What the page for programmers shows, on an embedded Ray."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

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
