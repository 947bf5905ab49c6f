"""What goes into a session's machine and what comes out: events, instructions, and what its specialist shares."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from actors.contracts import JsonValue, Reason
from actors.models.base import Effort, Message, ModelReply, ModelRequest, ToolSpec, ToolUse
from actors.overseer import Overseer
from actors.rules import USUAL, WatchLimits


class Answer(NamedTuple):
    """A final answer that is valid under the task's schema, as JSON."""

    json: str


# Text of a final answer in; the answer, or what is wrong with it in a sentence that a model can act on.
Check: TypeAlias = Callable[[str], "Answer | str"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """What all sessions of one specialist share."""

    agent: str
    model: str
    system: str
    tools: tuple[ToolSpec, ...]
    check: Check
    output_schema: Mapping[str, JsonValue] | None = None
    output_tokens_max: int = 4096
    effort: Effort | None = None
    standing_tokens: int = 0  # upper bound of system prompt, tools and schema together
    limits: WatchLimits = USUAL
    overseer: Overseer | None = None

    def request(
        self, run_id: str, messages: tuple[Message, ...], input_tokens: int, output_tokens: int, left_tokens: int,
        final: bool,
    ) -> ModelRequest:  # fmt: skip
        """The next call of one session. By position: names cost half as much again, twice for each sub-agent."""
        return ModelRequest(
            self.agent, self.model, self.system, messages, self.tools, output_tokens, self.output_schema, self.effort,
            left_tokens, final, input_tokens, run_id,
        )  # fmt: skip


# --- events -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Begun:
    pass


class ModelFailed(NamedTuple):
    message: str
    unseen_tokens: int = 0
    circuit_open: bool = False


class ToolReturn(NamedTuple):
    """What came of one tool call: its content, or an error. A fatal one ends the session.

    `circuit_open`: the tool was not asked, since it had failed too often. `cached`: its result was known already.
    """

    call: ToolUse
    content: JsonValue = None
    error: str | None = None
    fatal: bool = False
    circuit_open: bool = False
    cached: bool = False

    def for_equal(self, call: ToolUse) -> ToolReturn:
        """The same for an equal call, which was not made."""
        return ToolReturn(call, self.content, self.error, self.fatal, self.circuit_open, True)


class ToolsReturned(NamedTuple):
    returns: Sequence[ToolReturn]


class Overseen(NamedTuple):
    """The overseer answered, or could not (None). `unseen_tokens` is what lost attempts may have been billed."""

    reply: ModelReply | None
    unseen_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Stopped:
    """The session ends from outside: its deadline, a cancellation.

    `unseen_tokens` is what the model call under way may have been billed, at most; None: nobody can tell.
    """

    reason: Reason
    message: str
    unseen_tokens: int | None = None


# A reply speaks for itself.
Event: TypeAlias = Begun | ModelReply | ModelFailed | ToolsReturned | Overseen | Stopped

# --- instructions -----------------------------------------------------------------------------------------------------


class CallTools(NamedTuple):
    """All at once: calls of one turn do not depend on each other."""

    calls: tuple[ToolUse, ...]


class CallOverseer(NamedTuple):
    """Ask the small model whether the session makes progress, within `wait_s`: it may not cost the session its time."""

    request: ModelRequest
    wait_s: float


class Done(NamedTuple):
    answer: Answer


@dataclass(frozen=True, slots=True)
class Ended:
    reason: Reason
    message: str


# A request is the instruction to make it.
Instruction: TypeAlias = ModelRequest | CallTools | CallOverseer | Done | Ended
