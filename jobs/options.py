"""Options that commands share. Each is an option, a `MUSTER_*` variable and a key of `--config`, under one name."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import click

from actors.overseer import EVERY_TURNS
from actors.specialists.base import DEADLINE_S
from budget import ALERT_PERCENTS
from budget.errors import SettingsError
from jobs.config_file import configured
from jobs.option_values import Number, Option
from orchestrator.ranges import DOLLARS, MICRO, PERCENT, RANGES
from orchestrator.settings import CONCURRENCY, TOKENS_PER_RUN, Settings

Command = TypeVar("Command", bound=Callable[..., Any])

# Settings that are taken as an option says them, where a command has it.
_SETTINGS = {
    "fallback_model": "fallback_model", "watchdog_model": "watchdog_model", "watchdog_turns": "watchdog_turns",
    "timeout": "deadline_s", "turns": "turns_max", "concurrency": "sessions_max", "hosts": "hosts_per_agent",
    "drivers": "drivers", "deadline": "batch_deadline_s", "run_deadline": "run_deadline_s",
    "tokens_per_run": "tokens_per_run", "budget_tokens": "tokens_max", "on_exhausted": "on_exhausted",
    "shared_budget": "shared_budget", "min_fraction": "min_fraction", "transcripts": "transcripts",
    "synthesis": "synthesis", "dashboard": "dashboard",
}  # fmt: skip
# What numbers may be: the same in every command that takes them.
_NUMBERS = {
    **{f"--{name.replace('_', '-')}": Number(RANGES[field]) for name, field in _SETTINGS.items() if field in RANGES},
    "--budget-dollars": Number(DOLLARS),
    "--alert-at": Number(PERCENT),
}


def option(flag: str, *names: str, **given: Any) -> Callable[[Command], Command]:
    """`--flag`, or `MUSTER_FLAG` in the environment. A number of a batch is held to its range."""
    variable = "MUSTER_" + flag.lstrip("-").replace("-", "_").upper()
    kind = {"type": _NUMBERS[flag]} if flag in _NUMBERS else {}
    return click.option(flag, *names, cls=Option, envvar=variable, show_envvar=True, **{**given, **kind})


# Of every command that sets sub-agents to work.
_OPTIONS = (
    option("--config", type=click.Path(path_type=Path, dir_okay=False), is_eager=True, callback=configured,
           expose_value=False, help="A YAML file that holds any of these options."),
    option("--run-dir", default="",
           help="Where the run leaves its files: a folder, or a URI such as s3://… [default: runs/<command>-<time>]"),
    option("--local", is_flag=True, help="Everything in this process, no Ray: starts at once, steps in a debugger."),
    option("--address", default="", help="A Ray cluster to run on. [default: an embedded Ray on this machine]"),
    option("--dashboard", is_flag=True, help="Start the Ray dashboard with the embedded Ray."),
    option("--model", default="", help="offline, or a model's name. [default: offline without a key]"),
    option("--tier", "tiers", default="",
           help="Models by tier, TIER=MODEL[:EFFORT] with commas (route, work, lead), over --model or the defaults."),
    option("--fallback-model", default="",
           help="Who answers while a model is down: a model, several with commas, or offline at the end (rules)."),
    option("--watchdog-model", default="",
           help="A cheap model that is asked now and then whether a sub-agent makes progress. [default: rules alone]"),
    option("--watchdog-turns", default=EVERY_TURNS, show_default=True,
           help="Turns with tools from one such look to the next."),
    option("--cache", default="", help="A folder that keeps replies and tool results for later runs. [default: none]"),
    option("--base-url", default="", help="A server that speaks the Messages API."),
    option("--key-file", default="", help="A file that holds the API key; else ANTHROPIC_API_KEY."),
    option("--timeout", default=DEADLINE_S, show_default=True, help="Seconds that a sub-agent has."),
    option("--turns", default=12, show_default=True, help="Model calls that a sub-agent has."),
    option("--tokens-per-run", default=TOKENS_PER_RUN, show_default=True,
           help="Ceiling of each run; a sub-agent has a fourth of it."),
    option("--budget-tokens", default=None, help="Ceiling of the batch, in tokens. [default: the runs']"),
    option("--budget-dollars", default=None, help="Ceiling of the batch, in US dollars."),
    option("--on-exhausted", type=click.Choice(["wait", "skip"]), default="wait", show_default=True,
           help="What a task does when nothing is free: wait its turn, or be skipped."),
    option("--shared-budget", default="", help="Draw on a ceiling of this name that outlives the job (cluster only)."),
    option("--alert-at", multiple=True, help="Say so when this percentage of a ceiling is spent, too."),
    option("--alert-command", default="", help="Run this at each alert, with MUSTER_ALERT_* in its environment."),
    option("--prices", type=click.Path(path_type=Path, dir_okay=False), default=None, help="Own prices, YAML."),
    option("--deadline", default=None, help="Seconds that the whole batch has."),
    option("--log-content", type=click.Choice(["on", "off"]), default="on", show_default=True,
           help="Whether inputs and outputs of sub-agents are logged."),
    option("--transcripts", type=click.Choice(["all", "failures", "none"]), default="failures", show_default=True,
           help="Whose conversations are kept."),
)  # fmt: skip
# Of those that have many at work, for one answer over all.
_OF_MANY = (
    option("--concurrency", default=CONCURRENCY, show_default=True, help="Sub-agents at work at once."),
    option("--hosts", default=1, show_default=True, help="Hosts of each specialist."),
    option("--drivers", default=1, show_default=True,
           help="Drivers that share the batch, each with hosts of its own: more when one driver's loop is the limit."),
    option("--min-fraction", default=0.7, show_default=True, help="Quorum: share of tasks answered."),
    option("--run-deadline", default=None, help="Seconds that each run has, from its admission on."),
    option("--synthesis", type=click.Choice(["rules", "tree"]), default="rules", show_default=True,
           help="Who writes the page over all runs: rules, or leads that read the runs' records in a tree."),
    option("--json", "as_json", is_flag=True, help="The summary on stdout."),
)  # fmt: skip


def task_options(command: Command) -> Command:
    """The options of a command that has one task done."""
    return _with(_OPTIONS, command)


def batch_options(command: Command) -> Command:
    """All options of a command that runs a batch."""
    return _with((*_OPTIONS, *_OF_MANY), command)


def _with(options: tuple[Callable[[Command], Command], ...], command: Command) -> Command:
    for add in reversed(options):
        command = add(command)
    return command


def place_of(options: dict[str, Any]) -> tuple[str, str]:
    """Where the batch runs: in this process, on a Ray of its own, or on a cluster; with the cluster's address."""
    # Ray sets this for what `ray job submit` runs: such a batch belongs on that cluster.
    address = options["address"] or ("" if options["local"] else os.environ.get("RAY_ADDRESS", ""))
    return "local" if options["local"] else "cluster" if address else "embedded", address


