"""`muster ask`: one specialist about one service, from the command line."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import click

from actors.contracts import Result
from actors.specialists.registry import AUDIT_SPECIALISTS
from jobs.access import model_of, run_dir_of
from jobs.ask import Question, ask_specialist, told
from jobs.budgets import Alarm
from jobs.options import settings_of, task_options
from jobs.performed import ExitStatus, leave


@click.command()
@click.argument("agent", type=click.Choice([specialist.name for specialist in AUDIT_SPECIALISTS]))
@click.argument("manifest", type=click.Path(path_type=Path))
@click.argument("service")
@task_options
def ask(agent: str, manifest: Path, service: str, **options: Any) -> None:
    """Ask one specialist, AGENT, about one SERVICE of MANIFEST; its findings are JSON on stdout."""
    model = model_of(options)
    run_dir = run_dir_of(options, "ask")
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
