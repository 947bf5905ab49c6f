"""One specialist, one service: the same contract as in an audit, alone."""

from __future__ import annotations

import time
from pathlib import Path

from actors.assembly import ModelFactory
from actors.contracts import Task
from actors.specialists.registry import AUDIT_SPECIALISTS
from budget.errors import TaskError
from jobs.audit import AGENTS, PlanSettings, plan
from jobs.manifest import load_manifest
from orchestrator import Report, dispatch
from orchestrator.settings import Settings


def ask_specialist(
    agent: str, manifest: Path, service: str, *, settings: Settings, model: ModelFactory, run_dir: Path | None
) -> Report:
    """What one specialist says of one service of a manifest.

    Raises: TaskError for a service or a source that the manifest does not have; AllFailedError when there is no answer.
    """
    task = _task(agent, manifest, service, settings)
    specialists = [specialist for specialist in AUDIT_SPECIALISTS if specialist.name == agent]
    return dispatch([task], specialists=specialists, model=model, settings=settings, run_dir=run_dir)


def _task(agent: str, manifest: Path, service: str, settings: Settings) -> Task:
    catalog = load_manifest(manifest, now_s=time.time())
    found = next((one for one in catalog.services if one.name == service), None)
    if found is None:
        raise TaskError(f"{manifest}: no service is named {service!r}; it has {len(catalog.services)} others")
    limits = PlanSettings(
        batch_id="ask",
        tokens_max=max(1, settings.tokens_per_run // len(AGENTS)),
        deadline_s=settings.deadline_s,
        turns_max=settings.turns_max,
    )
    tasks = {task.agent: task for task in plan(found, catalog, limits)}
    if agent not in tasks:
        raise TaskError(f"{manifest}: service {service!r} names no source for {agent!r}, only for {', '.join(tasks)}")
    return tasks[agent]
