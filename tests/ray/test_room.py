"""A host that the cluster has no place for is said, and does not keep anybody waiting for ever."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel

from actors import Specialist
from actors.models.scripted import ScriptedModel, says
from actors.specialists.base import Resources
from budget.errors import SettingsError
from orchestrator import Settings, dispatch
from support.small_ray import small_ray


class Count(BaseModel):
    words: int


@pytest.fixture(scope="module", autouse=True)
def _ray() -> Iterator[None]:
    with small_ray():
        yield


def specialist(name: str, **resources: object) -> Specialist:
    asked = Resources(**resources)  # type: ignore[arg-type]
    return Specialist(name=name, purpose="Counts.", prompt="Count.", output=Count, resources=asked)


def test_what_an_embedded_ray_can_never_place_is_an_error_before_anything_is_spent(tmp_path: Path) -> None:
    """One sentence; not one model call is made, not even for the agent that has a place."""
    calls = tmp_path / "calls"
    calls.touch()

    def model(_: object) -> ScriptedModel:
        def reply(_: object) -> object:
            calls.write_text("called")
            return says('{"words": 1}')

        return ScriptedModel(reply)  # type: ignore[arg-type]

    small, greedy = specialist("small"), specialist("greedy", custom={"tape": 1.0})
    with pytest.raises(SettingsError, match=r"'greedy': it asks for .*1 tape"):
        dispatch(
            [small.task("a", "x"), greedy.task("b", "x")],
            specialists=[small, greedy],
            model=model,  # type: ignore[arg-type]
            settings=Settings(mode="embedded", model="scripted"),
        )

    assert calls.read_text() == ""
