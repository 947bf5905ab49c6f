"""`muster compare RUN_A RUN_B`: what changed between two batches, from what they left."""

from __future__ import annotations

import json
from typing import Any

import click

from budget.errors import RunDirectoryError
from orchestrator.comparison import compare, lines
from orchestrator.store import RunDirectory
from orchestrator.synthesis import SCHEMA


@click.command("compare")
@click.argument("run_a")
@click.argument("run_b")
@click.option("--json", "as_json", is_flag=True, help="As JSON on stdout.")
def compare_runs(run_a: str, run_b: str, as_json: bool) -> None:
    """Say what changed from RUN_A to RUN_B: verdicts, ranks, findings that are new or gone."""
    before, after = _summary(run_a), _summary(run_b)
    try:
        told = compare(before, after)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise RunDirectoryError(
            f"summary.json of {run_a!r} or of {run_b!r} is not as it was written ({error!r}): "
            "`muster resume` writes it anew"
        ) from None
    click.echo(json.dumps(told, ensure_ascii=False) if as_json else "\n".join(lines(told)))


def _summary(run_dir: str) -> dict[str, Any]:
    """A finished audit's answer. Raises RunDirectoryError when there is none."""
    summary = RunDirectory.look(run_dir).summary()
    if summary is None:
        raise RunDirectoryError(
            f"{run_dir!r} has no summary.json that can be read: let the batch end, or `muster resume` it"
        )
    if summary.get("schema") != SCHEMA:
        raise RunDirectoryError(f"{run_dir!r} holds {summary.get('schema')!r}, and {SCHEMA!r} can be compared")
    return dict(summary)
