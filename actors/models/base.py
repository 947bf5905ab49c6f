"""The one method that every model has: a request in, one reply out.

What a session makes for each call is a NamedTuple: as unchangeable as a frozen dataclass, three times cheaper to make.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from operator import index
from types import MappingProxyType
from typing import Literal, NamedTuple, Protocol, TypeAlias, runtime_checkable

from actors.contracts import NOTHING, JsonValue, Usage

# What a provider adds to a request with tools or a schema, in tokens, at most: its own instructions for both.
# Public documentation puts tool use at 290 to 800 tokens by model (read 2026-11-20).
REQUEST_OVERHEAD_TOKENS = 1_000

Effort: TypeAlias = Literal["low", "medium", "high", "xhigh", "max"]


class Text(NamedTuple):
    text: str


class ToolUse(NamedTuple):
    """The model asks for a tool; `id` ties the result to it."""

    id: str
    name: str
    arguments: Mapping[str, JsonValue]

    @property
    def arguments_text(self) -> str:
        """The same for equal arguments, in whatever order and in whatever mapping they come."""
        given = self.arguments
        return str(dict(given) if len(given) < 2 else dict(sorted(given.items())))


class ToolResult(NamedTuple):
    tool_use_id: str
    content: str
    is_error: bool = False


@dataclass(frozen=True, slots=True)
class Opaque:
    """A block that only its provider understands (thinking, say), handed back as it came."""

    raw: Mapping[str, JsonValue]


Block: TypeAlias = Text | ToolUse | ToolResult | Opaque


class Message(NamedTuple):
    role: Literal["user", "assistant"]
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A tool as a model sees it. `parameters` is a JSON schema of an object."""

    name: str
    description: str
    parameters: Mapping[str, JsonValue]


class StopReason(StrEnum):
    END_TURN = "end_turn"
    MAX_TOKENS = "max_tokens"
    STOP_SEQUENCE = "stop_sequence"
    TOOL_USE = "tool_use"
    PAUSE_TURN = "pause_turn"
    REFUSAL = "refusal"
    CONTEXT_WINDOW = "model_context_window_exceeded"


class ModelRequest(NamedTuple):
    """`output_tokens_max` is the clamp of this call; `output_schema` a JSON schema for the final answer.

    `tokens_left` is what all attempts of this call together may cost; an attempt that could pass it is not made.
    `input_tokens_max` is an upper bound of the input that the caller knows; None: the client takes the body's bytes.
    `run_id` is whose retry budget the retries count against.
    `traceparent` is the W3C trace context of the call's span, for the provider; empty: none is told.
    """

    agent: str
    model: str
    system: str
    messages: tuple[Message, ...]
    tools: tuple[ToolSpec, ...] = ()
    output_tokens_max: int = 4096
    output_schema: Mapping[str, JsonValue] | None = None
    effort: Effort | None = None
    tokens_left: int | None = None
    final: bool = False  # the last turn: tools stay listed, but none may be called
    input_tokens_max: int | None = None
    run_id: str = ""
    traceparent: str = ""


class ModelReply(NamedTuple):
    """`unseen_tokens`: what lost attempts of this call may have been billed above `usage`, at most.

    `saved` is what a reply out of a cache cost when it was made: its `usage` is nothing, as nobody bills it again.
    `called` is the model that was asked instead of the request's, where one stood in for it.
    `attributes` are what a span of the call says beside the usage, under the names of the GenAI conventions.
    """

    blocks: tuple[Block, ...]
    usage: Usage
    model: str
    stop_reason: StopReason
    unseen_tokens: int = 0
    saved: Usage = NOTHING
    attributes: Mapping[str, JsonValue] = MappingProxyType({})
    called: str = ""


class ModelError(Exception):
    """A call that brought no reply. Inside a session it becomes a Failure.

    `unseen_tokens` is what the provider may have billed for it all the same, at most; 0 when it surely did not.
    """

    def __init__(
        self,
        message: str,
        *,
        unseen_tokens: int = 0,
        circuit_open: bool = False,
        attributes: Mapping[str, JsonValue] | None = None,
    ) -> None:
        super().__init__(message)
        self.unseen_tokens = index(unseen_tokens)  # or a TypeError: such a call counts in full
        self.circuit_open = bool(circuit_open)
        self.attributes: dict[str, JsonValue] = dict(attributes or {})


class Unseen(NamedTuple):
    """What a cancelled call may have been billed until then, at most: the argument of its CancelledError.

    `attributes` are what a span of it says, as those of a `ModelError`.
    No class of its own: `asyncio.timeout` turns only a plain CancelledError into a TimeoutError (Python 3.11).
    """

    tokens: int
    attributes: Mapping[str, JsonValue] = MappingProxyType({})


def unseen_of(error: BaseException) -> Unseen | None:
    """What a call that ended in `error` (a timeout or a cancellation) says of itself, if it does."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, asyncio.CancelledError) and seen.args and isinstance(seen.args[0], Unseen):
            return seen.args[0]
        seen = seen.__cause__ or seen.__context__
    return None


def unseen_tokens_of(error: BaseException, *, otherwise: int) -> int:
    """What a call that ended in `error` may have cost, or `otherwise` when untold."""
    unseen = unseen_of(error)
    return otherwise if unseen is None else unseen.tokens


@runtime_checkable
class ModelClient(Protocol):
    """A model, as a session sees it. One client serves all sessions of a host at once."""

    async def reply(self, request: ModelRequest) -> ModelReply:
        """One model call. Raises ModelError when no reply can be had."""
        ...


async def close(client: ModelClient) -> None:
    """Let a client that holds connections release them."""
    released = getattr(client, "aclose", None)
    if released is not None:
        await released()


def tell_sharers(client: ModelClient, processes: int) -> None:
    """Tell a client that draws on a provider's limits how many processes do, itself included."""
    told = getattr(client, "shared_by", None)
    if told is not None:
        told(processes)
