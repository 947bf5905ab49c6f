"""How soon `muster resume` of a large audit works again: `python benchmarks/resume_audit.py --services 26000 --json`.

A sample estate is audited once. Its manifest and its outcomes are then repeated under other names until there are as
many services as asked for, the ledger is told of each task, and the last services have no outcomes: so a driver that
was killed leaves its run directory. A true `muster resume` goes on with it.

first_session_s    from the start of the command's process to the start of the first sub-agent
all_told_s         until the command has ended, the report of all services and the Parquet written
left_over          tasks that had no outcome
manifest_mb run_dir_mb   what is read, and what lies there

    --embedded: go on on an embedded Ray, not with --local. --keep FOLDER: leave what was made there, and use it again.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from actors.accounts import hold_id, run_account
from actors.contracts import Task
from actors.tables import OUTCOME_SCHEMA, task_batch
from budget import Amount, Budget, Limit, local_budget
from jobs.job import Plan
from jobs.models import choose_model
from jobs.registry import JOBS
from jobs.request import Request, manifest_of
from jobs.sample import write_estate
from orchestrator.runs import Run
from orchestrator.settings import Settings
from orchestrator.shards import Shard
from orchestrator.store import RunDirectory

SAMPLED = 40  # services of the estate that is repeated
LEFT_OVER = 8  # services that have no outcomes yet
RUNS_AT_ONCE = 250  # whose outcomes are one segment


def muster(*arguments: object) -> None:
    subprocess.run([sys.executable, "-m", "jobs", *map(str, arguments)], check=True, stderr=subprocess.DEVNULL)


def repeated(manifest: str, services: int) -> str:
    """The manifest's documents again and again, each time under other names, until there are so many."""
    documents = manifest.split("\n---\n")
    own = re.compile(r"^(  name: |    - component:)(.*)$", re.MULTILINE)
    copies = (
        own.sub(rf"\g<1>\g<2>-{number // len(documents)}", documents[number % len(documents)].rstrip("\n"))
        for number in range(services)
    )
    return "\n---\n".join(copies) + "\n"


def planned(run_dir: Path, manifest: Path, began_s: float) -> tuple[Plan, dict[str, object], Settings]:
    """The audit of a manifest as the command would begin it."""
    model = choose_model("offline", base_url="", key_file="", prices=None, priced=False)
    settings = Settings(mode="local", tokens_max=10**12)
    job = JOBS["audit"]
    plan = job.plan(manifest, question="", batch_id="bench", settings=settings, now_s=began_s)
    request = Request(
        job=job,
        source=manifest,
        question="",
        run_dir=run_dir,
        settings=settings,
        model=model,
        alerted=lambda _: None,
    )
    return plan, dict(manifest_of(request, plan, "bench", began_s)), settings


def write(folder: Path, services: int) -> None:
    """An estate, and the run directory of its audit as a killed driver leaves it."""
    estate, small, large = folder / "estate", folder / "small", folder / "run"
    write_estate(estate, services=SAMPLED, seed=7)
    muster("audit", estate / "catalog-info.yaml", "--local", "--run-dir", small)
    manifest = estate / "repeated.yaml"
    manifest.write_text(repeated((estate / "catalog-info.yaml").read_text(), services))
    plan, said, settings = planned(large, manifest, time.time())
    directory = RunDirectory.create(large, manifest=said)  # type: ignore[arg-type]
    directory.keep_input(plan.kept())
    runs = list(plan.part(Shard()))
    rows = rows_by_service(RunDirectory.look(small).effective())
    for begin in range(0, len(runs), RUNS_AT_ONCE):
        part = runs[begin : begin + RUNS_AT_ONCE]
        directory.append_tasks([task_batch(list(tasks_of(part)))])
        done = [run for run in part if runs.index(run, begin) < len(runs) - LEFT_OVER]
        directory.append_outcomes([renamed(rows, run.id) for run in done])
    asyncio.run(tell_ledger(directory.ledger, runs, settings))
    directory.close()


def tasks_of(runs: list[Run]) -> Iterator[Task]:
    for run in runs:
        yield from run.pattern.tasks  # type: ignore[attr-defined]


