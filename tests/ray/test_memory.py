"""A task that eats the node's memory: its host is killed for that, it is found out, and its siblings are answered."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import ray
from pydantic import BaseModel

from actors import ModelReply, ModelRequest, Reason, Specialist
from actors.models.base import ModelClient, Text
from actors.models.scripted import ScriptedModel, says
from orchestrator import Settings, dispatch

MIB = 1024**2
ROOM_MIB = 1_500  # above what the machine uses now, until Ray's memory monitor kills
EATEN_MIB = 3_000


class Count(BaseModel):
    words: int


def memory_mib() -> tuple[float, float]:
    """Of this machine: all, and what is not available."""
    lines = (line.split() for line in Path("/proc/meminfo").read_text().splitlines())
    known = {name.rstrip(":"): int(kib) / 1024 for name, kib, *_ in lines}
    return known["MemTotal"], known["MemTotal"] - known["MemAvailable"]


@pytest.fixture
def _ray() -> Iterator[None]:
    """An embedded Ray that kills a worker when the machine uses so much more than now."""
    total, used = memory_mib()
    if total - used < 2 * EATEN_MIB:
        pytest.skip(f"{total - used:.0f} MiB of memory are free, and the test wants twice {EATEN_MIB}")
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    watched = {"memory_usage_threshold": (used + ROOM_MIB) / total, "memory_monitor_refresh_ms": 100}
    try:
        ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR",
                 object_store_memory=100 * MIB, _system_config=watched)  # fmt: skip
        yield
    finally:
        ray.shutdown()
        os.environ.pop("PYTHONPATH")
        if before is not None:
            os.environ["PYTHONPATH"] = before


@dataclass(frozen=True)
class Eater:
    """A model that takes memory when it is asked for `trouble`, and keeps it."""

    folder: Path

    def __call__(self, _: Specialist) -> ModelClient:
        return ScriptedModel(self._reply)

    def _reply(self, request: ModelRequest) -> ModelReply:
        first = request.messages[0].blocks[0]
        assert isinstance(first, Text)
        if first.text.startswith("trouble"):
            (self.folder / str(os.getpid())).touch()
            eaten = [bytearray(os.urandom(1) * MIB) for _ in range(EATEN_MIB)]
            time.sleep(60.0)
            assert eaten
        return says('{"words": 1}')


@pytest.mark.slow
@pytest.mark.usefixtures("_ray")
def test_a_task_that_eats_all_memory_ends_as_host_lost_beside_answers(tmp_path: Path) -> None:
    """Ray's memory monitor kills its hosts; nobody beside it is lost, and each try is charged in full."""
    counter = Specialist(name="counter", purpose="Counts.", prompt="Count.", output=Count)
    plan = [counter.task(f"task-{word}", word, deadline_s=30.0) for word in [*"abcd", "trouble", *"efgh"]]
    settings = Settings(mode="embedded", model="scripted", sessions_max=4)

    report = dispatch(plan, specialists=[counter], model=Eater(tmp_path), settings=settings)

    assert [(failure.task_id, failure.reason) for failure in report.failures] == [("task-trouble", Reason.HOST_LOST)]
    assert len(report.results) == 8
    assert len(os.listdir(tmp_path)) > 1
    assert report.spent_tokens >= 2 * 50_000
