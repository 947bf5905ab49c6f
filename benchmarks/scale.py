"""How far drivers, hosts and one ledger go together: what each costs is measured, what many of them do is computed.

    python benchmarks/scale.py [--json] [--subagents 20000] [--exported] [--drivers 1,2,4,8] [--hosts 4] [--model-s 0]

A true batch on an embedded Ray gives the processor time of each part per sub-agent (two model calls at 0 ms and one
tool call; journal, durable outcomes and spans on; --exported: the driver makes OpenTelemetry spans of them as well). A
model in virtual time then lets K drivers, each with its own hosts, work on one ledger, each of them on a core of its
own, and tells the rate that they settle at and who is busy by then.
What a call costs is partly in the measured costs already: the model rather says too little.

driver_us host_us ledger_us ray_us   processor time per sub-agent, by process; ray_us is that of Ray's own processes
call_us                              one call of an actor and its answer, one after the other
measured_per_s bound_per_s           the batch's rate on this machine, and what its cores would allow for these costs
"""

from __future__ import annotations

import argparse
import asyncio
import heapq
import itertools
import json
import os
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

PER_RUN = 5  # sub-agents, as an audit has them
AHEAD = 4  # times the sessions that a host runs, that it is given
SESSIONS = 1_000  # of a host at once
CHUNK = 256  # sub-agents of a host that begin together: what gathers while the ledger answers the ones before
WARM_UP = 0.25  # the part of the virtual time that is not counted
VIRTUAL_S = 12.0
PARTS = {"HostActor": "host", "BudgetActor": "ledger", "raylet": "ray", "gcs_server": "ray"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """Microseconds of a processor: of each part per sub-agent, and of one call between two processes."""

    driver_us: float
    host_us: float
    ledger_us: float
    call_us: float


# --- measured ---------------------------------------------------------------------------------------------------------


def measured(subagents: int, *, exported: bool) -> dict[str, float]:
    """Costs by process of a true batch, between the first and the last look at it while it was at work."""
    from fanout import make_batch, make_runs, place

    from orchestrator.batch_run import run_batch
    from orchestrator.store import RunDirectory

    looks: list[tuple[float, int, Counter[str]]] = []

    def progress(tally: Any) -> None:
        now_s, ended = time.perf_counter(), sum(tally.statuses.values())
        if ended and (not looks or now_s - looks[-1][0] > 0.2):
            looks.append((now_s, ended, cpu_s_by_part()))

    with tempfile.TemporaryDirectory() as folder, place("embedded"):
        call_us = ray_call_us()
        directory = RunDirectory.create(Path(folder) / "run", manifest={})
        batch = make_batch("embedded", model_s=0.0, sessions=SESSIONS, spans=True, durable=True)
        batch = replace(batch, telemetry=traced() if exported else None)
        asyncio.run(
            run_batch(batch, make_runs(subagents, PER_RUN), directory, finished=lambda *_: None, progress=progress)
        )
        directory.close()
    (began_s, first, before), (ended_s, last, after) = looks[0], looks[-1]
    spent = {part: 1e6 * (after[part] - before[part]) / (last - first) for part in ("driver", "host", "ledger", "ray")}
    return {
        **{f"{part}_us": round(us, 1) for part, us in spent.items()},
        "call_us": round(call_us, 1),
        "measured_per_s": round((last - first) / (ended_s - began_s)),
        "bound_per_s": round(1e6 * (os.cpu_count() or 1) / sum(spent.values())),
    }


def traced() -> Any:
    """Telemetry whose spans are made and batched as for a collector, and dropped instead of sent."""
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

    from orchestrator.exporters import SPANS_QUEUED_MAX
    from orchestrator.telemetry import Telemetry

    class Dropped(SpanExporter):
        def export(self, spans: Any) -> SpanExportResult:  # noqa: ARG002
            return SpanExportResult.SUCCESS

    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(Dropped(), max_queue_size=SPANS_QUEUED_MAX))
    return Telemetry("bench", tracer_provider=provider)


