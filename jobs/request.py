"""What a caller asks of a job: as he says it, as drivers know it, and as the run's manifest keeps it."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

from actors import prompts
from actors.assembly import role_of
from actors.contracts import JsonValue
from actors.specialists.base import Specialist
from budget import Alert
from jobs.job import Job, Plan
from jobs.models import ModelChoice
from jobs.sharded import JobWork
from orchestrator.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What the caller asks for."""

    job: Job
    source: Path
    question: str
    run_dir: Path | str  # a path, or a URI that pyarrow.fs knows
    settings: Settings
    model: ModelChoice
    access: Mapping[str, str] = field(default_factory=dict)  # how the model is reached; no secrets
    alerted: Callable[[Alert], None]


def work_of(request: Request, plan: Plan, batch_id: str, began_s: float) -> JobWork:
    """What drivers need to know of a planned batch."""
    return JobWork(
        job=request.job,
        source=request.source.resolve(),
        run_dir=request.run_dir.resolve() if isinstance(request.run_dir, Path) else request.run_dir,
        question=request.question,
        batch_id=batch_id,
        settings=request.settings,
        began_s=began_s,
        fingerprint=plan.fingerprint,
        read=plan,
    )


def manifest_of(request: Request, plan: Plan, batch_id: str, began_s: float) -> dict[str, JsonValue]:
    """What was asked, for whoever resumes or reads the run. No secrets are among it."""
    return {
        "schema": "muster.run/1",
        "run_id": batch_id,
        "job": request.job.name,
        "source": str(request.source.resolve()),
        "question": plan.question,
        "fingerprint": plan.fingerprint,
        "settings": request.settings.as_json(),
        "access": dict(request.access),
        "specialists": {specialist.name: _fingerprint(specialist) for specialist in request.job.specialists},
        "runs_total": plan.runs_total,
        "began_s": began_s,
        "versions": {
            "muster": version("muster"),
            "prompts": prompts.PROMPTS_VERSION,
            "python": platform.python_version(),
            **{name: version(name) for name in ("ray", "anthropic", "pyarrow")},
        },
    }


def _fingerprint(specialist: Specialist) -> str:
    """Of all that a model is told of a specialist: its instructions, its tools, and the schema of its answer."""
    role = role_of(specialist, "")
    told = [role.system, role.output_schema, [[tool.name, tool.description, tool.parameters] for tool in role.tools]]
    return hashlib.sha256(json.dumps(told, sort_keys=True, default=dict).encode()).hexdigest()[:16]
