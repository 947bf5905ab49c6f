"""Options that commands share. Each is an option, a `MUSTER_*` variable and a key of `--config`, under one name."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import click
import yaml

from actors.overseer import EVERY_TURNS
from budget import ALERT_PERCENTS
from budget.errors import SettingsError
from orchestrator.settings import CONCURRENCY, DEADLINE_S, TOKENS_PER_RUN, Settings

Command = TypeVar("Command", bound=Callable[..., Any])
MICRO = 1_000_000


def option(flag: str, *names: str, **given: Any) -> Callable[[Command], Command]:
    """`--flag`, or `MUSTER_FLAG` in the environment."""
    variable = "MUSTER_" + flag.lstrip("-").replace("-", "_").upper()
    return click.option(flag, *names, envvar=variable, show_envvar=True, **given)


def _configured(context: click.Context, _: click.Parameter, file: Path | None) -> Path | None:
    """Values of a YAML file stand behind options and variables. Unknown keys are a mistake."""
    if file is None:
        return None
    try:
        read = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SettingsError(
            f"--config {str(file)!r} cannot be read ({_trouble(error)}): name a YAML file of options"
        ) from None
    known = {parameter.name for parameter in context.command.params}
    given = {str(key).replace("-", "_"): value for key, value in read.items()} if isinstance(read, dict) else {"": read}
    unknown = sorted(given.keys() - known)
    if unknown:
        raise SettingsError(f"--config {str(file)!r}: {unknown[0]!r} is no option of {context.command.name!r}")
    context.default_map = {**(context.default_map or {}), **given}
    return file


def _trouble(error: OSError | UnicodeDecodeError | yaml.YAMLError) -> str:
    """What is wrong with a file, in a few words."""
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    if isinstance(error, UnicodeDecodeError):
        return f"byte {error.start} is not UTF-8"
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        return f"line {error.problem_mark.line + 1}: {error.problem}"
    return " ".join(str(error).split())


_OPTIONS = (
    option("--config", type=click.Path(path_type=Path, dir_okay=False), is_eager=True, callback=_configured,
           expose_value=False, help="A YAML file that holds any of these options."),
    option("--run-dir", default="",
           help="Where the run leaves its files: a folder, or a URI such as s3://… [default: runs/<job>-<time>]"),
    option("--local", is_flag=True, help="Everything in this process, no Ray: starts at once, steps in a debugger."),
    option("--address", default="", help="A Ray cluster to run on. [default: an embedded Ray on this machine]"),
    option("--model", default="", help="offline, or a model's name. [default: offline without a key]"),
    option("--tier", "tiers", default="",
           help="Models by tier, TIER=MODEL[:EFFORT] with commas (route, work, lead), over --model or the defaults."),
    option("--fallback-model", default="",
           help="Who answers while a model is down: a model, several with commas, or offline at the end (rules)."),
    option("--watchdog-model", default="",
           help="A cheap model that is asked now and then whether a sub-agent makes progress. [default: rules alone]"),
    option("--watchdog-turns", type=int, default=EVERY_TURNS, show_default=True,
           help="Turns with tools from one such look to the next."),
    option("--cache", default="", help="A folder that keeps replies and tool results for later runs. [default: none]"),
    option("--base-url", default="", help="A server that speaks the Messages API."),
    option("--key-file", default="", help="A file that holds the API key; else ANTHROPIC_API_KEY."),
    option("--concurrency", type=int, default=CONCURRENCY, show_default=True, help="Sub-agents at work at once."),
    option("--timeout", type=float, default=DEADLINE_S, show_default=True, help="Seconds that a sub-agent has."),
    option("--turns", type=int, default=12, show_default=True, help="Model calls that a sub-agent has."),
    option("--tokens-per-run", type=int, default=TOKENS_PER_RUN, show_default=True, help="Ceiling of each run."),
    option("--budget-tokens", type=int, default=None, help="Ceiling of the batch, in tokens. [default: the runs']"),
    option("--budget-dollars", type=float, default=None, help="Ceiling of the batch, in US dollars."),
    option("--on-exhausted", type=click.Choice(["wait", "skip"]), default="wait", show_default=True,
           help="What a task does when nothing is free: wait its turn, or be skipped."),
    option("--shared-budget", default="", help="Draw on a ceiling of this name that outlives the job (cluster only)."),
    option("--alert-at", type=int, multiple=True, help="Say so when this percentage of a ceiling is spent, too."),
    option("--alert-command", default="", help="Run this at each alert, with MUSTER_ALERT_* in its environment."),
    option("--prices", type=click.Path(path_type=Path, dir_okay=False), default=None, help="Own prices, YAML."),
    option("--min-fraction", type=float, default=0.7, show_default=True, help="Quorum: share of tasks answered."),
    option("--deadline", type=float, default=None, help="Seconds that the whole batch has."),
    option("--run-deadline", type=float, default=None, help="Seconds that each run has, from its admission on."),
    option("--hosts", type=int, default=1, show_default=True, help="Hosts of each specialist."),
    option("--drivers", type=int, default=1, show_default=True,
           help="Drivers that share the batch, each with hosts of its own: more when one driver's loop is the limit."),
    option("--log-content", type=click.Choice(["on", "off"]), default="on", show_default=True,
           help="Whether inputs and outputs of sub-agents are logged."),
    option("--transcripts", type=click.Choice(["all", "failures", "none"]), default="failures", show_default=True,
           help="Whose conversations are kept."),
    option("--synthesis", type=click.Choice(["rules", "tree"]), default="rules", show_default=True,
           help="Who writes the page over all runs: rules, or leads that read the runs' records in a tree."),
    option("--dashboard", is_flag=True, help="Start the Ray dashboard with the embedded Ray."),
    option("--json", "as_json", is_flag=True, help="The summary on stdout."),
)  # fmt: skip


def batch_options(command: Command) -> Command:
    """All options of a command that runs a batch."""
    for add in reversed(_OPTIONS):
        command = add(command)
    return command


def settings_of(options: dict[str, Any], *, model: str, tiers: str = "") -> Settings:
    """The settings that options say. Raises SettingsError for one that makes no sense."""
    if options["local"] and options["address"]:
        raise SettingsError(f"--local and --address {options['address']!r} exclude each other: choose one")
    dollars = options["budget_dollars"]
    if dollars is not None and not math.isfinite(dollars):
        raise SettingsError(f"--budget-dollars is {dollars} and must be a number: leave it out for no ceiling")
    # Ray sets this for what `ray job submit` runs: such a batch belongs on that cluster.
    address = options["address"] or ("" if options["local"] else os.environ.get("RAY_ADDRESS", ""))
    mode = "local" if options["local"] else "cluster" if address else "embedded"
    return Settings(
        mode=cast(Any, mode),
        address=address,
        model=model,
        tiers=tiers,
        fallback_model=options["fallback_model"],
        watchdog_model=options["watchdog_model"],
        watchdog_turns=options["watchdog_turns"],
        cache=str(Path(options["cache"]).resolve()) if options["cache"] else "",
        sessions_max=options["concurrency"],
        deadline_s=options["timeout"],
        turns_max=options["turns"],
        tokens_per_run=options["tokens_per_run"],
        tokens_max=options["budget_tokens"],
        microusd_max=None if dollars is None else round(dollars * MICRO),
        on_exhausted=options["on_exhausted"],
        shared_budget=options["shared_budget"],
        alert_percents=tuple(sorted({*ALERT_PERCENTS, *options["alert_at"]})),
        min_fraction=options["min_fraction"],
        batch_deadline_s=options["deadline"],
        run_deadline_s=options["run_deadline"],
        hosts_per_agent=options["hosts"],
        drivers=options["drivers"],
        log_content=options["log_content"] == "on",
        transcripts=options["transcripts"],
        synthesis=options["synthesis"],
        dashboard=options["dashboard"],
    )
