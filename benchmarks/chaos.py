"""Whatever dies and whenever, nothing that was paid for is lost: `python benchmarks/chaos.py --seeds 100 --json`.

Each seed audits a sample estate on an embedded Ray, kills random victims at random moments with SIGKILL (the driver, a
host, the budget actor, or all of them at once), and resumes until the audit is done. Every model call is written to a
meter file before it is answered: that is the provider's view, which no kill can change.

lost_outcomes        outcomes that were durable when something was killed, and are missing or others at the end
finished_run_again   model calls for tasks whose answer was durable before the process that called was started
overshoot_tokens     tokens on the meter above the ceiling, or above what the ledger counts as spent
recovery_s_p50/p95   from a kill, or from the start of `resume` after a driver's kill, until work goes on: a new host's
                     first model call, or the first call for a task that had none
left_processes       processes of a killed driver that were still there 15 s later
different_reports    final rankings that are not that of an undisturbed audit
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import Any

from actors.models.base import ModelClient, ModelReply, ModelRequest
from actors.models.offline import OfflineModel
from actors.specialists.base import Specialist
from actors.tables import OK

VICTIMS = ("driver", "host", "budget", "all")
ROUNDS_MAX = 3  # kills of a seed
CHILD_S_MAX = 180.0
GONE_S_MAX = 15.0
CALL_S = (0.02, 0.25)  # what a model call takes


@dataclass(frozen=True, slots=True)
class Metered:
    """The offline model at a provider's pace, with the provider's own record of what it billed."""

    meter: str

    def __call__(self, specialist: Specialist) -> ModelClient:
        return _Client(OfflineModel(specialist.analyst), self.meter)


@dataclass(frozen=True, slots=True)
class _Client:
    offline: OfflineModel
    meter: str

    async def reply(self, request: ModelRequest) -> ModelReply:
        await asyncio.sleep(random.uniform(*CALL_S))
        reply = await self.offline.reply(request)
        line = {
            "at_s": time.time(),
            "task": [request.run_id, request.agent],
            "tokens": reply.usage.total_tokens,
            "pid": os.getpid(),
        }
        descriptor = os.open(self.meter, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(descriptor, json.dumps(line).encode() + b"\n")
        os.close(descriptor)
        return reply


def child(source: Path, run_dir: Path, meter: Path) -> int:
    """The process under test: an audit from its beginning, or from where it was."""
    from jobs.models import choose_model
    from jobs.perform import perform
    from jobs.registry import JOBS
    from jobs.request import Request
    from jobs.resume import Resumption, resume
    from orchestrator.settings import Settings

    model = Metered(str(meter))
    if (run_dir / "manifest.json").exists():
        return int(resume(Resumption(run_dir=run_dir, model=model)).status)
    offline = choose_model("offline", base_url="", key_file="", prices=None, priced=False)
    settings = Settings(mode="embedded", sessions_max=8, deadline_s=20.0, grace_s=5.0)
    request = Request(
        job=JOBS["audit"],
        source=source,
        question="",
        run_dir=run_dir,
        settings=settings,
        model=replace(offline, factory=model),
        alerted=lambda _: None,
    )
    return int(perform(request).status)


@dataclass(slots=True)
class Seed:
    """What one seed came to."""

    seed: int
    kills: list[str] = field(default_factory=list)
    lost_outcomes: int = 0
    finished_run_again: int = 0
    overshoot_tokens: int = 0
    recoveries_s: list[float] = field(default_factory=list)
    left_processes: int = 0
    different_report: bool = False
    status: int = 0
    outcomes: int = 0
    bytes_per_outcome: float = 0.0


def run_seed(seed: int, source: Path, folder: Path, ranking: list[str]) -> Seed:
    """One audit under fire."""
    dice, made = random.Random(seed), Seed(seed)
    run_dir, meter = folder / "run", folder / "meter.jsonl"
    rounds, durable = dice.randint(1, ROUNDS_MAX), dict[str, Any]()
    for kill in range(ROUNDS_MAX + 1):
        victim = dice.choice(VICTIMS) if kill < rounds else ""
        started_s = time.time()
        process = _start(source, run_dir, meter)
        known = {} if kill == 0 else dict(durable)
        if kill:
            made.recoveries_s += _wait_for_call(meter, started_s, "driver", process)
        killed_s = _kill_one(victim, dice, process, meter, made) if victim else 0.0
        if killed_s and victim in ("host", "budget"):
            made.recoveries_s += _wait_for_call(meter, killed_s, victim, process)
        made.status = process.wait(CHILD_S_MAX)
        made.finished_run_again += _again(meter, known, started_s)
        now = _durable(run_dir)
        made.lost_outcomes += sum(now.get(task) != row for task, row in durable.items())
        durable = now
        if made.status >= 0:
            break
    summary = json.loads((run_dir / "summary.json").read_text())
    billed = sum(line["tokens"] for line in _lines(meter))
    budget = summary["budget"]
    made.overshoot_tokens = max(0, billed - min(budget["limit_tokens"], budget["spent_tokens"]))
    made.different_report = [service["name"] for service in summary["services"]] != ranking
    made.outcomes = len(durable)
    files = sum(file.stat().st_size for file in run_dir.rglob("*") if file.is_file())
    made.bytes_per_outcome = files / max(1, made.outcomes)
    return made


def _start(source: Path, run_dir: Path, meter: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, __file__, "--child", str(source), str(run_dir), str(meter)]
    log = (run_dir.parent / "child.log").open("ab")
    return subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)


def _kill_one(victim: str, dice: random.Random, process: subprocess.Popen[bytes], meter: Path, made: Seed) -> float:
    """Wait for a random number of model calls, then kill. Gives when, 0 when the audit was over before."""
    calls = len(_lines(meter)) + dice.randint(0, 60)
    while len(_lines(meter)) < calls:
        if process.poll() is not None:
            return 0.0
        time.sleep(0.01)
    time.sleep(dice.uniform(0.0, 0.05))
    family = _family(process.pid)
    named = {"host": "ray::HostActor", "budget": "ray::BudgetActor"}
    chosen = [pid for pid, command in family.items() if victim in named and command.startswith(named[victim])]
    if victim in named and not chosen:
        return 0.0
    pids = {"driver": [process.pid], "all": [process.pid, *family]}.get(victim) or [dice.choice(chosen)]
    for pid in pids:
        _kill(pid)
    made.kills.append(victim)
    killed_s = time.time()
    if process.pid in pids:
        process.wait(CHILD_S_MAX)
        made.left_processes += _wait_until_gone(family)
    return killed_s


def _family(root: int) -> dict[int, str]:
    """The processes that descend from one, and their command lines."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except (OSError, IndexError):
                continue
    found, new = dict[int, str](), {root}
    while new:
        new = {pid for pid, parent in parents.items() if parent in new}
        found |= {pid: _command(pid) for pid in new}
    return found


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def _wait_until_gone(family: dict[int, str]) -> int:
    """Processes of a killed driver that do not end by themselves; they are ended then."""
    give_up_s = time.time() + GONE_S_MAX
    while (left := [pid for pid, command in family.items() if _command(pid) == command != ""]) and (
        time.time() < give_up_s
    ):
        time.sleep(0.1)
    for pid in left:
        print(f"left behind by a killed driver: {family[pid][:120]}", file=sys.stderr)
        _kill(pid)
    return len(left)


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _wait_for_call(meter: Path, after_s: float, victim: str, process: subprocess.Popen[bytes]) -> list[float]:
    """Seconds until work goes on that the kill had stopped; nothing when the audit ended without it.

    For a host's kill that is the first call of a process that had made none, else the first call for a new task.
    """

    def mark(line: dict[str, Any]) -> str:
        return str(line["pid"]) if victim == "host" else "/".join(line["task"])

    known = {mark(line) for line in _lines(meter) if line["at_s"] <= after_s}
    while process.poll() is None:
        later = [line["at_s"] for line in _lines(meter) if line["at_s"] > after_s and mark(line) not in known]
        if later:
            return [later[0] - after_s]
        time.sleep(0.02)
    return []


