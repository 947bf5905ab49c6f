"""What a specialist is: one prompt, one schema, a small set of tools and its limits, as a value."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from pydantic import BaseModel

from actors.contracts import JsonValue, Task
from actors.models.base import Effort
from actors.rules import USUAL, WatchLimits
from actors.threads import BLOCKING_TOOLS_MAX
from actors.tools.base import Tool, ToolContext
from budget.errors import TaskError

TOOLS_MAX = 12  # above this a specialist is no specialist: a 27-tool agent is mediocre at all of them
PROMPT_CHARACTERS_MAX = 8_000  # about 2,000 tokens of standing instructions
DEADLINE_S = 30.0  # of one sub-agent, by the public description of the pattern


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call that an analyst wants made."""

    tool: str
    arguments: Mapping[str, JsonValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answered:
    """What came of one call: `content` as the tool returned it, or the error that it raised."""

    call: Call
    content: JsonValue = None
    error: str | None = None


SESSIONS_MAX = 2**31 - 1  # of a host whose specialist names no limit

# Rules instead of a model: the task's inputs and the calls answered so far in, the next calls or the answer out.
Analyst: TypeAlias = "Callable[[Mapping[str, JsonValue], Sequence[Answered]], Sequence[Call] | BaseModel]"

# Looks each citation up in its own source; returns those that are not there. May block: runs in a thread.
CitationCheck: TypeAlias = Callable[[ToolContext, Sequence[str]], Iterable[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """What one host of this specialist takes of the cluster, and how many sessions it runs at once, at most.

    `sessions_max` is for specialists whose tools can bear no more; without it the batch's own limit counts alone. Plain
    tools run in `threads_max` threads; where all are taken a call waits, within its sub-agent's deadline.
    """

    num_cpus: float = 0.25
    memory_bytes: int = 256 * 1024 * 1024
    custom: Mapping[str, float] = field(default_factory=dict)
    sessions_max: int = SESSIONS_MAX
    threads_max: int = BLOCKING_TOOLS_MAX


@dataclass(frozen=True, slots=True, kw_only=True)
class Specialist:
    """A reusable expert. `tier` picks the model (cheap for routing, strong for the lead).

    Raises TaskError when it is too large to be one: too many tools, or too long a prompt.
    """

    name: str
    purpose: str
    prompt: str
    output: type[BaseModel]
    tools: tuple[Tool, ...] = ()
    resources: Resources = Resources()
    tier: Literal["route", "work", "lead"] = "work"
    effort: Effort | None = None
    output_tokens_max: int = 4096  # of one reply; a router needs 50
    analyst: Analyst | None = None
    check_citations: CitationCheck | None = None
    watchdog: WatchLimits = USUAL

    def task(
        self,
        id: str,
        objective: str,
        *,
        run_id: str = "",
        inputs: Mapping[str, JsonValue] | None = None,
        tokens_max: int = 50_000,
        deadline_s: float = DEADLINE_S,
        turns_max: int = 12,
        required: bool = True,
    ) -> Task:
        """A task for this specialist, under its own schema. `id` is unique in its batch, and its idempotency key."""
        return Task(
            id=id,
            run_id=run_id or id,
            agent=self.name,
            objective=objective,
            output_schema=self.output.__name__,
            tokens_max=tokens_max,
            deadline_s=deadline_s,
            turns_max=turns_max,
            idempotency_key=id,
            inputs=inputs or {},
            required=required,
        )

    def __post_init__(self) -> None:
        if not self.name or not self.prompt:
            raise TaskError(f"specialist {self.name!r}: name and prompt must be stated")
        if type(self.output_tokens_max) is not int or self.output_tokens_max < 0:
            raise TaskError(
                f"specialist {self.name!r}: output_tokens_max is {self.output_tokens_max!r}, "
                "and must be a whole number, 0 or more"
            )
        threads_max = self.resources.threads_max
        if type(threads_max) is not int or threads_max < 1:
            raise TaskError(
                f"specialist {self.name!r}: threads_max of its resources is {threads_max!r}, and must be 1 or more"
            )
        if len(self.tools) > TOOLS_MAX:
            raise TaskError(f"specialist {self.name!r} has {len(self.tools)} tools, at most {TOOLS_MAX}: split it")
        if len(self.prompt) > PROMPT_CHARACTERS_MAX:
            raise TaskError(
                f"specialist {self.name!r} has a prompt of {len(self.prompt)} characters, "
                f"at most {PROMPT_CHARACTERS_MAX}: split it or move rules into its tools"
            )
        names = [tool.name for tool in self.tools]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise TaskError(f"specialist {self.name!r} lists {', '.join(twice)} twice")
