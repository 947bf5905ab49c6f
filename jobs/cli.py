"""The command `muster`: options in, exit status out. What a command does is done elsewhere."""

from __future__ import annotations

import logging
import os
import shlex
import sys
import time
from pathlib import Path
from typing import Any

import click

from actors.contracts import Result
from actors.specialists.registry import AUDIT_SPECIALISTS
from budget.errors import MusterError
from jobs.ask import Question, ask_specialist, told
from jobs.budgets import Alarm, set_shared, show_shared, shown
from jobs.compare import compare_runs
from jobs.models import ModelChoice, choose_model
from jobs.options import batch_options, option, settings_of, task_options
from jobs.perform import perform
from jobs.performed import ExitStatus, print_summary
from jobs.progress import CLEAR
from jobs.registry import JOBS
from jobs.request import Request
from jobs.resume_commands import access_of, leave, list_runs, place, resume, retry, show


class _Group(click.Group):
    """A caller's mistake is one sentence and exit status 2, never a traceback."""

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except MusterError as error:
            click.echo(f"muster: {error}", err=True)
            sys.exit(ExitStatus.CALLERS_MISTAKE)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@option("--log-level", default="warning", type=click.Choice(["debug", "info", "warning", "error"]))
def main(log_level: str) -> None:
    """One question over thousands of things at once, within a budget."""
    row = CLEAR if sys.stderr.isatty() else ""  # progress stands in it
    logging.basicConfig(level=log_level.upper(), stream=sys.stderr, format=f"{row}%(levelname)s %(name)s %(message)s")


@main.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@option("--services", type=int, default=40, show_default=True, help="How many.")
@option("--seed", type=int, default=7, show_default=True, help="Same seed, same bytes.")
def sample(folder: Path, services: int, seed: int) -> None:
    """Write a sample estate into FOLDER: services with planted problems, and decoys."""
    from jobs.sample import write_estate

    summary = write_estate(folder, services=services, seed=seed)
    click.echo(f"sample     {summary}", err=True)


@main.command()
@click.argument("manifest", type=click.Path(path_type=Path))
@option("--question", default="", help="What the report says was asked. [default: which services need work?]")
@batch_options
def audit(manifest: Path, question: str, **options: Any) -> None:
    """Audit the services of MANIFEST (Backstage Components) and rank those that need reliability work."""
    _perform("audit", manifest, question, options)


@main.command()
@click.argument("agent", type=click.Choice([specialist.name for specialist in AUDIT_SPECIALISTS]))
@click.argument("manifest", type=click.Path(path_type=Path))
@click.argument("service")
@task_options
def ask(agent: str, manifest: Path, service: str, **options: Any) -> None:
    """Ask one specialist, AGENT, about one SERVICE of MANIFEST; its findings are JSON on stdout."""
    model = _model_of(options)
    run_dir = _run_dir(options, "ask")
    asked = ask_specialist(
        Question(
            agent=agent,
            manifest=manifest,
            service=service,
            settings=settings_of(options, model=model.name, tiers=model.tiers),
            model=model,
            run_dir=run_dir,
            alerted=Alarm(options["alert_command"]),
            blocked=_blocked,
        )
    )
    outcome = asked.outcome
    look = f"muster show {shlex.quote(str(run_dir))} {shlex.quote(outcome.task_id)}"
    click.echo(told(outcome, look=look), err=True)
    if isinstance(outcome, Result):
        click.echo(outcome.answer)
    answered = ExitStatus.ANSWERED if isinstance(outcome, Result) else ExitStatus.NOTHING_USABLE
    leave(ExitStatus.INTERRUPTED if asked.interrupted else answered)


def _blocked(said: str) -> None:
    """The event loop never comes back, so nothing can be done but to say so."""
    click.echo(f"muster: {said}", err=True)
    leave(ExitStatus.INTERRUPTED)


def _run_dir(options: dict[str, Any], command: str) -> Path | str:
    named = place(options["run_dir"])
    return named or Path("runs") / f"{command}-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}"


def _model_of(options: dict[str, Any]) -> ModelChoice:
    return choose_model(
        options["model"],
        base_url=options["base_url"],
        key_file=options["key_file"],
        prices=options["prices"],
        priced=options["budget_dollars"] is not None,
        tiers=options["tiers"],
        fallback=options["fallback_model"],
        watchdog=options["watchdog_model"],
        watchdog_turns=options["watchdog_turns"],
        cache=options["cache"],
        deadline_s=options["timeout"],
    )


def _perform(job: str, source: Path, question: str, options: dict[str, Any]) -> None:
    model = _model_of(options)
    settings = settings_of(options, model=model.name, tiers=model.tiers)
    performed = perform(
        Request(
            job=JOBS[job],
            source=source,
            question=question,
            run_dir=_run_dir(options, job),
            settings=settings,
            model=model,
            access=access_of(options),
            alerted=Alarm(options["alert_command"]),
        )
    )
    print_summary(performed, as_json=options["as_json"])
    leave(performed.status)


@main.group()
def budget() -> None:
    """Ceilings that several jobs on a cluster share, and that outlive them."""


@budget.command("show")
@click.argument("name")
@option("--address", required=True, help="The Ray cluster.")
@click.option("--json", "as_json", is_flag=True, help="As JSON on stdout.")
def budget_show(name: str, address: str, as_json: bool) -> None:
    """What of the shared budget NAME is spent, held and free."""
    click.echo(shown(show_shared(name, address), as_json=as_json))


@budget.command("set")
@click.argument("name")
@option("--address", required=True, help="The Ray cluster.")
@click.option("--tokens", type=int, default=None, help="Ceiling in tokens. [default: none]")
@click.option("--dollars", type=float, default=None, help="Ceiling in US dollars. [default: none]")
@click.option("--period", type=click.Choice(["day", "month"]), default=None, help="Renew the ceiling (UTC).")
@click.option("--json", "as_json", is_flag=True, help="As JSON on stdout.")
def budget_set(
    name: str, address: str, tokens: int | None, dollars: float | None, period: str | None, as_json: bool
) -> None:
    """Make the shared budget NAME, or change its ceiling. Its period is set when it is made."""
    click.echo(shown(set_shared(name, address, tokens=tokens, dollars=dollars, period=period), as_json=as_json))


for command in (resume, retry, list_runs, show, compare_runs):
    main.add_command(command)


if __name__ == "__main__":
    main()
