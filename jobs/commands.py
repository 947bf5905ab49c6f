"""The commands of `muster`: options in, exit status out. What a command does is done elsewhere.

What a command needs is imported when it is called: so Ray is on its way up while the rest is imported.
"""

from __future__ import annotations

import logging
import os
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from budget.errors import MusterError
from jobs import interrupts
from jobs.option_values import Number
from jobs.options import batch_options, option, place_of, settings_of
from jobs.performed import ExitStatus, leave, print_summary
from orchestrator.ranges import AMOUNT_MAX, Range

CEILING = Range(least=0, most=AMOUNT_MAX)  # of a shared budget: at 0 nothing may be spent

# Commands of other modules, by name. A new one is one file and one line here.
ELSEWHERE = {
    "ask": ("jobs.ask_command", "ask"),
    "compare": ("jobs.compare", "compare_runs"),
    "list": ("jobs.resume_commands", "list_runs"),
    "resume": ("jobs.resume_commands", "resume"),
    "retry": ("jobs.resume_commands", "retry"),
    "show": ("jobs.resume_commands", "show"),
}


class _Group(click.Group):
    """A caller's mistake is one sentence and exit status 2, never a traceback."""

    def list_commands(self, context: click.Context) -> list[str]:
        return sorted({*super().list_commands(context), *ELSEWHERE})

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in ELSEWHERE:
            return super().get_command(context, name)
        module, command = ELSEWHERE[name]
        found: click.Command = getattr(import_module(module), command)
        return found

    def invoke(self, context: click.Context) -> Any:
        try:
            with interrupts.unwinding():
                return super().invoke(context)
        except MusterError as error:
            click.echo(f"muster: {error}", err=True)
            leave(ExitStatus.CALLERS_MISTAKE)
        except KeyboardInterrupt:  # before a batch that could end in good order has begun, or after it
            click.echo(interrupts.SAID, err=True)
            leave(ExitStatus.INTERRUPTED)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@option("--log-level", default="warning", type=click.Choice(["debug", "info", "warning", "error"]))
def muster(log_level: str) -> None:
    """One question over thousands of things at once, within a budget."""
    row = ""
    if sys.stderr.isatty():
        from jobs.progress import CLEAR, rewritable

        row = CLEAR if rewritable(sys.stderr, os.environ.get("TERM", "")) else ""  # progress stands in it
    logging.basicConfig(level=log_level.upper(), stream=sys.stderr, format=f"{row}%(levelname)s %(name)s %(message)s")


@muster.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@option("--services", type=int, default=40, show_default=True, help="How many.")
@option("--seed", type=int, default=7, show_default=True, help="Same seed, same bytes.")
def sample(folder: Path, services: int, seed: int) -> None:
    """Write a sample estate into FOLDER: services with planted problems, and decoys."""
    from jobs.sample import write_estate

    summary = write_estate(folder, services=services, seed=seed)
    click.echo(f"sample     {summary}", err=True)


@muster.command()
@click.argument("manifest", type=click.Path(path_type=Path))
@option("--question", default="", help="What the report says was asked. [default: which services need work?]")
@batch_options
def audit(manifest: Path, question: str, **options: Any) -> None:
    """Audit the services of MANIFEST (Backstage Components) and rank those that need reliability work."""
    _perform("audit", manifest, question, options)


def _perform(job: str, source: Path, question: str, options: dict[str, Any]) -> None:
    if place_of(options)[0] == "embedded":
        from orchestrator.cluster import begin

        begin(dashboard=options["dashboard"])
    from jobs.access import access_of, model_of, run_dir_of
    from jobs.budgets import Alarm
    from jobs.perform import perform
    from jobs.registry import JOBS
    from jobs.request import Request

    model = model_of(options)
    performed = perform(
        Request(
            job=JOBS[job],
            source=source,
            question=question,
            run_dir=run_dir_of(options, job),
            settings=settings_of(options, model=model.name, tiers=model.tiers),
            model=model,
            access=access_of(options),
            alerted=Alarm(options["alert_command"]),
        )
    )
    print_summary(performed, as_json=options["as_json"])
    leave(performed.status)


@muster.group()
def budget() -> None:
    """Ceilings that several jobs on a cluster share, and that outlive them."""


@budget.command("show")
@click.argument("name")
@option("--address", required=True, help="The Ray cluster.")
@click.option("--json", "as_json", is_flag=True, help="As JSON on stdout.")
def budget_show(name: str, address: str, as_json: bool) -> None:
    """What of the shared budget NAME is spent, held and free."""
    from jobs.budgets import show_shared, shown

    click.echo(shown(show_shared(name, address), as_json=as_json))


@budget.command("set")
@click.argument("name")
@option("--address", required=True, help="The Ray cluster.")
@click.option("--tokens", type=Number(CEILING), default=None, help="Ceiling in tokens. [default: none]")
@click.option("--dollars", type=float, default=None, help="Ceiling in US dollars. [default: none]")
@click.option("--period", type=click.Choice(["day", "month"]), default=None, help="Renew the ceiling (UTC).")
@click.option("--json", "as_json", is_flag=True, help="As JSON on stdout.")
def budget_set(
    name: str, address: str, tokens: int | None, dollars: float | None, period: str | None, as_json: bool
) -> None:
    """Make the shared budget NAME, or change its ceiling. Its period is set when it is made."""
    from jobs.budgets import set_shared, shown

    click.echo(shown(set_shared(name, address, tokens=tokens, dollars=dollars, period=period), as_json=as_json))