def _lines(meter: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in meter.read_bytes().splitlines()] if meter.exists() else []


def _durable(run_dir: Path) -> dict[str, Any]:
    """The answered tasks on the disk: what came of them, by run and agent."""
    from orchestrator.store import RunDirectory

    if not (run_dir / "manifest.json").exists():
        return {}
    rows = RunDirectory.look(run_dir).effective()
    columns = [rows.column(name).to_pylist() for name in ("run_id", "agent", "status", "attempt", "answer")]
    return {f"{run}/{agent}": rest for run, agent, *rest in zip(*columns, strict=True) if rest[0] == OK}


def _again(meter: Path, known: dict[str, Any], started_s: float) -> int:
    """Calls since a process was started for tasks that had been answered before it was."""
    calls = ("/".join(line["task"]) for line in _lines(meter) if line["at_s"] > started_s)
    return sum(task in known for task in calls)


def _ranking(source: Path, folder: Path) -> list[str]:
    """That of an undisturbed audit."""
    process = _start(source, folder / "run", folder / "meter.jsonl")
    if process.wait(CHILD_S_MAX) != 0:
        raise SystemExit((folder / "child.log").read_text())
    return [service["name"] for service in json.loads((folder / "run" / "summary.json").read_text())["services"]]


def measure(seeds: Iterable[int], *, services: int, say: bool) -> dict[str, Any]:
    from jobs.sample import write_estate

    made: list[Seed] = []
    with tempfile.TemporaryDirectory(prefix="muster-chaos-") as scratch:
        folder = Path(scratch)
        write_estate(folder / "estate", services=services, seed=7)
        source = folder / "estate" / "catalog-info.yaml"
        (folder / "calm").mkdir()
        ranking = _ranking(source, folder / "calm")
        for seed in seeds:
            own = folder / f"seed-{seed}"
            own.mkdir()
            made.append(run_seed(seed, source, own, ranking))
            if say:
                print(made[-1], file=sys.stderr, flush=True)
    recoveries_s = sorted(one for seed in made for one in seed.recoveries_s)
    return {
        "seeds": len(made),
        "kills": {victim: sum(seed.kills.count(victim) for seed in made) for victim in VICTIMS},
        "lost_outcomes": sum(seed.lost_outcomes for seed in made),
        "finished_run_again": sum(seed.finished_run_again for seed in made),
        "overshoot_tokens": sum(seed.overshoot_tokens for seed in made),
        "different_reports": sum(seed.different_report for seed in made),
        "left_processes": sum(seed.left_processes for seed in made),
        "failed_audits": sum(seed.status != 0 for seed in made),
        "recovery_s_p50": round(median(recoveries_s), 2) if recoveries_s else None,
        "recovery_s_p95": round(recoveries_s[int(0.95 * (len(recoveries_s) - 1))], 2) if recoveries_s else None,
        "bytes_per_outcome": round(median(seed.bytes_per_outcome for seed in made)) if made else None,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--services", type=int, default=12)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quiet", action="store_true")
    parser.add_argument("--child", nargs=3, type=Path, metavar=("SOURCE", "RUN_DIR", "METER"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        sys.exit(child(*given.child))
    seeds = range(given.first, given.first + given.seeds)
    figures = measure(seeds, services=given.services, say=not given.quiet)
    print(json.dumps(figures) if given.json else "\n".join(f"{name:<20} {value}" for name, value in figures.items()))


if __name__ == "__main__":
    main()
