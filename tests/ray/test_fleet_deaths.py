"""Hosts that hang, stop and die, on a true Ray: noticed, killed, replaced, and nobody beside them is harmed."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydantic import BaseModel

from actors import ModelReply, ModelRequest, Reason, Specialist
from actors.models.base import ModelClient, Text
from actors.models.scripted import ScriptedModel, says
from orchestrator import Settings, dispatch
from orchestrator.plan_report import Report
from support.small_ray import small_ray


class Count(BaseModel):
    words: int


COUNTER = Specialist(name="counter", purpose="Counts.", prompt="Count.", output=Count)
SETTINGS = Settings(mode="embedded", model="scripted", sessions_max=4, grace_s=2.0)


@pytest.fixture(scope="module", autouse=True)
def _ray() -> Iterator[None]:
    with small_ray():
        yield


@dataclass(frozen=True)
class Trouble:
    """A model in whose host something happens when it is asked for `trouble`: each time, or the first time only."""

    happens: Callable[[], None]
    folder: Path
    always: bool = False

    def __call__(self, _: Specialist) -> ModelClient:
        return ScriptedModel(self._reply)

    def _reply(self, request: ModelRequest) -> ModelReply:
        first = request.messages[0].blocks[0]
        assert isinstance(first, Text)
        if first.text.startswith("trouble"):
            before = list(self.folder.iterdir())
            (self.folder / str(os.getpid())).touch()
            if self.always or not before:
                self.happens()
        return says('{"words": 1}')


def spin() -> None:
    """A tool that never gives the event loop back."""
    while True:
        time.sleep(0.1)


def stop() -> None:
    os.kill(os.getpid(), signal.SIGSTOP)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def audited(trouble: Trouble, deadline_s: float = 2.0) -> Report:
    """Nine tasks, the fifth of which is the trouble."""
    words = [*"abcd", "trouble", *"efgh"]
    plan = [COUNTER.task(f"task-{word}", word, deadline_s=deadline_s) for word in words]
    return dispatch(plan, specialists=[COUNTER], model=trouble, settings=SETTINGS)


def is_gone(process_id: int) -> bool:
    try:
        return Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except FileNotFoundError:
        return True


def wait_until_gone(process_ids: list[int]) -> bool:
    """Whether all have ended, within the seconds that a raylet takes."""
    give_up_s = time.monotonic() + 15.0
    while not all(map(is_gone, process_ids)) and time.monotonic() < give_up_s:
        time.sleep(0.1)
    return all(map(is_gone, process_ids))


@pytest.mark.parametrize(("happens", "deadline_s"), [(spin, 12.0), (stop, 2.0), (die, 2.0)])
def test_a_host_that_hangs_or_dies_once_costs_an_attempt_and_no_answer(
    happens: Callable[[], None], deadline_s: float, tmp_path: Path
) -> None:
    """Killed, replaced, its tasks go again; and a stopped process is really gone, not only forgotten."""
    report = audited(Trouble(happens, tmp_path), deadline_s)

    assert report.failures == []
    assert len(report.results) == 9
    assert max(result.attempt for result in report.results) == 2
    pids = [int(path.name) for path in tmp_path.iterdir()]
    assert wait_until_gone(pids)


@pytest.mark.parametrize(("happens", "hosts"), [(stop, 3), (die, 3), (spin, 1)])
def test_a_task_that_kills_every_host_ends_as_host_lost_and_its_siblings_are_answered(
    happens: Callable[[], None], hosts: int, tmp_path: Path
) -> None:
    """Three tries, the last one alone, and charged in full; one, where its host tells and its time has passed."""
    report = audited(Trouble(happens, tmp_path, always=True))

    assert [(failure.task_id, failure.reason) for failure in report.failures] == [("task-trouble", Reason.HOST_LOST)]
    assert len(report.results) == 8
    assert len(list(tmp_path.iterdir())) == hosts
    assert report.spent_tokens >= hosts * 50_000