def rows_by_service(outcomes: pa.Table) -> dict[str, pa.RecordBatch]:
    names = outcomes.column("run_id").unique().to_pylist()
    return {
        name: outcomes.filter(pc.equal(outcomes.column("run_id"), name)).combine_chunks().to_batches()[0]
        for name in names
    }


def renamed(rows: dict[str, pa.RecordBatch], run_id: str) -> pa.RecordBatch:
    """The outcomes of a sampled service as those of one that repeats it."""
    found = rows[run_id.rpartition("-")[0]]
    ids = pa.array([run_id] * found.num_rows)
    task_ids = pc.binary_join_element_wise(ids, found.column("agent"), "/")
    return pa.RecordBatch.from_arrays([task_ids, ids, *found.columns[2:]], schema=OUTCOME_SCHEMA)


async def tell_ledger(folder: Path, runs: list[Run], settings: Settings) -> None:
    """What a driver and its hosts say of the runs, up to where they died."""
    async with local_budget(folder) as budget:
        await budget.open("bench", limit=Limit(settings.tokens_max, None), alert_percents=settings.alert_percents)
        for begin in range(0, len(runs), RUNS_AT_ONCE):
            part = runs[begin : begin + RUNS_AT_ONCE]
            open_from = max(0, len(runs) - LEFT_OVER - begin)
            await asyncio.gather(*(spend(budget, run, ended=n < open_from) for n, run in enumerate(part)))


async def spend(budget: Budget, run: Run, *, ended: bool) -> None:
    account = run_account("bench", run.id)
    await budget.open(account, parent="bench", limit=run.limit or Limit(), alert_percents=())
    for task in tasks_of([run]):
        hold = hold_id("bench", task.id, 1)
        await budget.reserve(hold, account, Amount(task.tokens_max, 0), owner=f"{task.agent}-1")
        if ended:
            await budget.reconcile(hold, Amount(4_900, 0))
    if ended:
        await budget.close(account)


def resume(folder: Path, *, embedded: bool) -> dict[str, float]:
    """Go on with a copy, for the run is over then."""
    run_dir = folder / "resumed"
    subprocess.run(["rm", "-rf", run_dir], check=True)
    subprocess.run(["cp", "-r", folder / "run", run_dir], check=True)
    known = RunDirectory.look(run_dir).effective().num_rows
    began_s, began_wall_s = time.perf_counter(), time.time()
    muster("resume", run_dir, *(["--address", ""] if embedded else ["--local"]))
    ended_s = time.perf_counter()
    rows = RunDirectory.look(run_dir).effective()
    started_s = pc.max(rows.column("started_at_s")).as_py()
    new = rows.filter(pc.greater(rows.column("started_at_s"), began_wall_s))
    assert new.num_rows == rows.num_rows - known, (new.num_rows, rows.num_rows, known)
    started_s = pc.min(new.column("started_at_s")).as_py()
    return {
        "outcomes": known,
        "left_over": new.num_rows,
        "first_session_s": round(started_s - began_wall_s, 2),
        "all_told_s": round(ended_s - began_s, 1),
    }


def megabytes(path: Path) -> float:
    files = path.rglob("*") if path.is_dir() else [path]
    return round(sum(file.stat().st_size for file in files if file.is_file()) / 1e6, 1)


def measured(folder: Path, services: int, *, embedded: bool) -> dict[str, float]:
    if not (folder / "run").exists():
        write(folder, services)
    return {
        "services": services,
        **resume(folder, embedded=embedded),
        "manifest_mb": megabytes(folder / "estate" / "repeated.yaml"),
        "run_dir_mb": megabytes(folder / "run"),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--services", type=int, default=26_000)
    parser.add_argument("--embedded", action="store_true")
    parser.add_argument("--keep", type=Path, default=None)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="muster-resume-audit-") as scratch:
        figures = measured(given.keep or Path(scratch), given.services, embedded=given.embedded)
    print(json.dumps(figures) if given.json else "\n".join(f"{name:<18} {value}" for name, value in figures.items()))


if __name__ == "__main__":
    main()
