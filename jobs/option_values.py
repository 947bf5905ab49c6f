"""What an option is given: a number within its range, or a sentence that says what is wrong, and where that stands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import click
from click.core import ParameterSource

from budget.errors import SettingsError
from orchestrator.ranges import Range

CONFIG = "muster.config"  # in a context: the `Configured` that its options may come from


@dataclass(frozen=True, slots=True)
class Configured:
    """A file of options, and what it calls them, by their commands' names."""

    file: str
    keys: dict[str, str]


class Option(click.Option):
    """An option of a command, or a variable, or a key of a file: a wrong value is told from where it came."""

    def get_error_hint(self, ctx: click.Context | None) -> str:
        return origin_of(self, ctx) if ctx else super().get_error_hint(ctx)


class Number(click.ParamType):  # type: ignore[type-arg]  # generic from click 8.5 on, and 8.3 will do
    """A number within a range. Anything else is a SettingsError with what was written, where, and what it must be."""

    def __init__(self, within: Range) -> None:
        self.within = within
        self.name = "integer" if within.whole else "float"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | float:
        written = str(value)
        try:
            number: int | float | None = int(written) if self.within.whole else float(written)
        except ValueError:
            number = None
        if number in self.within:
            assert number is not None
            return number
        where = origin_of(param, ctx) if param and ctx else "a number"
        shown = repr(written) if number is None else written
        raise SettingsError(f"{where} is {shown:.60}, and must be {self.within}: change it, or leave it out")


def origin_of(option: click.Parameter, context: click.Context) -> str:
    """Where an option's value was written: on the command line, in the environment, or in a file."""
    source = context.get_parameter_source(str(option.name))
    configured = context.meta.get(CONFIG)
    if source is ParameterSource.DEFAULT_MAP and isinstance(configured, Configured):
        return f"{configured.keys[str(option.name)]!r} of --config {configured.file!r}"
    return f"{option.envvar} in the environment" if source is ParameterSource.ENVIRONMENT else option.opts[0]
