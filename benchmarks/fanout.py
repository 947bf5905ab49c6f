"""What Muster adds to a sub-agent, side by side with Ray itself and with a bare asyncio loop, in one run.

    python benchmarks/fanout.py                      # all figures, as a table
    python benchmarks/fanout.py --figure embedded    # one of: embedded local latency memory growth start shares
    python benchmarks/fanout.py --json

A sub-agent is two model calls and one tool call, with a stub model that answers at once (or after `--model-s`). Every
measurement runs in a process of its own; those that are compared alternate, and the medians of their ratios are given.
Rates count from the first host's readiness to the last outcome: durable, paid for, and seen by its pattern.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
TASKS_PER_RUN = 100
TASKS = 20_000
HOSTS = 2  # one per core
REPEATS = 3
REPEATS_OF_DIFFERENCES = 3  # times as many, where a figure is a small difference of two: one round is off by as much
IDLE_S = 3.0  # after which an embedded Ray has started its processes


# --- what is measured: each in a process of its own ------------------------------------------------------------------


def bare_loop(tasks: int) -> dict[str, float]:
    """A loop that does nothing but the two calls and the tool."""

    async def model(_: int) -> dict[str, int]:
        return {"n": 3}

    async def sub_agent(n: int) -> dict[str, int]:
        await model(n)
        await model(n)
        return await model(n)

    async def all_of_them() -> float:
        began_s = time.perf_counter()
        for first in range(0, tasks, 1_000):
            await asyncio.gather(*(sub_agent(n) for n in range(first, first + 1_000)))
        return tasks / (time.perf_counter() - began_s)

    cpu_s = time.process_time()
    rate = asyncio.run(all_of_them())
    return {"per_s": rate, "cpu_ms": 1_000 * (time.process_time() - cpu_s) / tasks}


def bare_ray(tasks: int) -> dict[str, float]:
    """One async actor call per sub-agent, over two actors, gathered in batches."""
    import ray

    ray.init(address="local", include_dashboard=False, logging_level="ERROR")

    class Worker:
        async def run(self, n: int) -> int:
            for _ in range(3):
                await asyncio.sleep(0)
            return n

    remote = ray.remote(num_cpus=0)(Worker)
    workers = [remote.remote() for _ in range(HOSTS)]
    ray.get([worker.run.remote(0) for worker in workers])
    began_s = time.perf_counter()
    references = [workers[n % HOSTS].run.remote(n) for n in range(tasks)]
    while references:
        done, references = ray.wait(references, num_returns=min(500, len(references)), timeout=10)
        ray.get(done)
    rate = tasks / (time.perf_counter() - began_s)
    ray.shutdown()
    return {"per_s": rate}


def muster(tasks: int, *, mode: str, model_s: float = 0.0, per_run: int = TASKS_PER_RUN, sessions: int = 1_000,
           spans: bool = True, durable: bool = True, budget: bool = True,
           memory: bool = False) -> dict[str, float]:  # fmt: skip
    """A batch with everything on, in `mode`: its rate, and what it took of processor time and memory."""
    from turned_off import unpaid_place

    from orchestrator.batch_run import run_batch
    from orchestrator.store import RunDirectory

    seen = Watch(memory)
    batch = make_batch(mode, model_s=model_s, sessions=sessions, spans=spans, durable=durable)
    with tempfile.TemporaryDirectory() as folder, place(mode):
        directory = RunDirectory.create(Path(folder) / "run", manifest={}, durable=durable)
        if mode != "local":
            time.sleep(IDLE_S)
        seen.start()
        ending = asyncio.run(
            run_batch(
                batch,
                make_runs(tasks, per_run),
                directory,
                finished=lambda *_: None,
                progress=seen.progress,
                at=None if budget else unpaid_place,
            )
        )
        ended_s = time.perf_counter()
        seen.stop()
        directory.close()
    assert ending.tally.succeeded == tasks, ending.tally.statuses
    wall_s = ended_s - seen.first_s
    return {
        "per_s": tasks / wall_s,
        "wall_s": wall_s,
        "cpu_ms": 1_000 * (seen.cpu_s_end - seen.cpu_s_begin) / tasks,
        "peak_kb": seen.peak_kb,
        "idle_kb": seen.idle_kb,
        "driver_kb": seen.driver_peak_kb,
    }


def make_batch(mode: str, *, model_s: float, sessions: int, spans: bool, durable: bool) -> Any:
    from dataclasses import replace

    from pydantic import BaseModel

    from actors import ModelReply, ModelRequest, Resources, ScriptedModel, Specialist, ToolResult, tool
    from actors.models.scripted import calls, says
    from orchestrator.batch import Batch
    from orchestrator.settings import Settings

    class Count(BaseModel):
        n: int

    @tool
    async def count(of: str) -> int:  # noqa: ARG001
        """Counts."""
        return 3

    numbers = itertools.count()  # no two calls are equal: those of one run would be made once

    def said(request: ModelRequest) -> ModelReply:
        last = request.messages[-1].blocks[0]
        return says('{"n": 3}') if isinstance(last, ToolResult) else calls("count", of=str(next(numbers)))

    async def said_later(request: ModelRequest) -> ModelReply:
        await asyncio.sleep(model_s)
        return said(request)

    model = ScriptedModel(said_later if model_s else said)
    counter = Specialist(name="counter", purpose="Counts.", prompt="Count.", output=Count, tools=(count,))
    counter = replace(counter, resources=Resources(sessions_max=1_000_000))
    settings = Settings(
        mode=mode,  # type: ignore[arg-type]
        model="scripted",
        sessions_max=sessions,
        hosts_per_agent=1 if mode == "local" else HOSTS,
        tokens_max=10**12,
        spans=spans,
        durable=durable,
        deadline_s=120.0,
    )
    return Batch(id="bench", specialists=[counter], model=lambda _: model, settings=settings)


def make_runs(tasks: int, per_run: int) -> Iterator[Any]:
    from actors import Task
    from orchestrator.patterns import FanOut
    from orchestrator.runs import Run

    def task(run: int, n: int) -> Task:
        return Task(
            id=f"r{run}/{n}", run_id=f"r{run}", agent="counter", objective="How many?", output_schema="Count",
            tokens_max=20_000, deadline_s=120.0, turns_max=6, idempotency_key=f"r{run}/{n}", priority=run,
        )  # fmt: skip

    for run in range(tasks // per_run):
        yield Run(id=f"r{run}", pattern=FanOut(tuple(task(run, n) for n in range(per_run))))


class Watch:
    """Processor time and memory of this process and of all below it, and when work began.

    Memory is PSS, as /proc tells it: what processes share is counted once, so the sum is what the machine lacks. It is
    idle before the batch has started anything: on Ray that is the cluster alone, and hosts and ledger count as added.
    Only where `memory` is what is measured: looking takes 6 % of a core, and would count as the batch's own.
    """

    def __init__(self, memory: bool) -> None:
        self.memory = memory
        self.first_s = 0.0
        self.cpu_s_begin = self.cpu_s_end = 0.0
        self.idle_kb = self.peak_kb = self.driver_peak_kb = 0.0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def progress(self, tally: Any) -> None:
        """Work begins when the driver has heard that a host is ready, and goes on to plan its first tasks."""
        if not tally.tasks_planned:
            self.first_s = time.perf_counter()
            self.cpu_s_begin = cpu_s(family())

    def start(self) -> None:
        if self.memory:
            self.idle_kb = sum(map(pss_kb, family()))
            self._thread.start()

    def stop(self) -> None:
        self.cpu_s_end = cpu_s(family())
        if self.memory:
            self._ended.set()
            self._thread.join()

    def _look(self) -> None:
        while not self._ended.wait(0.25):
            self.peak_kb = max(self.peak_kb, sum(map(pss_kb, family())))
            self.driver_peak_kb = max(self.driver_peak_kb, pss_kb(os.getpid()))


def family() -> list[int]:
    """This process and all below it. Ray's processes are started by ours."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
            parents.setdefault(parent, []).append(int(entry.name))
    found, open_ = [], [os.getpid()]
    while open_:
        pid = open_.pop()
        found.append(pid)
        open_ += parents.get(pid, [])
    return found


