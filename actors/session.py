"""One sub-agent at work on one task, as a machine: events in, one instruction out. No clock, no I/O."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from actors import prompts
from actors.contracts import NOTHING, JsonValue, Reason, Task, Usage
from actors.models.base import (
    REQUEST_OVERHEAD_TOKENS,
    Block,
    Message,
    ModelReply,
    StopReason,
    Text,
    ToolResult,
    ToolUse,
)
from actors.overseer import WAIT_SHARE_MAX, no_progress
from actors.redaction import redacted
from actors.steps import (
    Answer,
    Begun,
    CallOverseer,
    CallTools,
    Done,
    Ended,
    Event,
    Instruction,
    ModelFailed,
    Overseen,
    Role,
    Stopped,
    ToolReturn,
    ToolsReturned,
)
from actors.watchdog import Watchdog

MESSAGE_OVERHEAD_TOKENS = 16
OUTPUT_TOKENS_MIN = 64  # below this no answer under a schema can be hoped for
RESULT_BYTES_MAX = 60_000  # one tool result; a larger one is an error that says so, never cut
REPAIRS_MAX = 1
FOUND_CHARACTERS_MAX = 4_000  # of each piece that a failure keeps
FOUND_PIECES_MAX = 40


_ENDINGS = (Done, Ended)
_COMPLETE = frozenset({StopReason.END_TURN, StopReason.TOOL_USE, StopReason.STOP_SEQUENCE})


@dataclass(slots=True)
class Session:
    """A task's conversation and its money. Drive it with `step` until it says Done or Ended.

    Invariant: what was spent, plus the worst case of the call under way, never passes `task.tokens_max`.
    """

    task: Task
    role: Role
    usage: Usage = NOTHING
    spent_tokens: int = 0  # the usage, what lost attempts may have been billed, and what the overseer was
    unseen_tokens: int = 0
    overseer_tokens: int = 0  # what the small model that watches was billed, at most
    model_calls: int = 0
    tool_calls: int = 0
    bound_tokens: int = 0  # worst case of the model call under way
    _messages: list[Message] = field(default_factory=list)
    _prefix_tokens: int = 0  # what the last reply's request and reply were counted at
    _added_bytes: int = 0  # what was added since
    _repairs: int = 0
    _tool_turns: int = 0
    _declined: tuple[ToolUse, ...] = ()  # calls of the turn under way that are above its limit, and not made
    _watchdog: Watchdog = field(init=False)
    _found: list[tuple[str, JsonValue]] = field(default_factory=list)
    _ended: bool = False

    def __post_init__(self) -> None:
        self._watchdog = Watchdog(self.role.limits, self.task.tokens_max)

    @property
    def ended(self) -> bool:
        return self._ended

    @property
    def messages(self) -> Sequence[Message]:
        """The conversation so far, for a transcript."""
        return self._messages

    @property
    def found(self) -> JsonValue:
        """What the session had learned, for a failure to keep: tool results and partial answers, bounded."""
        return [{"from": origin, "content": _excerpt(content)} for origin, content in self._found]

    def step(self, event: Event) -> Instruction:
        """The one door. Raises AssertionError when driven past its end."""
        assert not self._ended, f"session {self.task.id!r} has ended"
        instruction = self._next(event)
        self._ended = isinstance(instruction, _ENDINGS)
        return instruction

    def check(self) -> None:
        """The invariants, for tests."""
        assert self.spent_tokens + self.bound_tokens <= self.task.tokens_max or not self.bound_tokens
        assert self.model_calls <= self.task.turns_max
        assert self._repairs <= REPAIRS_MAX

    def _next(self, event: Event) -> Instruction:
        match event:
            case ModelReply():
                return self._on_reply(event)
            case ToolsReturned():
                return self._on_tools(event.returns)
            case Begun():
                self._say((Text(prompts.opening(self.task)),))
                self._prefix_tokens = self.role.standing_tokens + REQUEST_OVERHEAD_TOKENS
                return self._call()
            case ModelFailed(message, unseen_tokens, circuit_open):
                self._settle(unseen_tokens=unseen_tokens)
                return Ended(Reason.CIRCUIT_OPEN if circuit_open else Reason.MODEL_ERROR, message)
            case Overseen(reply, unseen_tokens):
                return self._on_overseen(reply, unseen_tokens)
            case Stopped(reason, message, unseen_tokens):
                self._settle(unseen_tokens=self.bound_tokens if unseen_tokens is None else unseen_tokens)
                return Ended(reason, message)

    def _on_reply(self, reply: ModelReply) -> Instruction:
        self._settle(reply.usage, unseen_tokens=reply.unseen_tokens)
        self._prefix_tokens = (reply.usage if reply.saved is NOTHING else reply.usage + reply.saved).total_tokens
        self._added_bytes = 0
        self._messages.append(Message("assistant", reply.blocks))
        calls = tuple([block for block in reply.blocks if isinstance(block, ToolUse)])
        complete = reply.stop_reason in _COMPLETE
        if complete and calls:
            return self._use(calls)
        text = "".join([block.text for block in reply.blocks if isinstance(block, Text)])
        return self._conclude(text) if complete else self._on_incomplete(reply, text, calls)

    def _on_incomplete(self, reply: ModelReply, text: str, calls: tuple[ToolUse, ...]) -> Instruction:
        """A reply that is neither an answer nor a wish for tools. Each kind has its defined end."""
        if reply.stop_reason is StopReason.PAUSE_TURN:
            return self._call()
        self._keep("answer", text)
        if reply.stop_reason is StopReason.REFUSAL:
            return Ended(Reason.MODEL_ERROR, f"the model refused: {text[:200] or 'no reason given'}")
        if reply.stop_reason is StopReason.CONTEXT_WINDOW:
            return Ended(Reason.MODEL_ERROR, "the input no longer fits the model's window: give the task less")
        return self._again(f"it was cut off after {reply.usage.output_tokens} output tokens; answer in fewer", calls)

    def _use(self, calls: tuple[ToolUse, ...]) -> Instruction:
        if self.model_calls >= self.task.turns_max:
            return Ended(Reason.WATCHDOG, f"no answer within {self.task.turns_max} turns (turns_max of the task)")
        calls_max = self.role.limits.calls_max
        calls, self._declined = calls[:calls_max], calls[calls_max:]
        runaway = self._watchdog.calls(calls)
        if runaway:
            return Ended(Reason.WATCHDOG, runaway)
        self.tool_calls += len(calls)
        return CallTools(calls)

    def _on_tools(self, returns: Sequence[ToolReturn]) -> Instruction:
        fatal = None
        for returned in returns:
            if returned.fatal:
                fatal = fatal or returned
            self._keep(returned.call.name, returned.error if returned.content is None else returned.content)
        if fatal is not None:
            reason = Reason.CIRCUIT_OPEN if fatal.circuit_open else Reason.TOOL_ERROR
            return Ended(reason, f"{fatal.call.name}: {fatal.error}")
        blocks = [_result_block(returned) for returned in returns]
        if self._declined:
            blocks += [_declined_block(call, len(returns), self.role.limits.calls_max) for call in self._declined]
        self._say(tuple(blocks))
        self._tool_turns += 1
        runaway = self._watchdog.returned(returns, self.spent_tokens, self._messages)
        if runaway:
            return Ended(Reason.WATCHDOG, runaway)
        return self._call() if self.role.overseer is None else self._look()

    def _look(self) -> Instruction:
        """The overseer's turn, when it is due and its share of the task pays for it; else the model's."""
        overseer = self.role.overseer
        if overseer is None or self._tool_turns % overseer.every_turns:
            return self._call()
        left_tokens = min(
            int(overseer.share_max * self.task.tokens_max) - self.overseer_tokens,
            self.task.tokens_max - self.spent_tokens,
        )
        request = overseer.request(self.task, self._messages, tokens_left=left_tokens)
        if request is None:
            return self._call()
        self.bound_tokens = request.tokens_left or 0
        return CallOverseer(request, WAIT_SHARE_MAX * self.task.deadline_s)

    def _on_overseen(self, reply: ModelReply | None, unseen_tokens: int) -> Instruction:
        billed_tokens = 0 if reply is None else reply.usage.total_tokens + reply.unseen_tokens
        self.overseer_tokens += billed_tokens + unseen_tokens
        self.spent_tokens += billed_tokens + unseen_tokens
        self.bound_tokens = 0
        why = no_progress(reply)
        if why is None:
            return self._call()
        problem = f"the watchdog model sees no progress after {self._tool_turns} turns with tools"
        return Ended(Reason.WATCHDOG, f"{problem}: {why}; look at the transcript, or leave --watchdog-model out")

    def _conclude(self, text: str) -> Instruction:
        checked = self.role.check(text)
        if isinstance(checked, Answer):
            return Done(checked)
        self._keep("answer", text)
        return self._again(checked, ())

    def _again(self, problem: str, unanswered: tuple[ToolUse, ...]) -> Instruction:
        """One repair turn that quotes the problem; a second invalid answer ends the session."""
        if self._repairs >= REPAIRS_MAX or self.model_calls >= self.task.turns_max:
            return Ended(Reason.INVALID_OUTPUT, problem)
        self._repairs += 1
        dropped = tuple(ToolResult(call.id, "not run: the reply was cut off", True) for call in unanswered)
        self._say((*dropped, Text(prompts.repair(problem))))
        return self._call()

    def _call(self) -> Instruction:
        """The next model call, clamped to what the task has left."""
        if self.model_calls >= self.task.turns_max:
            return Ended(Reason.WATCHDOG, f"no answer within {self.task.turns_max} turns (turns_max of the task)")
        left_tokens = self.task.tokens_max - self.spent_tokens
        final = self.model_calls > 0 and (self._last_turn() or self._running_dry(left_tokens))
        if final and self.role.tools:
            self._say((Text(prompts.last_turn()),))
        input_tokens = self._prefix_tokens + self._added_bytes
        output_tokens = min(self.role.output_tokens_max, left_tokens - input_tokens)
        if output_tokens < min(OUTPUT_TOKENS_MIN, self.role.output_tokens_max):
            return Ended(Reason.BUDGET_SKIP, self._dry_message(input_tokens, left_tokens))
        self.model_calls += 1
        self.bound_tokens = input_tokens + output_tokens
        messages = tuple(self._messages)
        return self.role.request(self.task.run_id, messages, input_tokens, output_tokens, left_tokens, final)

    def _last_turn(self) -> bool:
        return self.model_calls == self.task.turns_max - 1

    def _running_dry(self, left_tokens: int) -> bool:
        """Whether one more turn after the next could not be paid for."""
        return left_tokens < 2 * (self._prefix_tokens + self._added_bytes + self.role.output_tokens_max)

    def _dry_message(self, input_tokens: int, left_tokens: int) -> str:
        return (
            f"the next call could take {input_tokens + OUTPUT_TOKENS_MIN} tokens and {left_tokens} are left "
            f"of the task's ceiling of {self.task.tokens_max}: raise tokens_max or give the task less"
        )

    def _settle(self, usage: Usage | None = None, *, unseen_tokens: int = 0) -> None:
        if usage is not None:
            self.usage = usage if self.usage is NOTHING else self.usage + usage
            self.spent_tokens += usage.total_tokens
        self.unseen_tokens += unseen_tokens
        self.spent_tokens += unseen_tokens
        self.bound_tokens = 0

    def _say(self, blocks: tuple[Text | ToolResult, ...]) -> None:
        """Add to the user's side of the conversation; two turns of his in a row become one.

        `_added_bytes` bounds the input tokens of what was added since the last reply: a token for each byte.
        """
        for block in blocks:
            text = block.text if type(block) is Text else block.content  # type: ignore[union-attr]
            self._added_bytes += byte_length(text) + MESSAGE_OVERHEAD_TOKENS
        said: tuple[Block, ...] = blocks
        if self._messages and self._messages[-1].role == "user":
            said = self._messages.pop().blocks + said
        self._messages.append(Message("user", said))

    def _keep(self, origin: str, content: JsonValue) -> None:
        if content and len(self._found) < FOUND_PIECES_MAX:
            self._found.append((origin, content))


def _result_block(returned: ToolReturn) -> ToolResult:
    if returned.error is not None:
        return ToolResult(returned.call.id, prompts.data(returned.call.name, returned.error), True)
    content = prompts.data(returned.call.name, returned.content)
    size = byte_length(content)
    if size > RESULT_BYTES_MAX:
        problem = f"the result has {size} bytes, at most {RESULT_BYTES_MAX} are shown: ask for less"
        return ToolResult(returned.call.id, prompts.data(returned.call.name, problem), True)
    return ToolResult(returned.call.id, content)


def _declined_block(call: ToolUse, made: int, calls_max: int) -> ToolResult:
    """The answer to a call above the limit of a turn: providers take no conversation in which one has none."""
    problem = f"not run: {made} other calls of this turn were, at most {calls_max} are. Ask again if it matters."
    return ToolResult(call.id, prompts.data(call.name, problem), True)


def _excerpt(content: JsonValue) -> str:
    text = content if isinstance(content, str) else prompts.compact(content)
    return redacted(text)[:FOUND_CHARACTERS_MAX]


def byte_length(text: str) -> int:
    """UTF-8 bytes of a text: no tokenizer makes more tokens than bytes."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
