"""A deterministic analyst in place of a model: no network, no key. Real tools on real data, rules instead of a model.

It drives the same tools through the same conversation as a model would, by the rules that its specialist states.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from actors import prompts
from actors.contracts import JsonValue, Usage
from actors.models.base import (
    Block,
    Message,
    ModelError,
    ModelReply,
    ModelRequest,
    StopReason,
    Text,
    ToolResult,
    ToolUse,
)
from actors.specialists.base import Analyst, Answered, Call

OFFLINE = "offline"
BYTES_PER_TOKEN = 4  # the usual estimate for English text and JSON; only what the offline model reports uses it


@dataclass(frozen=True, slots=True)
class OfflineModel:
    """The rules of one specialist, as a model. Same request, same reply. `prefix` begins the ids of its calls."""

    analyst: Analyst | None
    prefix: str = "call"

    async def reply(self, request: ModelRequest) -> ModelReply:
        """The next tool calls, or the answer. Raises ModelError for a specialist that states no rules."""
        if self.analyst is None:
            raise ModelError(f"specialist {request.agent!r} states no rules for the offline model: choose a real one")
        inputs, answered = read_conversation(request.messages)
        decided = self.analyst(inputs, answered)
        blocks: tuple[Block, ...]
        if isinstance(decided, Sequence):
            first = len(answered)
            blocks = tuple(ToolUse(f"{self.prefix}-{first + n}", c.tool, c.arguments) for n, c in enumerate(decided))
        else:
            blocks = (Text(decided.model_dump_json()),)
        written_tokens = sum(map(_tokens, blocks))
        stop_reason = StopReason.TOOL_USE if isinstance(decided, Sequence) else StopReason.END_TURN
        if written_tokens > request.output_tokens_max:  # as a provider would: cut off at the clamp, and saying so
            blocks, written_tokens, stop_reason = (), request.output_tokens_max, StopReason.MAX_TOKENS
        usage = Usage(_tokens_of_request(request), written_tokens)
        return ModelReply(blocks=blocks, usage=usage, model=OFFLINE, stop_reason=stop_reason)


def read_conversation(messages: Sequence[Message]) -> tuple[Mapping[str, JsonValue], list[Answered]]:
    """The task's inputs and the tool calls answered so far, in their order."""
    opening = messages[0].blocks[0]
    assert isinstance(opening, Text)
    inputs = cast(dict[str, JsonValue], prompts.undata(opening.text)) if "<data " in opening.text else {}
    results = {
        block.tool_use_id: block for message in messages for block in message.blocks if isinstance(block, ToolResult)
    }
    calls = [block for message in messages for block in message.blocks if isinstance(block, ToolUse)]
    return inputs, [_answered(call, results[call.id]) for call in calls if call.id in results]


def _answered(call: ToolUse, result: ToolResult) -> Answered:
    content = prompts.undata(result.content)
    asked = Call(call.name, call.arguments)
    return Answered(asked, error=str(content)) if result.is_error else Answered(asked, content)


def _tokens_of_request(request: ModelRequest) -> int:
    standing = len(request.system) + sum(len(t.description) + len(str(t.parameters)) for t in request.tools)
    said = sum(_tokens(block) for message in request.messages for block in message.blocks)
    return standing // BYTES_PER_TOKEN + said


def _tokens(block: Block) -> int:
    match block:
        case Text(text):
            return 1 + len(text) // BYTES_PER_TOKEN
        case ToolResult(_, content):
            return 1 + len(content) // BYTES_PER_TOKEN
        case ToolUse(_, name, arguments):
            return 1 + (len(name) + len(str(arguments))) // BYTES_PER_TOKEN
    return 1
