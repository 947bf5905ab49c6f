"""A host's tools at work: equal reads once, circuits that open for a tool and not for a source, keys that stay."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from actors.contracts import Task
from actors.models.base import ToolUse
from actors.steps import ToolReturn
from actors.toolbox import Toolbox, call_key
from actors.tools.base import Effect, SourceError, Tool, ToolContext, ToolError, tool
from actors.tools.shared import Shared
from support.tasks import a_task


def toolbox(*tools: Tool, **given: Any) -> Toolbox:
    return Toolbox(tools={one.name: one for one in tools}, shared=Shared(), threads=ThreadPoolExecutor(1), **given)


def call(box: Toolbox, name: str, task: Task | None = None, /, **arguments: Any) -> ToolReturn:
    return asyncio.run(box.call(task or a_task(), ToolUse("c", name, arguments)))


class Counted:
    """Tools that count what is run."""

    def __init__(self, result: Callable[[str], Any] = lambda of: of) -> None:
        self.ran: list[str] = []
        self.result = result

        @tool
        async def look(of: str = "", also: int = 0) -> Any:  # noqa: ARG001  (a second argument, for orders)
            """Looks."""
            self.ran.append(of)
            await asyncio.sleep(0)
            return self.result(of)

        @tool(effect=Effect.PROPOSE)
        async def propose(of: str) -> str:
            """Proposes."""
            self.ran.append(of)
            return of

        self.look: Tool = look
        self.propose: Tool = propose


def test_equal_reads_of_a_run_are_made_once_also_when_they_come_at_once():
    """A hundred sub-agents of one run, one look; each gets the result under its own call's id."""
    counted = Counted()
    box = toolbox(counted.look)

    async def many() -> list[ToolReturn]:
        calls = [
            ToolUse(f"c{n}", "look", {"of": "x", "also": 1} if n % 2 else {"also": 1, "of": "x"}) for n in range(100)
        ]
        return await asyncio.gather(*(box.call(a_task(f"t{n}"), one) for n, one in enumerate(calls)))

    returns = asyncio.run(many())

    assert counted.ran == ["x"]
    assert [one.call.id for one in returns] == [f"c{n}" for n in range(100)]
    assert [one.cached for one in returns].count(False) == 1


@pytest.mark.parametrize(
    "other",
    [
        (a_task(run="r2"), {"of": "x"}),
        (a_task(inputs={"service": "cart"}), {"of": "x"}),
        (a_task(), {"of": "y"}),
        (a_task(), {"of": "x", "also": 1}),
    ],
)
def test_another_run_input_or_argument_is_another_call(other):
    """What a tool reads depends on the task's inputs as well."""
    counted = Counted()
    box = toolbox(counted.look)
    call(box, "look", of="x")
    call(box, "look", other[0], **other[1])

    assert len(counted.ran) == 2


def test_what_proposes_or_acts_is_never_answered_from_memory():
    """Two wishes are two wishes."""
    counted = Counted()
    box = toolbox(counted.propose)
    for _ in range(2):
        call(box, "propose", of="x")

    assert counted.ran == ["x", "x"]


def test_an_error_is_told_to_those_who_wait_and_not_remembered():
    """The next one looks again: it may be gone."""

    def fail(of: str) -> Any:
        raise ToolError(f"no {of}")

    counted = Counted(fail)
    box = toolbox(counted.look)

    async def at_once() -> list[ToolReturn]:
        return await asyncio.gather(*(box.call(a_task(), ToolUse(f"c{n}", "look", {"of": "x"})) for n in range(3)))

    first = asyncio.run(at_once())
    call(box, "look", of="x")

    assert [one.error for one in first] == ["no x"] * 3
    assert counted.ran == ["x", "x"]


def test_when_the_first_caller_is_cancelled_the_others_look_for_themselves():
    """One session's end is no result for its siblings."""
    counted = Counted()
    box = toolbox(counted.look)

    async def scenario() -> ToolReturn:
        first = asyncio.ensure_future(box.call(a_task("a"), ToolUse("c1", "look", {"of": "x"})))
        await asyncio.sleep(0)
        second = asyncio.ensure_future(box.call(a_task("b"), ToolUse("c2", "look", {"of": "x"})))
        await asyncio.sleep(0)
        first.cancel()
        return await second

    assert asyncio.run(scenario()).content == "x"


