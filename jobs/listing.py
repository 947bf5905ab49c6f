"""The state of runs, for who asks: read beside whoever works on them, and nothing is changed."""

from __future__ import annotations

import json
import shlex
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from actors.contracts import Failure, JsonValue
from actors.tables import OK, OUTCOME_SCHEMA, outcomes_of
from actors.terminal import line
from budget.errors import RunDirectoryError
from jobs.registry import JOBS
from orchestrator.attempts import latest
from orchestrator.known_outcomes import interrupted
from orchestrator.manifest_file import MANIFEST
from orchestrator.object_files import reason_of
from orchestrator.store import RunDirectory
from orchestrator.store_errors import RunChangedError, usable
from orchestrator.store_files import Files, files_at

FAILURES_SHOWN_MAX = 20
LOOKS_MAX = 5  # at a run whose files are replaced meanwhile


@dataclass(frozen=True, slots=True, kw_only=True)
class RunState:
    """Where a run is. `open` are tasks that were submitted and have no outcome yet, or were cancelled.

    state: running (a process works on it), finished, interrupted (it ended early, with a report), died (without), or
    unreadable; then `problem` says why, and nothing else is known.
    """

    run_dir: str
    run_id: str = ""
    job: str = ""
    state: str
    began_s: float | None = None
    runs: int | None = None
    runs_ended: int = 0  # of which no task that was submitted is open
    planned: int = 0
    statuses: Mapping[str, int] = field(default_factory=dict)
    attempts: int = 0
    spent_tokens: int = 0
    cost_microusd: int | None = None
    resumed: int = 0
    problem: str = ""

    @property
    def open(self) -> int:
        return max(0, self.planned - sum(self.statuses.values())) + self.statuses.get("cancelled", 0)


def state_of(directory: RunDirectory) -> RunState:
    """A run's state, from its files. Raises RunDirectoryError when they cannot be read."""
    for _ in range(LOOKS_MAX - 1):
        try:
            return _state_of(directory)
        except RunChangedError:  # it was compacted just now
            continue
    return _state_of(directory)


def _state_of(directory: RunDirectory) -> RunState:
    manifest = directory.manifest()
    found = list(directory.outcomes())
    effective, replaced = latest(found, OUTCOME_SCHEMA)
    statuses = Counter(effective.column("status").to_pylist())
    costs = effective.column("cost_microusd").to_pylist()
    status_of = dict(zip(*(effective.column(name).to_pylist() for name in ("task_id", "status")), strict=True))
    runs = effective.column("run_id").to_pylist()
    ended = set(runs) - {run for run, one in zip(runs, status_of.values(), strict=True) if interrupted(one)}
    planned = set()
    for batch in directory.tasks():
        for task_id, run_id in zip(batch.column("id").to_pylist(), batch.column("run_id").to_pylist(), strict=True):
            planned.add(task_id)
            if task_id not in status_of:
                ended.discard(run_id)
    resumed = manifest.get("resumed")
    return RunState(
        run_dir=directory.shown,
        run_id=str(manifest.get("run_id", "")),
        job=str(manifest.get("job", "")),
        state=_state(directory, statuses, len(planned), resumable=manifest.get("job") in JOBS),
        began_s=_number(manifest.get("began_s")),
        runs=int(total) if (total := _number(manifest.get("runs_total"))) is not None else None,
        runs_ended=len(ended),
        planned=len(planned | status_of.keys()),
        statuses=dict(sorted(statuses.items())),
        attempts=effective.num_rows + replaced.num_rows + sum(batch.num_rows for batch in directory.history()),
        spent_tokens=sum(effective.column("spent_tokens").to_pylist()),
        cost_microusd=None if None in costs else sum(costs),
        resumed=len(resumed) if isinstance(resumed, list) else 0,
    )


def list_states(folder: Path | str | Files) -> list[RunState]:
    """The runs right below a folder or URI, those that began last first; what cannot be read is among them.

    Raises RunDirectoryError when it is no folder, or cannot be reached.
    """
    files = files_at(folder)
    try:
        files.exists(MANIFEST)  # says that there is no bucket
        below = [files.below(name) for name in files.folders()]
    except (FileNotFoundError, NotADirectoryError) as error:
        raise RunDirectoryError(
            f"{files.shown!r} is no folder ({reason_of(error)}): name the one that holds run directories"
        ) from None
    except OSError as error:
        raise RunDirectoryError(f"{files.shown!r} cannot be read: {reason_of(error)}") from None
    return sorted(filter(None, map(_state_or_problem, below)), key=lambda state: -(state.began_s or 0.0))


