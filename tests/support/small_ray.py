"""An embedded Ray of two CPUs for one test module, and what tests do to its processes."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import ray


@contextmanager
def small_ray() -> Iterator[None]:
    """Started and stopped by the block; never another cluster of this machine. Workers import what the tests import."""
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    try:
        ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
        yield
    finally:
        ray.shutdown()
        os.environ.pop("PYTHONPATH")
        if before is not None:
            os.environ["PYTHONPATH"] = before


def kill_holder(path: Path, *, wait_s: float = 20.0) -> int:
    """`kill -9` the process that has this file open; returns its process id. Waits for one to open it."""
    give_up_s = time.monotonic() + wait_s
    while time.monotonic() < give_up_s:
        for process_id in _holders(path):
            os.kill(process_id, signal.SIGKILL)
            return process_id
        time.sleep(0.02)
    raise AssertionError(f"no process has {path} open")


def _holders(path: Path) -> list[int]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            links = [os.readlink(link) for link in (folder / "fd").iterdir()]
        except OSError:
            continue
        if str(path.resolve()) in links and int(folder.name) != os.getpid():
            found.append(int(folder.name))
    return found
