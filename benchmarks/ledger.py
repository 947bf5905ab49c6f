"""What the budget costs: the ledger in its process, and sub-agents through the actor from several hosts.

    python benchmarks/ledger.py [--json] [--subagents 10000] [--hosts 3]

commands_per_s             reserve and reconcile under three nested accounts with limits and alerts, one `apply` each
local_ms_per_subagent      one reserve and one reconcile by a client in the ledger's process, journal and fsync included
actor_ms_per_subagent      the same through the budget actor, from several hosts at once
one_call_per_operation_ms  the same, but every reserve and reconcile is a Ray call of its own, all of a host's at once
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ray

from budget import Amount, Limit, local_budget
from budget.actor import RayTransport, connect, start_budget
from budget.commands import Command, Open, Reconcile, Reserve
from budget.ledger import BudgetLedger

WORST, SPENT = Amount(50_000, 350_000), Amount(20_000, 150_000)
LARGE = 10**15


def commands(subagents: int) -> Iterator[Command]:
    """Runs of five sub-agents each, all five in flight at once."""
    for first in range(0, subagents, 5):
        numbers = range(first, first + 5)
        yield from (Reserve(f"t{n}#1", "run", *_both(WORST), "host-1", first) for n in numbers)
        yield from (Reconcile(f"t{n}#1", *_both(SPENT)) for n in numbers)


def commands_per_s(subagents: int) -> float:
    ledger = BudgetLedger()
    ledger.apply(Open("shared", None, LARGE, LARGE))
    ledger.apply(Open("batch", "shared", LARGE, LARGE))
    ledger.apply(Open("run", "batch", LARGE, LARGE))
    said = list(commands(subagents))
    started_s = time.perf_counter()
    for command in said:
        ledger.apply(command)
    elapsed_s = time.perf_counter() - started_s
    ledger.check()
    return len(said) / elapsed_s


async def local_ms(subagents: int) -> float:
    with tempfile.TemporaryDirectory() as folder:
        async with local_budget(Path(folder)) as budget:
            await budget.open("batch", limit=Limit(LARGE, LARGE))
            started_s = time.perf_counter()
            await _subagents(budget, "local", subagents)
            return 1000 * (time.perf_counter() - started_s) / subagents


class Host:
    """Many sub-agents at once, as a host of sessions has them."""

    def __init__(self, name: str, actor: Any) -> None:
        self._name, self._actor, self._rounds = name, actor, 0

    async def ready(self) -> None:
        self._budget, self._transport = connect(self._actor), RayTransport(self._actor)

    async def coalesced(self, subagents: int) -> None:
        self._rounds += 1
        await _subagents(self._budget, f"{self._name}/{self._rounds}", subagents)

    async def one_call_each(self, subagents: int) -> None:
        self._rounds += 1
        await asyncio.gather(*(self._one(f"{self._name}/{self._rounds}/{n}") for n in range(subagents)))

    async def _one(self, hold_id: str) -> None:
        await self._transport.apply(self._name, [Reserve(hold_id, "batch", *_both(WORST), self._name)])
        await self._transport.apply(self._name, [Reconcile(hold_id, *_both(SPENT))])


async def actor_ms(subagents: int, hosts: int) -> tuple[float, float]:
    """Medians of three rounds each, in alternation; the one with a call per operation does a tenth of the work."""
    with tempfile.TemporaryDirectory() as folder:
        actor = start_budget(Path(folder))
        budget = connect(actor)
        await budget.open("batch", limit=Limit(LARGE, LARGE))
        remote: Any = ray.remote(num_cpus=0)(Host)
        crowd = [remote.remote(f"host-{n}", actor) for n in range(hosts)]
        await asyncio.gather(*(host.ready.remote() for host in crowd))
        rounds: dict[str, list[float]] = {"coalesced": [], "one_call_each": []}
        for _ in range(3):
            for kind, each in (("coalesced", subagents // hosts), ("one_call_each", subagents // hosts // 10)):
                started_s = time.perf_counter()
                await asyncio.gather(*(getattr(host, kind).remote(each) for host in crowd))
                rounds[kind].append(1000 * (time.perf_counter() - started_s) / (each * hosts))
        await budget.aclose()
        for one in (*crowd, actor):
            ray.kill(one)
        return statistics.median(rounds["coalesced"]), statistics.median(rounds["one_call_each"])


async def _subagents(budget: Any, name: str, subagents: int) -> None:
    async def subagent(hold_id: str) -> None:
        answer = await budget.reserve(hold_id, "batch", WORST, owner=name)
        assert answer.held, answer
        await budget.reconcile(hold_id, SPENT)

    await asyncio.gather(*(subagent(f"{name}/{n}#1") for n in range(subagents)))


def _both(amount: Amount) -> tuple[int, int | None]:
    return amount.tokens, amount.microusd


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    parser.add_argument("--subagents", type=int, default=10_000)
    parser.add_argument("--hosts", type=int, default=3)
    options = parser.parse_args()

    figures = {
        "commands_per_s": round(statistics.median(commands_per_s(options.subagents * 10) for _ in range(5))),
        "local_ms_per_subagent": round(asyncio.run(local_ms(options.subagents)), 4),
    }
    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    try:
        coalesced, one_call = asyncio.run(actor_ms(options.subagents, options.hosts))
    finally:
        ray.shutdown()
    figures |= {"actor_ms_per_subagent": round(coalesced, 4), "one_call_per_operation_ms": round(one_call, 4)}
    if options.json:
        print(json.dumps(figures))
    else:
        for name, value in figures.items():
            print(f"{name:<26} {value:>12,}")


if __name__ == "__main__":
    main()
