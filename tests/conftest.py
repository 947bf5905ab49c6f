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
    for machine_code in ROOT.glob("budget/compiled__mypyc*.so"):
        shims = (path for package in ("actors", "budget", "orchestrator") for path in ROOT.glob(f"{package}/*.so"))
        for source in (path.with_name(f"{path.name.partition('.')[0]}.py") for path in shims):
            if source.exists() and source.stat().st_mtime > machine_code.stat().st_mtime:
                pytest.exit(f"{source} is newer than its machine code: run `make setup` or `make pure`", returncode=2)