def _state_or_problem(run: Files) -> RunState | None:
    """How a run stands, or why nobody can tell; None for a folder that holds none."""
    try:
        with usable(run):
            held = run.exists(MANIFEST)
        return state_of(RunDirectory.look(run)) if held else None
    except RunDirectoryError as error:
        return RunState(run_dir=run.shown, state="unreadable", problem=str(error))


def attempts_at(directory: RunDirectory, task_id: str) -> list[dict[str, Any]]:
    """All that is kept of a task: each attempt's row, the latest last. Raises RunDirectoryError for an unknown one."""
    batches = [*directory.history(), *directory.outcomes()]
    rows = pa.Table.from_batches(batches, OUTCOME_SCHEMA)
    mask = pa.array([one == task_id for one in rows.column("task_id").to_pylist()], pa.bool_())
    found = rows.filter(mask).to_pylist()
    if not found:
        near = sorted(one for one in set(rows.column("task_id").to_pylist()) if task_id in one)[:3]
        hint = f"; perhaps {', '.join(near)}" if near else ""
        raise RunDirectoryError(f"{directory.shown!r} has no outcome of task {task_id!r}{hint}")
    return sorted(found, key=lambda row: int(row["attempt"]))


def failures_of(directory: RunDirectory) -> list[Failure]:
    """The failures that stand, by task."""
    effective = directory.effective()
    mask = pa.array([status != OK for status in effective.column("status").to_pylist()], pa.bool_())
    return [outcome for outcome in outcomes_of(effective.filter(mask)) if isinstance(outcome, Failure)]


def as_json(state: RunState) -> dict[str, JsonValue]:
    return {**asdict(state), "open": state.open}


def lines_of(states: Sequence[RunState]) -> list[str]:
    """A list of runs for people."""
    lines = [f"{'state':<12} {'began':<17} {'job':<8} {'answered':>9} {'failed':>7} {'open':>6} {'tokens':>13}  run"]
    return lines + [_line(state) for state in states]


def page_of(state: RunState, failures: Sequence[Failure]) -> list[str]:
    """One run for people."""
    counted = ", ".join(f"{count:,} {status}" for status, count in state.statuses.items()) or "none yet"
    lines = [
        f"run        {state.run_id} ({state.job or 'a program'})",
        f"state      {state.state}" + (f", resumed {state.resumed} times" if state.resumed else ""),
        f"began      {_when(state.began_s)}",
        f"runs       {state.runs_ended:,}" + ("" if state.runs is None else f" of {state.runs:,}") + " ended",
        f"tasks      {state.planned:,} planned: {counted}; {state.open:,} open; {state.attempts:,} attempts in all",
        f"spent      {state.spent_tokens:,} tokens in the outcomes above",
    ]
    shown = [f"failed     {line(one.task_id)}: {one.reason.value}: {line(one.message)[:120]}" for one in failures]
    more = len(shown) - FAILURES_SHOWN_MAX
    lines += shown[:FAILURES_SHOWN_MAX] + ([f"           … and {more:,} more"] if more > 0 else [])
    run = shlex.quote(state.run_dir)
    if failures:
        lines.append(f"look       muster show {run} {shlex.quote(line(failures[0].task_id))}")
    if state.job in JOBS and state.state in ("interrupted", "died"):
        lines.append(f"go on      muster resume {run}")
    elif state.job in JOBS and failures and state.state == "finished":
        lines.append(f"again      muster retry {run} --failed-only")
    return lines


def _state(directory: RunDirectory, statuses: Mapping[str, int], planned: int, *, resumable: bool) -> str:
    if directory.in_use:
        return "running"
    summary = directory.summary()
    if summary is None:
        return "died" if resumable or not statuses or sum(statuses.values()) < planned else "finished"
    cut_short = any(interrupted(status) for status in statuses) or ":" in str(summary.get("status", ""))
    if sum(statuses.values()) < planned:
        return "died"  # a report of an attempt before the last one
    return "interrupted" if cut_short else "finished"


def _line(state: RunState) -> str:
    if state.problem:
        return f"{state.state:<12} {state.problem}"
    ok, ended = state.statuses.get(OK, 0), sum(state.statuses.values())
    failed = ended - ok - state.statuses.get("cancelled", 0)
    return (
        f"{state.state:<12} {_when(state.began_s):<17} {state.job or '-':<8} {ok:>9,} {failed:>7,} {state.open:>6,} "
        f"{state.spent_tokens:>13,}  {state.run_dir}"
    )


def _when(at_s: float | None) -> str:
    return "-" if at_s is None else time.strftime("%Y-%m-%d %H:%M", time.gmtime(at_s)) + "Z"


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def printed(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
