"""`muster resume`, `retry`, `list` and `show`: going on with runs, and telling how they stand."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import click

from actors.contracts import Reason
from budget.errors import RunDirectoryError, SettingsError
from jobs.access import access_of, place
from jobs.options import microusd_of, option, refuse_two_places
from jobs.performed import leave, print_summary
from orchestrator.known_outcomes import Again, failed, interrupted
from orchestrator.store import RunDirectory

if TYPE_CHECKING:
    from pathlib import Path

_OPTIONS = (
    click.option("--accept-changes", is_flag=True, help="Go on although settings, instructions or inputs differ."),
    option("--local", is_flag=True, default=None, help="Go on in this process, without Ray."),
    option("--address", default=None, help="Go on on this Ray cluster."),
    option("--model", default=None, help="Another model, for all tiers: a change that must be accepted."),
    option("--fallback-model", default=None, help="Others that stand in for a model that is down: a change."),
    option("--watchdog-model", default=None, help="Another small model that looks on: a change."),
    option("--timeout", default=None, help="Seconds that a sub-agent has: a change."),
    option("--turns", default=None, help="Model calls that a sub-agent has: a change."),
    option("--concurrency", default=None, help="Sub-agents at work at once."),
    option("--hosts", default=None, help="Hosts of each specialist."),
    option("--drivers", default=None, help="Drivers that share the batch, as many as before or others."),
    option("--deadline", default=None, help="Seconds that the batch has from now on."),
    option("--run-deadline", default=None, help="Seconds that each run has from now on."),
    option("--budget-tokens", default=None, help="Another ceiling of the batch, earlier spend included."),
    option("--budget-dollars", default=None, help="The same, in US dollars."),
    option("--base-url", default=None, help="A server that speaks the Messages API."),
    option("--key-file", default=None, help="A file that holds the API key; else ANTHROPIC_API_KEY."),
    option("--prices", default=None, help="Own prices, YAML."),
    option("--alert-command", default="", help="Run this at each alert, with MUSTER_ALERT_* in its environment."),
    option("--json", "as_json", is_flag=True, help="The summary on stdout."),
)

_SETTINGS = {
    "model": "model", "fallback_model": "fallback_model", "watchdog_model": "watchdog_model",
    "timeout": "deadline_s", "turns": "turns_max", "concurrency": "sessions_max",
    "hosts": "hosts_per_agent", "drivers": "drivers", "deadline": "batch_deadline_s", "run_deadline": "run_deadline_s",
    "budget_tokens": "tokens_max",
}  # fmt: skip


def _resume_options(command: Callable[..., Any]) -> Callable[..., Any]:
    for add in reversed(_OPTIONS):
        command = add(command)
    return command


@click.command()
@click.argument("run_dir")
@_resume_options
def resume(run_dir: str, **options: Any) -> None:
    """Go on with the run in RUN_DIR: what has an outcome is kept, all else is done, and the report is written anew."""
    _go_on(run_dir, interrupted, options)


@click.command()
@click.argument("run_dir")
@click.option("--failed-only", is_flag=True, required=True, help="Failures run again; answers stay.")
@click.option("--reason", "reasons", multiple=True, type=click.Choice([r.value for r in Reason]), help="Only these.")
@_resume_options
def retry(run_dir: str, failed_only: bool, reasons: tuple[str, ...], **options: Any) -> None:  # noqa: ARG001
    """Run the failures in RUN_DIR again, as new attempts; what they were is kept."""
    _go_on(run_dir, failed(frozenset(reasons)), options)


@click.command("list")
@click.argument("folder")
@click.option("--json", "as_json", is_flag=True, help="As JSON on stdout.")
def list_runs(folder: str, as_json: bool) -> None:
    """The runs in FOLDER, a path or a URI, and how they stand, running ones included."""
    from jobs.listing import as_json as state_as_json
    from jobs.listing import lines_of, list_states, printed

    states = list_states(place(folder) or folder)
    click.echo(printed([state_as_json(state) for state in states]) if as_json else "\n".join(lines_of(states)))


@click.command()
@click.argument("run_dir")
@click.argument("task", required=False)
@click.option("--json", "as_json", is_flag=True, help="As JSON on stdout.")
@click.option("--report", is_flag=True, help="The report; while the run works, over what is done so far.")
def show(run_dir: str, task: str | None, as_json: bool, report: bool) -> None:
    """How the run in RUN_DIR stands, or all that is kept of one TASK in it."""
    from jobs.listing import as_json as state_as_json
    from jobs.listing import attempts_at, failures_of, page_of, printed, state_of
    from jobs.transcripts import shown_task

    directory = RunDirectory.look(place(run_dir) or run_dir)
    if report:
        from jobs.so_far import report_of

        if task is not None or as_json:
            raise SettingsError("--report is about the whole run, and text: leave TASK and --json out, or --report")
        click.echo(report_of(directory), nl=False)
        return
    if task is not None:
        told = (
            printed(attempts_at(directory, task))
            if as_json
            else shown_task(directory, task, run=shlex.quote(directory.shown))
        )
        click.echo(told)
        return
    state = state_of(directory)
    click.echo(printed(state_as_json(state)) if as_json else "\n".join(page_of(state, failures_of(directory))))


def _go_on(run_dir: str, again: Again, options: dict[str, Any]) -> None:
    given = {name: options[flag] for flag, name in _SETTINGS.items() if options[flag] is not None}
    if options["model"]:
        given["tiers"] = ""  # it is for everybody: the tiers of before would leave nobody to it
    if options["budget_dollars"] is not None:
        given["microusd_max"] = microusd_of(options["budget_dollars"])
    refuse_two_places(local=options["local"], address=options["address"])
    if options["local"]:
        given |= {"mode": "local", "address": "", "drivers": options["drivers"] or 1}
    elif options["address"] is not None:
        given |= {"mode": "cluster" if options["address"] else "embedded", "address": options["address"]}
    lies_in = place(run_dir) or run_dir
    _begin_ray(lies_in, given)
    from jobs.resume import Resumption
    from jobs.resume import resume as go_on

    performed = go_on(
        Resumption(
            run_dir=lies_in,
            again=again,
            given=given,
            access=access_of(options),
            accept_changes=options["accept_changes"],
            alert_command=options["alert_command"],
        )
    )
    print_summary(performed, as_json=options["as_json"])
    leave(performed.status)


def _begin_ray(run_dir: Path | str, given: Mapping[str, Any]) -> None:
    """Ray starts while the run is read, where that goes on with one of its own. Who reads it says what is wrong."""
    settings: dict[str, Any] = {}
    with suppress(RunDirectoryError, TypeError, ValueError):
        settings = {**dict(RunDirectory.look(run_dir).manifest().get("settings") or {}), **given}  # type: ignore[arg-type]
    if settings.get("mode") == "embedded":
        from orchestrator.cluster import begin

        begin(dashboard=settings.get("dashboard") is True)