def test_a_tool_that_keeps_breaking_opens_its_circuit_and_no_others():
    """Exceptions that nobody foresaw: soon it is not asked any more, and the session is told why."""

    def broken(of: str) -> Any:
        raise TimeoutError(f"{of} hung")

    counted, sound = Counted(broken), Counted()
    box = toolbox(counted.look, sound.propose, clock=lambda: 5.0)
    returns = [call(box, "look", of=str(n)) for n in range(40)]

    assert len(counted.ran) == 16
    assert returns[0].error == "TimeoutError: 0 hung"
    assert (returns[-1].circuit_open, returns[-1].fatal) == (True, True)
    assert "hung" in str(returns[-1].error)
    assert call(box, "propose", of="x").content == "x"


def test_a_source_that_cannot_be_read_opens_no_circuit():
    """It is one service's trouble: the next service's source may be sound."""

    def unreadable(of: str) -> Any:
        raise SourceError(f"{of} is torn")

    counted = Counted(unreadable)
    box = toolbox(counted.look)
    returns = [call(box, "look", of=str(n)) for n in range(40)]

    assert len(counted.ran) == 40
    assert not any(one.circuit_open for one in returns)


def test_a_circuit_closes_again_when_trials_pass():
    """Half open after a while: two that work, and all may call."""
    now = [0.0]
    sick = [True]

    def ill(of: str) -> Any:
        if sick[0]:
            raise ValueError(of)
        return of

    counted = Counted(ill)
    box = toolbox(counted.look, clock=lambda: now[0])
    for n in range(16):
        call(box, "look", of=str(n))
    refused = call(box, "look", of="now").circuit_open
    sick[0], now[0] = False, 10.0
    later = [call(box, "look", of=f"later {n}").error for n in range(5)]

    assert refused
    assert later == [None] * 5


def test_one_logical_call_has_one_key_whoever_asks_and_however_often():
    """Attempts, resumed sessions and other orders of arguments: the same key; another argument: another."""
    keys: list[str] = []

    @tool(effect=Effect.ACT)
    async def pay(context: ToolContext, to: str, cents: int) -> str:
        """Pays."""
        keys.append(context.idempotency_key)
        return f"{cents} to {to}"

    box = toolbox(pay, grants=frozenset({"pay"}))
    for arguments in ({"to": "a", "cents": 1}, {"cents": 1, "to": "a"}, {"to": "a", "cents": 2}):
        call(box, "pay", **arguments)
    call(box, "pay", a_task(attempt=2), to="a", cents=1)

    assert keys[0] == keys[1] == keys[3] != keys[2]
    assert call_key("k", ToolUse("1", "pay", {})) == call_key("k", ToolUse("2", "pay", {}))


def test_ten_thousand_lost_replies_execute_each_payment_once():
    """The far side goes by the key: whatever is said again after a lost reply, it is done once."""
    done: dict[str, int] = {}
    said = 0

    @tool(effect=Effect.ACT)
    async def pay(context: ToolContext, to: str) -> str:
        """Pays at somebody who knows keys; every third reply is lost on its way back."""
        nonlocal said
        said += 1
        done[context.idempotency_key] = done.get(context.idempotency_key, 0) or 1
        if said % 3 == 0:
            raise ConnectionResetError("the reply was lost")
        return to

    async def trials() -> None:
        for n in range(10_000):
            box = toolbox(pay, grants=frozenset({"pay"}))
            returned = await box.call(a_task(idempotency_key=f"k{n}"), ToolUse("c", "pay", {"to": "a"}))
            while returned.error:
                returned = await box.call(a_task(idempotency_key=f"k{n}", attempt=2), ToolUse("d", "pay", {"to": "a"}))

    asyncio.run(trials())

    assert said > 14_000
    assert (len(done), set(done.values())) == (10_000, {1})


def test_a_tool_outside_the_list_is_refused_and_not_run(caplog):
    """Whatever a model was talked into: it is told what it has, and the refusal is logged."""
    counted = Counted()
    refused = call(toolbox(counted.look), "rm_rf\nERROR forged line", of="/")

    assert "is not one of your tools: look" in str(refused.error)
    assert counted.ran == []
    assert "tool refused" in caplog.text
    assert "\nERROR forged" not in caplog.text


def test_the_log_has_the_trace_of_a_failure_once_and_each_of_its_calls(caplog):
    """A thousand equal failures are a line each, not a page each."""

    @tool
    async def divide(by: int) -> float:
        """Divide."""
        if by > 5:
            raise ValueError("too large")
        return 1 / by

    box = toolbox(divide)
    for by in (0, 0, 7, 8):
        call(box, "divide", by=by)

    assert caplog.text.count("Traceback") == 2
    assert [caplog.text.count(said) for said in ("tool failed", "division by zero", "ValueError: too large")] == [
        4,
        2,
        2,
    ]
