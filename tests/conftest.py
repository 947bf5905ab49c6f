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
    """What was compiled from an older source is not what is to be tested."""
    for built in (path for package in ("actors", "budget", "orchestrator") for path in ROOT.glob(f"{package}/*.so")):
        source = built.with_name(f"{built.name.partition('.')[0]}.py")
        if source.exists() and source.stat().st_mtime > built.stat().st_mtime:
            pytest.exit(f"{source} has changed since it was compiled: run `make setup`, or `make pure`", returncode=2)
