"""Every benchmark starts, and none of them hides a part of Python from the others."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = sorted((Path(__file__).parents[2] / "benchmarks").glob("*.py"))


@pytest.mark.parametrize("script", BENCHMARKS, ids=lambda script: script.name)
def test_a_benchmark_says_what_it_measures(script: Path) -> None:
    """Run as its users run it, from its own folder's path: it imports all that it needs."""
    ended = subprocess.run(
        [sys.executable, str(script), "--help"], capture_output=True, text=True, timeout=60, check=False
    )

    assert ended.returncode == 0, ended.stderr
    assert "usage:" in ended.stdout
