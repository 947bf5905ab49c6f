"""What cannot travel to a host's process is named before any host is started. No cluster is needed to see it."""

from __future__ import annotations

import threading

import pytest
from pydantic import BaseModel

from actors import ModelReply, ModelRequest, ScriptedModel, Specialist, Tool, tool
from actors.models.scripted import says
from budget import local_budget
from budget.errors import SettingsError
from orchestrator import Settings
from orchestrator.batch import Batch
from orchestrator.fleet import RayFleet, stays_here


class Count(BaseModel):
    words: int


def counter(*tools: Tool) -> Specialist:
    return Specialist(name="counter", purpose="Counts.", prompt="Count.", output=Count, tools=tools)


def host_of(specialist: Specialist, model: object) -> object:
    batch = Batch(id="b", specialists=[specialist], model=lambda _: model, settings=Settings())  # type: ignore[arg-type, return-value]
    return batch.host_specs([specialist])[0]


def test_closures_lambdas_and_classes_of_a_script_travel() -> None:
    """By value, as Ray sends them."""
    words = 2

    class Local:
        async def reply(self, request: ModelRequest) -> ModelReply:  # noqa: ARG002
            return says(f'{{"words": {words}}}')

    @tool
    def add(a: int) -> int:
        """Adds."""
        return a + words

    assert stays_here(host_of(counter(add), Local())) == ""  # type: ignore[arg-type]


def test_a_model_that_holds_a_lock_is_named_with_what_to_do() -> None:
    """Ray's own error is a page long, and prints another."""
    lock = threading.Lock()
    model = ScriptedModel(lambda _: says(str(lock)))

    said = stays_here(host_of(counter(), model))  # type: ignore[arg-type]

    assert said.startswith("a host of 'counter' cannot travel to its process: its model holds what does not pickle")
    assert "a function of the specialist" in said
    assert "lock" in said


def test_a_tool_that_holds_a_lock_is_named() -> None:
    """Which of several it is."""
    lock = threading.Lock()

    @tool
    def guarded(a: int) -> int:
        """Guards."""
        with lock:
            return a

    said = stays_here(host_of(counter(guarded), ScriptedModel(says)))  # type: ignore[arg-type]

    assert "its tool 'guarded' holds what does not pickle" in said


def test_a_fleet_starts_no_host_that_cannot_travel() -> None:
    """The caller's mistake, said before anything is spent."""
    fleet = RayFleet(local_budget)  # type: ignore[arg-type]
    lock = threading.Lock()

    with pytest.raises(SettingsError, match="its model holds"):
        fleet.start(host_of(counter(), ScriptedModel(lambda _: says(str(lock)))))  # type: ignore[arg-type]
