"""A small model that looks at a session now and then and says whether it makes progress. Off unless a model is named.

What it is shown was written by tools and by another model: data, wrapped as such. Only a plain no ends a session; an
answer that is none, a refusal, an error and a timeout let it go on.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from actors import prompts
from actors.contracts import JsonValue, Task
from actors.models.base import (
    REQUEST_OVERHEAD_TOKENS,
    Message,
    ModelReply,
    ModelRequest,
    StopReason,
    Text,
    ToolResult,
    ToolUse,
)
from budget.errors import SettingsError

OVERSEER = "watchdog"  # the agent that its requests name
EVERY_TURNS = 4
SHARE_MAX = 0.15  # of the task's tokens; the pattern's public descriptions put a watchdog at 10 to 20 %
WAIT_SHARE_MAX = 0.1  # of the task's deadline, for each look
OUTPUT_TOKENS_MAX = 200
STEPS_SHOWN = (12, 6, 3)  # the last ones: as many of these as its share pays for
CHARACTERS_MAX = 200  # of each argument list and each result

SCHEMA: dict[str, JsonValue] = {
    "type": "object",
    "properties": {
        "progress": {"type": "string", "enum": ["yes", "no"]},
        "why": {"type": "string", "description": "One short sentence"},
    },
    "required": ["progress", "why"],
    "additionalProperties": False,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Overseer:
    """Which model looks, after every how many turns with tools, and for what share of the task's tokens at most."""

    model: str
    every_turns: int = EVERY_TURNS
    share_max: float = SHARE_MAX

    def __post_init__(self) -> None:
        if self.every_turns < 1:
            raise SettingsError(f"the watchdog looks every {self.every_turns} turns: say 1 or more")
        if not 0 < self.share_max <= 1:
            raise SettingsError(f"the watchdog may cost {self.share_max} of a task's tokens: say above 0, up to 1")

    def request(self, task: Task, messages: Sequence[Message], *, tokens_left: int) -> ModelRequest | None:
        """What it is asked, or None where `tokens_left` does not pay for that at its worst."""
        steps = list(_steps(messages))
        for count in STEPS_SHOWN:
            request = self._request(prompts.oversight(_shown(task, steps, count)))
            if (request.tokens_left or 0) <= tokens_left:
                return request
        return None

    def _request(self, asked: str) -> ModelRequest:
        input_tokens = (
            len((prompts.OVERSEER + asked + json.dumps(SCHEMA)).encode("utf-8", "replace")) + REQUEST_OVERHEAD_TOKENS
        )
        return ModelRequest(
            agent=OVERSEER,
            model=self.model,
            system=prompts.OVERSEER,
            messages=(Message("user", (Text(asked),)),),
            output_tokens_max=OUTPUT_TOKENS_MAX,
            output_schema=SCHEMA,
            input_tokens_max=input_tokens,
            tokens_left=input_tokens + OUTPUT_TOKENS_MAX,
        )


def no_progress(reply: ModelReply | None) -> str | None:
    """Why the overseer says no; None for a yes, and for whatever is no answer under the schema."""
    if reply is None or reply.stop_reason not in (StopReason.END_TURN, StopReason.STOP_SEQUENCE):
        return None
    try:
        said = json.loads("".join(block.text for block in reply.blocks if isinstance(block, Text)))
    except ValueError:
        return None
    if not isinstance(said, dict) or said.get("progress") != "no":
        return None
    return " ".join(str(said.get("why") or "it gave no reason").split())[:200]


def _shown(task: Task, steps: list[JsonValue], count: int) -> JsonValue:
    return {
        "objective": task.objective[: 4 * CHARACTERS_MAX],
        "calls_made": len(steps),
        "turns_max": task.turns_max,
        "last_steps": list[JsonValue](steps[-count:]),
    }


def _steps(messages: Sequence[Message]) -> Iterator[JsonValue]:
    """Each tool call with what came of it, in their order, excerpts of both."""
    results = {
        block.tool_use_id: block for message in messages for block in message.blocks if isinstance(block, ToolResult)
    }
    for message in messages:
        for block in message.blocks:
            if isinstance(block, ToolUse):
                result = results.get(block.id)
                yield {
                    "tool": block.name,
                    "arguments": str(block.arguments)[:CHARACTERS_MAX],
                    "failed": result is not None and result.is_error,
                    "result": result.content[:CHARACTERS_MAX] if result else None,
                }