def cpu_s_by_part() -> Counter[str]:
    """Processor seconds so far, of this process (the driver) and of those below it."""
    from fanout import cpu_s, family

    parts: Counter[str] = Counter()
    for pid in family():
        try:
            title = Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
        except OSError:
            continue
        part = "driver" if pid == os.getpid() else next((p for name, p in PARTS.items() if name in title), "other")
        parts[part] += cpu_s([pid])
    return parts


def ray_call_us(calls: int = 300) -> float:
    import ray

    class Echo:
        def said(self) -> None:
            return None

    actor = ray.remote(num_cpus=0)(Echo).remote()
    ray.get(actor.said.remote())
    took_s = []
    for _ in range(calls):
        began_s = time.perf_counter()
        ray.get(actor.said.remote())
        took_s.append(time.perf_counter() - began_s)
    ray.kill(actor)
    return 1e6 * statistics.median(took_s)


# --- computed, in virtual time ----------------------------------------------------------------------------------------


@dataclass(slots=True)
class Core:
    """One processor, and what waits for it. `busy_s` counts from the end of the warm-up."""

    world: World
    free_s: float = 0.0
    busy_s: float = 0.0

    def work(self, took_us: float, then: Callable[[], None]) -> None:
        begins_s = max(self.world.now_s, self.free_s)
        self.free_s = begins_s + took_us / 1e6
        self.busy_s += max(0.0, min(self.free_s, VIRTUAL_S) - max(begins_s, VIRTUAL_S * WARM_UP))
        self.world.at(self.free_s, then)


@dataclass(slots=True)
class World:
    """What happens, in the order of virtual time."""

    now_s: float = 0.0
    _events: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)
    _numbers: itertools.count[int] = field(default_factory=itertools.count)

    def at(self, when_s: float, then: Callable[[], None]) -> None:
        heapq.heappush(self._events, (when_s, next(self._numbers), then))

    def run(self) -> None:
        while self._events and self._events[0][0] <= VIRTUAL_S:
            self.now_s, _, then = heapq.heappop(self._events)
            then()


@dataclass(slots=True)
class Ledger:
    """Commands of all hosts gather while it is at work, and go as one batch per host."""

    costs: Costs
    core: Core

    def ask(self, subagents: int, then: Callable[[], None]) -> None:
        """Half of what a sub-agent costs here: to reserve, or to reconcile."""
        self.core.work(self.costs.call_us / 2 + subagents * self.costs.ledger_us / 2, then)


@dataclass(slots=True)
class Host:
    """Begins sub-agents as sessions are free: reserve, work, wait for the model, reconcile, tell the driver."""

    world: World
    costs: Costs
    core: Core
    ledger: Ledger
    driver: Driver
    model_s: float
    waiting: int = 0
    free: int = SESSIONS
    asking: bool = False

    def submit(self, subagents: int) -> None:
        self.waiting += subagents
        self._begin()

    def _begin(self) -> None:
        chunk = min(self.waiting, self.free, CHUNK)
        if chunk and not self.asking:
            self.asking = True
            self.waiting, self.free = self.waiting - chunk, self.free - chunk
            self.ledger.ask(chunk, lambda: self._granted(chunk))

    def _granted(self, chunk: int) -> None:
        self.asking = False
        self.core.work(self.costs.host_us * chunk, lambda: self.world.at(self.world.now_s + self.model_s, ended))
        self._begin()

        def ended() -> None:
            self.ledger.ask(chunk, lambda: self._reconciled(chunk))

    def _reconciled(self, chunk: int) -> None:
        self.free += chunk
        self.driver.drained(self, chunk)
        self._begin()


