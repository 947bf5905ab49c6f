"""A function as a model: for tests, benchmarks and whatever else answers without a provider."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias

from actors.contracts import JsonValue, Usage
from actors.models.base import ModelReply, ModelRequest, StopReason, Text, ToolUse

SCRIPTED = "scripted"
Script: TypeAlias = "Callable[[ModelRequest], ModelReply | Awaitable[ModelReply]]"


@dataclass(frozen=True, slots=True)
class ScriptedModel:
    """`script` gets each request and gives the reply, at once or as an awaitable."""

    script: Script

    async def reply(self, request: ModelRequest) -> ModelReply:
        """What the script says."""
        said = self.script(request)
        return said if isinstance(said, ModelReply) else await said


def says(text: str, *, usage: Usage | None = None) -> ModelReply:
    """A final answer."""
    return ModelReply(
        blocks=(Text(text),), usage=usage or Usage(10, 5), model=SCRIPTED, stop_reason=StopReason.END_TURN
    )


def calls(name: str, /, *, usage: Usage | None = None, id: str = "call-0", **arguments: JsonValue) -> ModelReply:
    """One tool call."""
    return ModelReply(
        blocks=(ToolUse(id, name, arguments),),
        usage=usage or Usage(10, 5),
        model=SCRIPTED,
        stop_reason=StopReason.TOOL_USE,
    )