def cpu_s(pids: list[int]) -> float:
    total = 0
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")


def pss_kb(pid: int) -> float:
    """Resident memory, with what is shared counted once over all who share it."""
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return float(line.split()[1])
    except OSError:
        pass
    return 0.0


def place(mode: str) -> Any:
    from contextlib import nullcontext

    if mode == "local":
        return nullcontext()
    from orchestrator.cluster import connected
    from orchestrator.settings import Settings

    return connected(Settings(mode="embedded"))


def first_start() -> dict[str, float]:
    """Seconds from the command to the first sub-agent's start, beyond what Ray itself takes to start."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", "jobs", "sample", f"{folder}/s", "--services", "2"], check=True,
                       capture_output=True)  # fmt: skip
        began_s = time.time()
        command = [sys.executable, "-m", "jobs", "audit", f"{folder}/s/catalog-info.yaml", "--run-dir", f"{folder}/run"]
        subprocess.run(command, check=True, capture_output=True)
        from orchestrator.store import RunDirectory

        table = RunDirectory.look(Path(folder) / "run").effective()
        started_s = min(table.column("started_at_s").to_pylist()) - began_s
    ray_s = subprocess.run(
        [sys.executable, "-c", "import time; t=time.time(); import ray; "
         "ray.init(address='local', include_dashboard=False, logging_level='ERROR'); print(time.time()-t)"],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    return {"start_s": started_s, "ray_s": float(ray_s.stdout)}


# --- figures ----------------------------------------------------------------------------------------------------------


def apart(measured: str, **arguments: Any) -> dict[str, float]:
    """One measurement in a process of its own."""
    command = [sys.executable, __file__, "--measure", measured, "--arguments", json.dumps(arguments)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if ended.returncode != 0:
        raise SystemExit(f"{measured} {arguments} failed:\n{ended.stderr[-3_000:]}")
    return dict(json.loads(ended.stdout.splitlines()[-1]))


def ratio(mode: str, repeats: int, tasks: int) -> dict[str, float]:
    """Rate of Muster over that of bare Ray: the median of alternating pairs."""
    pairs = [(apart("bare_ray", tasks=tasks)["per_s"], apart("muster", mode=mode, tasks=tasks)) for _ in range(repeats)]
    loop = apart("bare_loop", tasks=tasks)
    return {
        f"ratio_{mode}": statistics.median(ours["per_s"] / theirs for theirs, ours in pairs),
        f"{mode}_per_s": statistics.median(ours["per_s"] for _, ours in pairs),
        "bare_ray_per_s": statistics.median(theirs for theirs, _ in pairs),
        "bare_loop_per_s": loop["per_s"],
        f"orchestration_ms_{mode}": statistics.median(ours["cpu_ms"] for _, ours in pairs) - loop["cpu_ms"],
    }


def latency(repeats: int, tasks: int) -> dict[str, float]:
    """20,000 sub-agents of two calls of a second each, half of them in flight at once: ideal is four seconds."""
    walls = [apart("muster", mode="embedded", tasks=tasks, model_s=1.0, sessions=tasks // 2) for _ in range(repeats)]
    return {"latency_over_ideal": statistics.median(wall["wall_s"] for wall in walls) / 4.0}


def memory(tasks: int) -> dict[str, float]:
    """Memory of all processes with half of the tasks in flight, over the idle cluster: PSS, and all that Muster starts.

    Hosts and ledger are some 180 MB of it, however many sub-agents there are. A sum of RSS counts what processes share
    once for each: from outside the peak and the growth are both two thirds more by it.
    """
    seen = apart("muster", mode="embedded", tasks=tasks, model_s=2.0, sessions=tasks // 2, memory=True)
    return {"kb_per_subagent": (seen["peak_kb"] - seen["idle_kb"]) / (tasks // 2)}


def growth() -> dict[str, float]:
    """The driver's memory over 100,000 runs against 1,000."""
    few = apart("muster", mode="embedded", tasks=1_000, per_run=1, memory=True)
    many = apart("muster", mode="embedded", tasks=100_000, per_run=1, memory=True)
    return {"driver_growth_mb": (many["driver_kb"] - few["driver_kb"]) / 1_024}


