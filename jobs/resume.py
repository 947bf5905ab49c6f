"""Going on with a run that was begun: what is asked must still be the same, and what is there is kept."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, cast

from pydantic import TypeAdapter, ValidationError

from actors.assembly import ModelFactory
from actors.contracts import JsonValue
from budget import Limit
from budget.errors import RunDirectoryError, SettingsError
from budget.patience import patient_gc
from jobs.budgets import Alarm
from jobs.job import Job
from jobs.models import ModelChoice, choose_model
from jobs.perform import carry_out
from jobs.performed import Performed
from jobs.registry import JOBS
from jobs.request import Request, manifest_of, work_of
from orchestrator.known_outcomes import Again, Earlier, Known, interrupted
from orchestrator.settings import Settings
from orchestrator.store import RunDirectory

SCHEMA = "muster.run/1"
# What may differ without changing the answer's meaning: where and how fast it is worked on, and how much it may cost.
FREE = frozenset(
    {
        "mode", "address", "sessions_max", "hosts_per_agent", "drivers", "batch_deadline_s", "run_deadline_s",
        "grace_s", "runs_ahead", "tokens_max", "microusd_max", "on_exhausted", "alert_percents", "min_fraction",
        "spans", "durable", "log_content", "transcripts", "dashboard", "cache",
    }
)  # fmt: skip
CEILINGS = ("tokens_max", "microusd_max")  # another one holds from the attempt on that it was given to


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumption:
    """What the caller wants of a run that was begun. `given` are settings that replace those of before."""

    run_dir: Path | str
    again: Again = interrupted
    given: Mapping[str, Any] = field(default_factory=dict)
    access: Mapping[str, str] = field(default_factory=dict)
    accept_changes: bool = False
    alert_command: str = ""
    model: ModelFactory | None = None  # for programs: instead of the one that is named in the run


def resume(asked: Resumption) -> Performed:
    """Go on with a run, and report on all of it.

    Raises RunDirectoryError when it is in use, no run of a job, or not what it was, unless changes are accepted.
    """
    directory = RunDirectory.reopen(asked.run_dir)
    try:
        return _resume(asked, directory)
    finally:
        directory.close()


def _resume(asked: Resumption, directory: RunDirectory) -> Performed:
    before = directory.manifest()
    job = job_of(before, directory.shown)
    opened, strange = stored_settings(before, directory.shown)
    settings = replace(opened, **{**_ceilings(before), **asked.given})
    access = {**cast(Mapping[str, str], before.get("access") or {}), **asked.access}
    model = _model_of(settings, access)
    request = Request(
        job=job,
        source=Path(str(before["source"])),
        question=str(before["question"]),
        run_dir=asked.run_dir,
        settings=settings,
        model=model if asked.model is None else replace(model, factory=asked.model),
        access=access,
        alerted=Alarm(asked.alert_command),
    )
    batch_id, began_s = str(before["run_id"]), float(cast(float, before["began_s"]))
    kept = directory.kept_input()
    with patient_gc():
        plan = job.plan(
            request.source, question=request.question, batch_id=batch_id, settings=settings, now_s=began_s, kept=kept
        )
    now = manifest_of(request, plan, batch_id, began_s)
    found = [*strange, *differences(before, now)]
    if found and not asked.accept_changes:
        raise RunDirectoryError(
            f"run directory {directory.shown!r} was begun with something else: {'; '.join(found)}. "
            "Undo that, or go on with --accept-changes: what is there is kept either way"
        )
    directory.durable = settings.durable
    _note(directory, before, now, found, settings)
    if not kept or found:
        directory.keep_input(plan.kept())
    with patient_gc():
        known = Known.of(directory.outcomes(), asked.again, history=directory.history())
    _say_what_is_kept(directory, known)
    earlier = Earlier(known, Limit(opened.tokens_max, opened.microusd_max))
    return carry_out(request, work_of(request, plan, batch_id, began_s), directory, earlier)


def stored_settings(manifest: Mapping[str, JsonValue], shown: str) -> tuple[Settings, list[str]]:
    """The settings that a run was begun with, and what of them this version does not know."""
    try:
        return settings_from(cast(Mapping[str, JsonValue], manifest["settings"]))
    except (ValidationError, SettingsError) as error:
        reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else error
        raise RunDirectoryError(
            f"run directory {shown!r}: the settings in its manifest are none ({reason}): restore it"
        ) from None


def _model_of(settings: Settings, access: Mapping[str, str]) -> ModelChoice:
    return choose_model(
        settings.model,
        base_url=access.get("base_url", ""),
        key_file=access.get("key_file", ""),
        prices=Path(access["prices"]) if access.get("prices") else None,
        priced=settings.microusd_max is not None,
        tiers=settings.tiers,
        fallback=settings.fallback_model,
        watchdog=settings.watchdog_model,
        watchdog_turns=settings.watchdog_turns,
        cache=settings.cache,
        deadline_s=settings.deadline_s,
    )


def _say_what_is_kept(directory: RunDirectory, known: Known) -> None:
    planned = {task_id for batch in directory.tasks() for task_id in batch.column("id").to_pylist()}
    missing = sum(not known.has_row(task_id) for task_id in planned)
    sys.stderr.write(
        f"kept       {len(known):,} outcomes; {missing:,} tasks that were begun have none, and run again\n"
    )


def settings_from(stored: Mapping[str, JsonValue]) -> tuple[Settings, list[str]]:
    """A manifest's settings, and what of them this version does not know."""
    names = {one.name for one in fields(Settings)}
    strange = [f"setting {name!r} is not known to this version" for name in sorted(stored.keys() - names)]
    known: dict[str, Any] = {name: value for name, value in stored.items() if name in names}
    if isinstance(known.get("alert_percents"), list):
        known["alert_percents"] = tuple(known["alert_percents"])
    return TypeAdapter(Settings).validate_python(known), strange


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What of a run is not as it was, in words: settings that matter, instructions and schemas, input, version."""
    found = [
        f"{name} was {before.get('settings', {}).get(name)!r} and is {value!r}"
        for name, value in now["settings"].items()
        if name not in FREE and name in before.get("settings", {}) and before["settings"][name] != value
    ]
    old, new = before.get("specialists", {}), now["specialists"]
    found += [f"specialist {name!r} is new" for name in new if name not in old]
    found += [f"specialist {name!r} is gone" for name in old if name not in new]
    found += [
        f"instructions, tools or schema of {name!r} have changed"
        for name in new
        if old.get(name, new[name]) != new[name]
    ]
    if before.get("fingerprint") != now["fingerprint"]:
        was, is_now = _short(before.get("fingerprint")), _short(now["fingerprint"])
        found.append(f"the input {now['source']} has changed ({was} to {is_now})")
    for name in ("muster", "prompts"):
        was, is_now = before.get("versions", {}).get(name), now["versions"][name]
        if was != is_now:
            found.append(f"the version of {name} was {was} and is {is_now}")
    return found


def _ceilings(before: Mapping[str, Any]) -> dict[str, int | None]:
    """Those that the attempt before this one had; its settings are what the account was opened under."""
    notes = before.get("resumed") or [{}]
    last = notes[-1].get("ceilings") if isinstance(notes[-1], dict) else None
    kept = last if isinstance(last, dict) else {}
    return {name: kept[name] for name in CEILINGS if name in kept and isinstance(kept[name], int | None)}


def _note(
    directory: RunDirectory, before: Mapping[str, Any], now: dict[str, JsonValue], found: list[str], settings: Settings
) -> None:
    """Keep in the manifest when the run was gone on with, what was accepted by that, and under which ceilings."""
    ceilings: dict[str, JsonValue] = {name: getattr(settings, name) for name in CEILINGS}
    note: dict[str, JsonValue] = {
        "at_s": time.time(), "accepted": cast(list[JsonValue], found), "ceilings": ceilings
    }  # fmt: skip
    kept = now if found else dict(before)
    stored = dict(kept.get("settings") or {})  # type: ignore[arg-type]
    stored |= {name: before["settings"][name] for name in FREE if name in before.get("settings", {})}
    directory.write_manifest({**kept, "settings": stored, "resumed": [*before.get("resumed", []), note]})


def job_of(manifest: Mapping[str, JsonValue], shown: str) -> Job:
    """The job of a run. Raises RunDirectoryError where a program made it, or its manifest lacks something."""
    known, name = JOBS, str(manifest.get("job", ""))
    if manifest.get("schema") != SCHEMA or name not in known:
        raise RunDirectoryError(
            f"run directory {shown!r} holds no run of a job ({name or 'a program made it'}): "
            f"only those of {', '.join(sorted(known))} can be resumed or reported"
        )
    missing = [key for key in ("run_id", "source", "question", "began_s", "settings") if key not in manifest]
    if missing:
        raise RunDirectoryError(f"run directory {shown!r}: its manifest has no {missing[0]!r}: restore it")
    return known[name]


def _short(fingerprint: object) -> str:
    return str(fingerprint)[:12]
