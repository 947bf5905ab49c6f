"""What holds for every test."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parents[1]

# How long an example takes says how loaded the machine is, not whether a promise is kept.
settings.register_profile("muster", deadline=None)
settings.load_profile("muster")


def pytest_sessionstart() -> None:
    """What was compiled before a source has changed, or a type that it relies on, is not what is to be tested."""
    sources = [path for package in ("actors", "budget", "orchestrator") for path in (ROOT / package).rglob("*.py")]
    newest = max(sources, key=lambda path: path.stat().st_mtime)
    for machine_code in ROOT.glob("budget/compiled__mypyc*.so"):
        if newest.stat().st_mtime > machine_code.stat().st_mtime:
            pytest.exit(f"{newest} is newer than the machine code: run `make setup` or `make pure`", returncode=2)
