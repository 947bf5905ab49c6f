"""`muster compare RUN_A RUN_B`: what changed between two batches, from what they left."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import click

from budget.errors import RunDirectoryError
from jobs.registry import JOBS
from orchestrator.comparison import compare, lines
from orchestrator.object_files import reason_of
from orchestrator.store import SUMMARY, RunDirectory
from orchestrator.synthesis import SCHEMA


@click.command("compare")
@click.argument("run_a")
@click.argument("run_b")
@click.option("--json", "as_json", is_flag=True, help="As JSON on stdout.")
def compare_runs(run_a: str, run_b: str, as_json: bool) -> None:
    """Say what changed from RUN_A to RUN_B: verdicts, ranks, findings that are new or gone."""
    before, after = _summary(run_a), _summary(run_b)
    manifests = _manifest(run_a), _manifest(run_b)
    try:
        told = compare(before, after, manifests=manifests)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise RunDirectoryError(
            f"summary.json of {run_a!r} or of {run_b!r} is not as it was written ({error!r}): "
            "`muster resume` writes it anew"
        ) from None
    click.echo(json.dumps(told, ensure_ascii=False) if as_json else "\n".join(lines(told)))


def _summary(run_dir: str) -> dict[str, Any]:
    """A finished audit's answer. Raises RunDirectoryError when there is none."""
    directory = RunDirectory.look(run_dir)
    summary = directory.summary()
    if summary is None:
        raise RunDirectoryError(f"{run_dir!r} has no {SUMMARY} that can be compared: {_why_none(directory)}")
    if summary.get("schema") != SCHEMA:
        raise RunDirectoryError(f"{run_dir!r} holds {summary.get('schema')!r}, and {SCHEMA!r} can be compared")
    return dict(summary)


def _manifest(run_dir: str) -> Mapping[str, Any]:
    """How a run was asked; nothing of it where that cannot be read."""
    with suppress(RunDirectoryError):
        return RunDirectory.look(run_dir).manifest()
    return {}


def _why_none(directory: RunDirectory) -> str:
    """Why a run has no answer, and what to do. Raises RunDirectoryError when its manifest cannot be read."""
    try:
        directory.files.read(SUMMARY)
    except FileNotFoundError:
        if str(directory.manifest().get("job", "")) not in JOBS:
            return (
                f"only batches of {', '.join(sorted(JOBS))} leave one, and this is a program's run or a single question"
            )
        return (
            "it is under way: let it end" if directory.in_use else "it has not ended: `muster resume` goes on with it"
        )
    except OSError as error:
        return f"the file is there and cannot be read ({reason_of(error)}): put that right"
    return "it is not as it was written: `muster resume` writes it anew"