def settings_of(options: dict[str, Any], *, model: str, tiers: str = "") -> Settings:
    """The settings that options say. Raises SettingsError for one that makes no sense, or has no effect."""
    mode, address = place_of(options)
    _refuse_what_has_no_effect(options, mode)
    return Settings(
        mode=cast(Any, mode),
        address=address,
        model=model,
        tiers=tiers,
        cache=str(Path(options["cache"]).resolve()) if options["cache"] else "",
        microusd_max=microusd_of(options["budget_dollars"]),
        alert_percents=tuple(sorted({*ALERT_PERCENTS, *options["alert_at"]})),
        log_content=options["log_content"] == "on",
        **{name: options[flag] for flag, name in _SETTINGS.items() if flag in options},
    )


def _refuse_what_has_no_effect(options: dict[str, Any], mode: str) -> None:
    refuse_two_places(local=options["local"], address=options["address"])
    if options["dashboard"] and mode != "embedded":
        raise SettingsError(f"--dashboard is of the embedded Ray, and this batch is {mode}: leave it out")
    if options["watchdog_turns"] != EVERY_TURNS and not options["watchdog_model"]:
        raise SettingsError(
            f"--watchdog-turns is {options['watchdog_turns']}, and no model looks on: name a --watchdog-model"
        )


def refuse_two_places(*, local: bool | None, address: str | None) -> None:
    """Raises SettingsError where a batch is to run in this process and on a cluster."""
    if local and address:
        raise SettingsError(f"--local and --address {address!r} exclude each other: choose one")


def microusd_of(dollars: float | None, flag: str = "--budget-dollars") -> int | None:
    """Micro-dollars of what `flag` says. Raises SettingsError for what is no number, or more than can be counted."""
    if dollars is not None and not 0 <= dollars <= DOLLARS.most:
        raise SettingsError(
            f"{flag} is {dollars}, and must be a number from 0 to {DOLLARS.most:,}: leave it out for no ceiling"
        )
    return None if dollars is None else round(dollars * MICRO)
