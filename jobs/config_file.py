"""`--config`: a YAML file of options, under the names of the command line."""

from __future__ import annotations

from pathlib import Path

import click
import yaml

from budget.errors import SettingsError
from jobs.option_values import CONFIG, Configured


def configured(context: click.Context, _: click.Parameter, file: Path | None) -> Path | None:
    """Values of a YAML file stand behind options and variables. Unknown keys are a mistake."""
    if file is None:
        return None
    try:
        read = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SettingsError(
            f"--config {str(file)!r} cannot be read ({_trouble(error)}): name a YAML file of options"
        ) from None
    if not isinstance(read, dict | None):
        raise SettingsError(
            f"--config {str(file)!r} holds a {type(read).__name__}, and no options: write each as `name: value`"
        )
    known, values = _keys(context.command), read or {}
    names = {str(key).replace("-", "_"): key for key in values}
    unknown = sorted(names.keys() - known.keys())
    if unknown:
        command = context.command.name
        raise SettingsError(
            f"--config {str(file)!r}: {str(names[unknown[0]])!r} is no option of {command!r}: "
            f"leave it out, or see `muster {command} --help`"
        )
    stated = {known[name]: key for name, key in names.items() if values[key] is not None}
    context.default_map = {**(context.default_map or {}), **{name: values[key] for name, key in stated.items()}}
    context.meta[CONFIG] = Configured(str(file), {name: str(key) for name, key in stated.items()})
    return file


def _keys(command: click.Command) -> dict[str, str]:
    """A command's options as a file says them, with what the command calls them."""
    return {
        flag.lstrip("-").replace("-", "_"): str(parameter.name)
        for parameter in command.params
        if isinstance(parameter, click.Option) and parameter.expose_value
        for flag in parameter.opts
    }


def _trouble(error: OSError | UnicodeDecodeError | yaml.YAMLError) -> str:
    """What is wrong with a file, in a few words."""
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    if isinstance(error, UnicodeDecodeError):
        return f"byte {error.start} is not UTF-8"
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        return f"line {error.problem_mark.line + 1}: {error.problem}"
    return " ".join(str(error).split())
