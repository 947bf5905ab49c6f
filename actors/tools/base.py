"""Tools: what a sub-agent may do, declared once with `@tool` and listed by the specialists that may use it."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeAlias, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError, create_model

from actors.contracts import JsonValue
from actors.models.base import ToolSpec
from actors.tools.shared import Shared
from budget.errors import TaskError


class Effect(StrEnum):
    """What a tool does to the world. ACT needs a grant."""

    READ = "read"
    PROPOSE = "propose"
    ACT = "act"


class ToolError(Exception):
    """A call that went wrong in a way that the model may mend (a bad argument, say): it is shown to it."""


class SourceError(ToolError):
    """A source that cannot be read at all. Ends the session: a model must not answer without its source."""


@dataclass(frozen=True, slots=True)
class ToolContext:
    """What a tool knows beside its arguments. The task's inputs say where to read; a model never chooses a path."""

    task_id: str
    inputs: Mapping[str, JsonValue]
    idempotency_key: str  # of this logical call: the same on every attempt and after a resume
    shared: Shared  # what one host read once for all of its sessions


ToolFunction: TypeAlias = Callable[..., "JsonValue | Awaitable[JsonValue]"]


@dataclass(frozen=True, slots=True)
class Tool:
    """A function with a contract. `blocking` functions run in a thread, `async` ones in the host's loop."""

    spec: ToolSpec
    function: ToolFunction
    effect: Effect
    blocking: bool
    takes_context: bool
    arguments_type: TypeAdapter[Any]

    @property
    def name(self) -> str:
        return self.spec.name

    def arguments(self, given: Mapping[str, JsonValue]) -> dict[str, Any]:
        """`given`, checked and converted. Raises ToolError naming each wrong argument."""
        try:
            model = self.arguments_type.validator.validate_python(given if type(given) is dict else dict(given))
        except ValidationError as error:
            wrong = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'arguments'}: {e['msg']}" for e in error.errors())
            raise ToolError(f"{self.name} was called with wrong arguments: {wrong}") from None
        return dict(model.__dict__)


def tool(function: ToolFunction | None = None, *, name: str | None = None, effect: Effect = Effect.READ) -> Any:
    """Declare a tool: its name, its docstring and its annotated parameters are what the model sees.

    A first parameter named `context` receives the ToolContext and is not shown to the model.
    Raises TaskError for a function without a docstring or with an unannotated parameter.
    """
    if function is None:
        return lambda decorated: tool(decorated, name=name, effect=effect)
    tool_name: str = name or function.__name__
    if not inspect.getdoc(function):
        raise TaskError(f"tool {tool_name!r} has no docstring; the model chooses tools by it")
    parameters = list(inspect.signature(function).parameters.values())
    takes_context = bool(parameters) and parameters[0].name == "context"
    hints = get_type_hints(function, include_extras=True)
    fields: dict[str, Any] = {}
    for parameter in parameters[1 if takes_context else 0 :]:
        if parameter.name not in hints:
            raise TaskError(f"tool {tool_name!r}: parameter {parameter.name!r} has no type; the schema needs one")
        default = ... if parameter.default is inspect.Parameter.empty else parameter.default
        fields[parameter.name] = (hints[parameter.name], default)
    model = create_model(f"{tool_name}_arguments", __config__=ConfigDict(extra="forbid"), **fields)
    adapter = TypeAdapter(model)
    spec = ToolSpec(tool_name, inspect.getdoc(function) or "", adapter.json_schema())
    return Tool(spec, function, effect, not inspect.iscoroutinefunction(function), takes_context, adapter)
