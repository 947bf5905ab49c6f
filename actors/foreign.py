"""What comes from code that is not ours, a model client or a tool: looked at before anything relies on it."""

from __future__ import annotations

import traceback
from asyncio import CancelledError, current_task
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar, cast

from pydantic_core import PydanticSerializationError, to_jsonable_python

from actors.contracts import JsonValue, Usage
from actors.models.base import ModelReply, StopReason, Text, ToolUse
from actors.redaction import redacted

TOKENS_MAX = 2**40  # of one reply: more than anybody is billed, and far from the end of a column of integers

_PLAIN = frozenset({str, int, float, bool, type(None)})
T = TypeVar("T")


def taken(reply: object) -> ModelReply | str:
    """What a model client gave as its reply, as a session may rely on it; or what is wrong with it, in a sentence."""
    if not isinstance(reply, ModelReply):
        return f"reply() gave {_kind(reply)}, not a ModelReply"
    if type(reply.blocks) is not tuple or type(reply.model) is not str or type(reply.called) is not str:
        if not isinstance(reply.blocks, Iterable):
            return f"the reply's blocks are {_kind(reply.blocks)}, not a tuple"
        reply = reply._replace(blocks=(*reply.blocks,), model=str(reply.model or ""), called=str(reply.called or ""))
    return _mistake_in(reply) or reply


def _mistake_in(reply: ModelReply) -> str:
    usage, stop_reason = reply.usage, reply.stop_reason
    if not isinstance(usage, Usage):
        return f"the reply's usage is {_kind(usage)}, not a Usage"
    for count in usage:
        if type(count) is not int or not 0 <= count < TOKENS_MAX:
            return f"the reply's usage counts {count!r} tokens: give whole numbers, at least 0"
    if type(reply.unseen_tokens) is not int or not 0 <= reply.unseen_tokens < TOKENS_MAX:
        return f"the reply's unseen_tokens are {reply.unseen_tokens!r}: give a whole number, at least 0"
    if not isinstance(reply.saved, Usage):
        return f"what the reply saved is {_kind(reply.saved)}, not a Usage"
    if not isinstance(stop_reason, StopReason):
        return f"the reply's stop_reason is {stop_reason!r}, not a StopReason"
    for block in reply.blocks:
        if isinstance(block, Text):
            if type(block.text) is not str:
                return f"a Text block holds {_kind(block.text)}, not text"
        elif isinstance(block, ToolUse):
            named = type(block.name) is str and type(block.id) is str
            if not (named and (type(block.arguments) is dict or isinstance(block.arguments, Mapping))):
                return f"{block!r:.200} is no tool call: id and name are text, arguments a dictionary"
        elif isinstance(block, str):
            return "the reply's blocks hold bare text: make it Text(…)"
    return ""


def plain(result: Any) -> JsonValue:
    """What a tool returned as plain JSON: models, dataclasses, sets and times are made so. Raises TypeError."""
    if type(result) in _PLAIN:
        return cast(JsonValue, result)
    try:
        return cast(JsonValue, to_jsonable_python(result))
    except (PydanticSerializationError, ValueError, RecursionError) as error:
        raise TypeError(f"it returned {_kind(result)} that cannot be JSON ({error}): return plain values") from None


def in_thread(call: Callable[[], T]) -> T:
    """`call()`, for a thread whose future somebody awaits: that carries neither StopIteration nor sys.exit()."""
    try:
        return call()
    except Exception as error:
        if isinstance(error, StopIteration):
            raise RuntimeError(shown(error)) from error
        raise
    except BaseException as error:
        raise RuntimeError(shown(error)) from error


def ends_session(error: BaseException, task_id: str) -> bool:
    """Whether whoever ends a session has raised it. All else that a model or a tool raises is that call's failure.

    A session is cancelled, or closed where nobody runs it any more: then no step of its own is under way.
    """
    if isinstance(error, GeneratorExit):
        try:
            step = current_task()
        except RuntimeError:
            return True
        return step is None or step.get_name() != task_id
    return isinstance(error, CancelledError)


def shown(error: BaseException) -> str:
    """An error's kind and text."""
    return f"{type(error).__name__}: {error}"


def trace(error: BaseException) -> str:
    """Where an error came from, as a log may hold it: what a library quotes of its request may hold a secret."""
    return redacted("".join(traceback.format_exception(error)).rstrip())


def _kind(value: object) -> str:
    return "None" if value is None else repr(type(value).__name__)
