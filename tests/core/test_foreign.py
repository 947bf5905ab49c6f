"""Models and tools that break their contracts: each costs its own sub-agent a failure, and nobody else anything."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from pydantic import BaseModel

from actors.contracts import Usage
from actors.foreign import in_thread, plain, taken
from actors.models.base import ModelError, ModelReply, StopReason, Text, ToolUse


class Total(BaseModel):
    total: int


@dataclasses.dataclass
class Pair:
    first: int
    second: set[int]


def reply(**other: Any) -> Any:
    given = {"blocks": (Text("{}"),), "usage": Usage(1, 1), "model": "m", "stop_reason": StopReason.END_TURN}
    return ModelReply(**given | other)


def test_a_reply_that_keeps_its_contract_has_no_mistake() -> None:
    """Texts, tool calls, blocks that only a provider knows, in a tuple, a list or whatever else can be gone through."""
    blocks = (Text("a"), ToolUse("c", "add", {"a": 1}))
    whole = reply(blocks=blocks, stop_reason=StopReason.TOOL_USE)

    assert taken(whole) is whole
    for given in (list(blocks), (block for block in blocks)):
        assert taken(reply(blocks=given, stop_reason=StopReason.TOOL_USE)) == whole


@pytest.mark.parametrize("unseen", [2.5, None, "3"])
def test_an_error_that_counts_in_no_number_is_none(unseen: Any) -> None:
    """Where it is raised the client breaks, and a client that broke counts in full."""
    with pytest.raises(TypeError):
        ModelError("no", unseen_tokens=unseen)


def test_a_reply_that_does_not_name_its_model_is_taken() -> None:
    """Few clients of one's own do; the table has no name then."""
    assert taken(reply(model=None, called=None)) == reply(model="")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (None, "gave None, not a ModelReply"),
        ("hello", "gave 'str', not a ModelReply"),
        (reply(usage=None), "usage is None"),
        (reply(usage={"input_tokens": 1}), "usage is 'dict'"),
        (reply(usage=Usage(1.5, 2)), "counts 1.5 tokens"),  # type: ignore[arg-type]
        (reply(usage=Usage(-5, 2)), "counts -5 tokens"),
        (reply(usage=Usage(10**30, 2)), "tokens: give whole numbers"),
        (reply(stop_reason="end_turn"), "stop_reason is 'end_turn', not a StopReason"),
        (reply(unseen_tokens=2.5), "unseen_tokens are 2.5"),
        (reply(unseen_tokens=None), "unseen_tokens are None"),
        (reply(saved=None), "saved is None, not a Usage"),
        (reply(blocks=None), "blocks are None, not a tuple"),
        (reply(blocks=(Text(5),)), "holds 'int', not text"),  # type: ignore[arg-type]
        (reply(blocks="{}"), "bare text"),
        (reply(blocks=("{}",)), "bare text"),
        (reply(blocks=(ToolUse("c", "add", "{}"),)), "arguments a dictionary"),  # type: ignore[arg-type]
        (reply(blocks=(ToolUse("c", "add", None),)), "arguments a dictionary"),  # type: ignore[arg-type]
    ],
)
def test_a_reply_that_breaks_its_contract_is_told_what_is_wrong(given: object, said: str) -> None:
    """In the words of who wrote the client, before anything is counted or called."""
    assert said in str(taken(given))


@pytest.mark.parametrize(
    ("result", "made"),
    [
        (5, 5),
        (None, None),
        ({"a": [1, "b", None]}, {"a": [1, "b", None]}),
        (Total(total=4), {"total": 4}),
        (Pair(1, {2}), {"first": 1, "second": [2]}),
        ({"at": datetime.date(2026, 11, 20)}, {"at": "2026-11-20"}),
        ((1, 2), [1, 2]),
    ],
)
def test_what_a_tool_returns_becomes_plain_json(result: object, made: object) -> None:
    """Models, dataclasses, sets and dates are what Python programs have at hand."""
    assert plain(result) == made


@pytest.mark.parametrize("result", [object(), b"\xff", {"f": print}])
def test_what_cannot_be_json_is_refused_with_what_to_do(result: object) -> None:
    """An error of that call, which the model is shown."""
    with pytest.raises(TypeError, match=r"cannot be JSON .*return plain values"):
        plain(result)


def test_a_result_that_holds_itself_is_refused() -> None:
    """It would never end."""
    ring: list[object] = []
    ring.append(ring)

    with pytest.raises(TypeError, match="cannot be JSON"):
        plain(ring)


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), StopIteration(), BaseException("odd")])
def test_whatever_a_blocking_tool_raises_comes_to_who_awaits_it(error: BaseException) -> None:
    """A future carries no StopIteration, and a SystemExit would end the host."""

    def raises() -> None:
        raise error

    async def awaited(call: Callable[[], None]) -> None:
        with ThreadPoolExecutor(1) as threads:
            await asyncio.get_running_loop().run_in_executor(threads, in_thread, call)

    with pytest.raises(RuntimeError, match=type(error).__name__):
        asyncio.run(awaited(raises))
