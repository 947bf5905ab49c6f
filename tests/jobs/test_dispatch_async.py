"""Batches from inside a running event loop: beside whatever else it does, and ended with who awaits them."""

from __future__ import annotations

import asyncio
import contextvars
from pathlib import Path

import pytest
from pydantic import BaseModel

from actors import Call, ModelReply, ModelRequest, ScriptedModel, Specialist
from actors.models.scripted import says
from budget.errors import MusterError, TaskError
from orchestrator import Settings, dispatch, dispatch_async
from orchestrator.store import RunDirectory

LOCAL = Settings(mode="local", model="scripted")


class Count(BaseModel):
    words: int


COUNTER = Specialist(name="counter", purpose="Counts words.", prompt="Count.", output=Count)
TASKS = [COUNTER.task(f"text-{n}", f"How many words in text {n}?") for n in range(20)]


def test_a_batch_is_awaited_while_the_loop_goes_on() -> None:
    """What else runs there has its turns, also while a model holds the batch's own loop."""
    turns = 0

    def script(_: ModelRequest) -> ModelReply:
        before = turns
        while turns == before:  # only the caller's loop moves this on
            pass
        return says('{"words": 2}')

    async def program() -> int:
        async def other() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0.001)

        beside = asyncio.create_task(other())
        report = await dispatch_async(TASKS, specialists=[COUNTER], model=ScriptedModel(script), settings=LOCAL)
        beside.cancel()
        return len(report.results)

    assert asyncio.run(program()) == 20


def test_two_batches_may_be_awaited_at_once() -> None:
    """Each has a loop, a ledger and a directory of its own."""

    async def program() -> list[int]:
        model = ScriptedModel(lambda _: says('{"words": 2}'))
        both = [dispatch_async(TASKS, specialists=[COUNTER], model=model, settings=LOCAL) for _ in range(2)]
        return [len(report.results) for report in await asyncio.gather(*both)]

    assert asyncio.run(program()) == [20, 20]


def test_a_batch_sees_the_context_of_who_awaits_it() -> None:
    """A trace id of the caller's, say."""
    caller = contextvars.ContextVar("caller", default="nobody")
    seen = set()

    def script(_: ModelRequest) -> ModelReply:
        seen.add(caller.get())
        return says('{"words": 2}')

    async def program() -> None:
        caller.set("notebook")
        await dispatch_async(TASKS, specialists=[COUNTER], model=ScriptedModel(script), settings=LOCAL)

    asyncio.run(program())

    assert seen == {"notebook"}


def test_cancelling_who_awaits_a_batch_ends_it_and_keeps_what_was_answered(tmp_path: Path) -> None:
    """Nothing of it is left at work, and its directory is free."""

    async def program() -> None:
        answered, going = asyncio.Event(), asyncio.get_running_loop()

        async def script(request: ModelRequest) -> ModelReply:
            if "text 0?" in str(request.messages):
                return says('{"words": 2}')
            while not (list(RunDirectory.look(tmp_path / "run").outcomes())):
                await asyncio.sleep(0.01)
            going.call_soon_threadsafe(answered.set)
            await asyncio.Event().wait()
            raise AssertionError("it waits until it is cancelled")

        batch = dispatch_async(
            TASKS, specialists=[COUNTER], model=ScriptedModel(script), settings=LOCAL, run_dir=tmp_path / "run"
        )
        under_way = asyncio.create_task(batch)
        await answered.wait()
        under_way.cancel()
        with pytest.raises(asyncio.CancelledError):
            await under_way

    asyncio.run(program())

    directory = RunDirectory.look(tmp_path / "run")
    assert "text-0" in directory.effective().column("task_id").to_pylist()
    assert not directory.in_use


def test_what_is_wrong_with_a_batch_is_raised_where_it_is_awaited() -> None:
    """Across the thread, as itself."""
    with pytest.raises(TaskError, match="'text-0' is used twice"):
        asyncio.run(dispatch_async([TASKS[0], TASKS[0]], specialists=[COUNTER], settings=LOCAL))


def test_dispatch_says_what_to_call_where_a_loop_is_running() -> None:
    """It would block the loop; nothing was begun by then."""

    async def program() -> None:
        dispatch(TASKS, specialists=[COUNTER], settings=LOCAL)

    with pytest.raises(MusterError, match=r"await dispatch_async\(\.\.\.\)"):
        asyncio.run(program())


def unused(inputs: object, answered: object) -> list[Call]:  # noqa: ARG001
    raise AssertionError("nothing is begun")


class Rude:
    async def reply(self, request: ModelRequest) -> ModelReply:  # noqa: ARG002
        raise AssertionError("nothing is begun")


async def function(request: ModelRequest) -> ModelReply:  # noqa: ARG001
    raise AssertionError("nothing is begun")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"plan": TASKS[0]}, "the plan is a Task: give a list"),
        ({"plan": ["a", "b"]}, "holds a str, not a task"),
        ({"plan": aiter(asyncio.StreamReader())}, "gather a list first"),
        ({"specialists": COUNTER}, "give a list of them"),
        ({"specialists": []}, "specialists is empty"),
        ({"specialists": [COUNTER, COUNTER]}, "two specialists are named 'counter'"),
        ({"settings": {"mode": "local"}}, r"settings is a dict: give Settings\(…\)"),
        ({"model": Rude}, r"the class Rude: give an object of it, Rude\(…\)"),
        ({"model": function}, "an async function: give ScriptedModel"),
        ({"model": "claude"}, "the model is a str"),
        ({"plan": [COUNTER.task("a", "?", inputs={"x": object()})]}, "task 'a' cannot be written down"),  # type: ignore[dict-item]
        ({"plan": [TASKS[0], COUNTER.task("b", 5)]}, "task 'b' cannot be written down"),  # type: ignore[arg-type]
    ],
)
def test_what_makes_no_batch_is_refused_in_a_sentence(given: dict[str, object], said: str) -> None:
    """Not by a traceback out of the middle of it."""
    arguments = {"plan": TASKS, "specialists": [COUNTER], "settings": LOCAL, "model": Rude()} | given

    with pytest.raises(MusterError, match=said):
        dispatch(arguments.pop("plan"), **arguments)  # type: ignore[arg-type]