@dataclass(slots=True)
class Driver:
    """Takes what hosts have finished since its last turn, makes it durable, and gives them as much again."""

    world: World
    costs: Costs
    core: Core
    arrived: dict[int, tuple[Host, int]] = field(default_factory=dict)
    turning: bool = False
    ended: int = 0  # after the warm-up

    def drained(self, host: Host, rows: int) -> None:
        before = self.arrived.get(id(host), (host, 0))[1]
        self.arrived[id(host)] = host, before + rows
        self._turn()

    def _turn(self) -> None:
        if self.turning or not self.arrived:
            return
        self.turning = True
        taken, self.arrived = list(self.arrived.values()), {}
        rows = sum(count for _, count in taken)
        self.core.work(self.costs.call_us * len(taken) + self.costs.driver_us * rows, lambda: self._turned(taken))

    def _turned(self, taken: list[tuple[Host, int]]) -> None:
        self.turning = False
        for host, count in taken:
            self.ended += count if self.world.now_s > VIRTUAL_S * WARM_UP else 0
            host.submit(count)
        self._turn()


def settled(costs: Costs, *, drivers: int, hosts: int, model_s: float) -> dict[str, Any]:
    """The rate of so many drivers with so many hosts each, how busy each part is, and which of them is the limit."""
    world = World()
    ledger = Ledger(costs, Core(world))
    crowd = [Driver(world, costs, Core(world)) for _ in range(drivers)]
    everybody = [Host(world, costs, Core(world), ledger, d, model_s) for d in crowd for _ in range(hosts)]
    for place, host in enumerate(everybody):
        world.at(place * 1e-4, lambda host=host: host.submit(AHEAD * SESSIONS))  # type: ignore[misc]
    world.run()
    counted_s = VIRTUAL_S * (1 - WARM_UP)
    busy = {
        "driver": statistics.fmean(driver.core.busy_s for driver in crowd) / counted_s,
        "host": statistics.fmean(host.core.busy_s for host in everybody) / counted_s,
        "ledger": ledger.core.busy_s / counted_s,
    }
    part, most = max(busy.items(), key=lambda item: item[1])
    return {
        "drivers": drivers,
        "hosts_each": hosts,
        "per_s": round(sum(driver.ended for driver in crowd) / counted_s),
        "busy": {name: round(share, 2) for name, share in busy.items()},
        "limit": part if most > 0.9 else "model",
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--subagents", type=int, default=20_000, help="of the batch that is measured")
    parser.add_argument("--exported", action="store_true", help="make OpenTelemetry spans as for a collector")
    parser.add_argument("--costs", default="", help="driver,host,ledger,call in microseconds, instead of measuring")
    parser.add_argument("--drivers", default="1,2,4,8")
    parser.add_argument("--hosts", default="4", help="of each driver")
    parser.add_argument("--model-s", type=float, default=0.0, help="what a sub-agent waits for its models")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    names = ("driver_us", "host_us", "ledger_us", "call_us")
    given = dict(zip(names, map(float, asked.costs.split(",")), strict=True)) if asked.costs else {}
    figures = given or measured(asked.subagents, exported=asked.exported)
    costs = Costs(**{name: figures[name] for name in names})
    rows = [
        settled(costs, drivers=drivers, hosts=hosts, model_s=asked.model_s)
        for hosts in map(int, asked.hosts.split(","))
        for drivers in map(int, asked.drivers.split(","))
    ]
    if asked.json:
        print(json.dumps({**figures, "settled": rows}))
        return
    print("  ".join(f"{name} {value:,.6g}" for name, value in figures.items()), end="\n\n")
    print("drivers  hosts each  sub-agents/s   driver   host  ledger  limit")
    for row in rows:
        busy = "  ".join(f"{row['busy'][part]:>5.0%}" for part in ("driver", "host", "ledger"))
        print(f"{row['drivers']:>7}  {row['hosts_each']:>10}  {row['per_s']:>12,}    {busy}   {row['limit']}")


if __name__ == "__main__":
    main()
