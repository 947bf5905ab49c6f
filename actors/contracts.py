"""What crosses between driver, host and session: tasks in, outcomes out. Values only."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple, TypeAlias, TypeVar, cast, dataclass_transform

from budget.errors import TaskError

JsonValue: TypeAlias = "str | int | float | bool | None | list[JsonValue] | dict[str, JsonValue]"


FOR_TOOLS = "_"  # inputs whose names begin so are for a task's tools; no model is shown them


class Reason(StrEnum):
    """Why a task came to nothing. Closed: a new reason is a change of the tables and of the docs."""

    TIMEOUT = "timeout"
    TOOL_ERROR = "tool_error"
    MODEL_ERROR = "model_error"
    INVALID_OUTPUT = "invalid_output"
    BUDGET_SKIP = "budget_skip"
    NO_SUCH_AGENT = "no_such_agent"
    WATCHDOG = "watchdog"
    CIRCUIT_OPEN = "circuit_open"
    HOST_LOST = "host_lost"
    CANCELLED = "cancelled"
    UPSTREAM_FAILED = "upstream_failed"


T = TypeVar("T")
_REAL = (int, float)


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(field,))
def light_value(cls: type[T]) -> type[T]:
    """A frozen dataclass to whoever checks types, and a plain one when it runs: made by the thousand, in a third of the
    time (13 fields: 1.3 us, frozen 4.0 us; Python 3.11)."""
    return dataclass(slots=True, kw_only=True)(cls)


@light_value
class Task:
    """What one sub-agent is asked. It knows nothing else.

    `inputs` is what its tools may see of the world (paths, selectors, times): plain JSON.
    `tokens_max` is the ceiling over all of its model calls, input and output together.
    `deadline_s` counts from the session's start, not while it waits for money.
    """

    id: str
    run_id: str
    agent: str
    objective: str
    output_schema: str
    tokens_max: int
    deadline_s: float
    turns_max: int
    idempotency_key: str
    inputs: Mapping[str, JsonValue] = field(default_factory=dict)
    required: bool = True
    attempt: int = 1
    priority: int = 0  # the run's place in its batch: money goes to the runs that began first
    own_account: bool = False  # its run has a ceiling, and so an account, of its own; whoever plans the run says so

    def __post_init__(self) -> None:
        texts = self.id and self.run_id and self.agent and self.objective and self.output_schema
        typed = type(self.tokens_max) is int and type(self.turns_max) is int and isinstance(self.deadline_s, _REAL)
        named = isinstance(self.id, str) and isinstance(self.run_id, str) and isinstance(self.required, int)
        named = named and (not self.inputs or all(type(name) is str for name in self.inputs))
        if not (
            typed and named and texts and self.idempotency_key
            and self.tokens_max > 0 and self.turns_max > 0 and self.deadline_s > 0
        ):  # fmt: skip
            raise TaskError(self._mistake())

    def _mistake(self) -> str:
        for name in ("id", "run_id", "agent", "objective", "output_schema", "idempotency_key"):
            said = getattr(self, name)
            if not said:
                return f"task {self.id!r}: {name} is empty; every task states it"
            if not isinstance(said, str):
                return f"task {self.id!r}: {name} is {said!r}, and must be text"
        odd = [name for name in self.inputs if type(name) is not str]
        if odd:
            return f"task {self.id!r}: an input is named {odd[0]!r}, and names are text"
        if not isinstance(self.required, int):
            return f"task {self.id!r}: required is {self.required!r}: say True or False"
        for name in ("tokens_max", "turns_max"):
            if type(getattr(self, name)) is not int:
                return f"task {self.id!r}: {name} is {getattr(self, name)!r}, and must be a whole number"
        if not isinstance(self.deadline_s, _REAL):
            return f"task {self.id!r}: deadline_s is {self.deadline_s!r}, and must be a plain number"
        limits = {name: getattr(self, name) for name in ("tokens_max", "turns_max", "deadline_s")}
        wrong = next(name for name, limit in limits.items() if not limit > 0)
        return f"task {self.id!r}: {wrong} is {limits[wrong]}, and must be above 0"


class Usage(NamedTuple):
    """What a provider counted. `input_tokens` includes cache reads and writes.

    `cache_write_tokens` includes those kept for an hour: a price of their own, and no column of the outcome table.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    cache_write_1h_tokens: int = 0

    @property
    def total_tokens(self) -> int:
        return self.input_tokens + self.output_tokens

    def __add__(self, other: Usage) -> Usage:  # type: ignore[override]
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cache_read_tokens + other.cache_read_tokens,
            self.cache_write_tokens + other.cache_write_tokens,
            self.cache_write_1h_tokens + other.cache_write_1h_tokens,
        )


NOTHING = Usage()


class Span(NamedTuple):
    """One timed step inside a session: a model call or a tool call. Times are Unix seconds.

    `attributes` is a JSON object as text: hosts write thousands a second, and few are ever read.
    """

    name: str
    started_at_s: float
    ended_at_s: float
    error: str = ""
    attributes: str = ""


class Work(NamedTuple):
    """What a session did and what it cost, whether or not anything came of it.

    `model` is the one that answered last: another than the specialist's own where a fallback stood in.
    `spent_tokens` is what the ledger was told: the usage, and above it what may have been billed unseen, and what
    looking on cost.
    `cost_microusd` is None when the model has no known price: unknown, not nothing.
    `cached_replies` and `cached_results` (of tools) were known already; `saved_tokens` is what the replies once cost.
    `transcript` is the conversation as JSON, where it is kept; it travels beside the outcome, not in it.
    """

    model: str = ""
    usage: Usage = NOTHING
    spent_tokens: int = 0
    cost_microusd: int | None = 0
    model_calls: int = 0
    tool_calls: int = 0
    host: str = ""
    queued_ms: float = 0.0
    started_at_s: float = 0.0
    elapsed_ms: float = 0.0
    spans: tuple[Span, ...] = ()
    cached_replies: int = 0
    cached_results: int = 0
    saved_tokens: int = 0
    transcript: str = ""


NO_WORK = Work()


class Result(NamedTuple):
    """A task that was answered: `answer` is JSON, valid under the task's schema.

    `unresolved` are the citations of the output that were looked up in their source and not found there.
    """

    task_id: str
    run_id: str
    agent: str
    attempt: int
    answer: str
    unresolved: tuple[str, ...] = ()
    work: Work = NO_WORK

    @property
    def output(self) -> dict[str, JsonValue]:
        """The answer, parsed."""
        return cast(dict[str, JsonValue], json.loads(self.answer))


class Failure(NamedTuple):
    """A task that came to nothing, why, and what was found until then (tool results, a partial answer)."""

    task_id: str
    run_id: str
    agent: str
    attempt: int
    reason: Reason
    message: str
    found: JsonValue = None
    work: Work = NO_WORK


Outcome: TypeAlias = Result | Failure


def failure(task: Task, reason: Reason, message: str, work: Work = NO_WORK, *, found: JsonValue = None) -> Failure:
    """What a task came to when it came to nothing."""
    return Failure(
        task_id=task.id,
        run_id=task.run_id,
        agent=task.agent,
        attempt=task.attempt,
        reason=reason,
        message=message,
        found=found,
        work=work,
    )