def shares(repeats: int, tasks: int) -> dict[str, float]:
    """The part of the time that budget, durability and tracing take, each turned off in turn."""
    from turned_off import shares as measured

    return measured(REPEATS_OF_DIFFERENCES * repeats, tasks)


def start(repeats: int) -> dict[str, float]:
    seen = [apart("first_start") for _ in range(REPEATS_OF_DIFFERENCES * repeats)]
    return {
        "start_s": statistics.median(one["start_s"] - one["ray_s"] for one in seen),
        "ray_start_s": statistics.median(one["ray_s"] for one in seen),
    }


FIGURES: dict[str, Callable[[int, int], dict[str, float]]] = {
    "embedded": lambda repeats, tasks: ratio("embedded", repeats, tasks),
    "local": lambda repeats, tasks: ratio("local", repeats, tasks),
    "latency": latency,
    "memory": lambda _, tasks: memory(tasks),
    "growth": lambda *_: growth(),
    "shares": shares,
    "start": lambda repeats, _: start(repeats),
}
MEASURED: dict[str, Callable[..., dict[str, float]]] = {
    "bare_loop": bare_loop,
    "bare_ray": bare_ray,
    "muster": muster,
    "first_start": first_start,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--figure", choices=FIGURES, action="append")
    parser.add_argument("--tasks", type=int, default=TASKS)
    parser.add_argument("--repeats", type=int, default=REPEATS)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--measure", choices=MEASURED, help=argparse.SUPPRESS)
    parser.add_argument("--arguments", default="{}", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.measure:
        print(json.dumps(MEASURED[asked.measure](**json.loads(asked.arguments))))
        return
    found: dict[str, float] = {}
    for figure in asked.figure or FIGURES:
        found |= FIGURES[figure](asked.repeats, asked.tasks)
    if "orchestration_ms_embedded" in found:
        found["orchestration_ms"] = found["orchestration_ms_embedded"]
    if asked.json:
        print(json.dumps(found))
        return
    versions = ", ".join(f"{name} {version(name)}" for name in ("muster", "ray", "pyarrow", "pydantic"))
    print(f"python {platform.python_version()}, {versions}, {os.cpu_count()} cores\n")
    for name, value in found.items():
        print(f"{name:<28} {value:>14,.3f}")


if __name__ == "__main__":
    main()
