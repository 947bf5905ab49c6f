"""How far N callers at once pass a ceiling of ten calls: a gate that checks and then spends, and the ledger.

    python benchmarks/overshoot.py [--json]

Two Ray actors hold the callers; each makes one call of 10 ms that costs the same. The table is that of docs/budget.md.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import ray

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from budget import Limit
from budget.actor import connect, start_budget
from support.gates import COST, Callers, NaiveGate, OurCallers, RemoteGate
from support.small_ray import small_ray

CALLS_ALLOWED = 10
CALLERS = (8, 64, 512)


async def naive(callers: int) -> int:
    gate = ray.remote(num_cpus=0)(NaiveGate).remote(CALLS_ALLOWED * COST)
    crowd = [ray.remote(num_cpus=0)(Callers).remote(name, RemoteGate(gate)) for name in ("a", "b")]
    return await _made(crowd, callers)


async def ours(callers: int) -> int:
    with tempfile.TemporaryDirectory() as folder:
        actor = start_budget(Path(folder))
        budget = connect(actor)
        await budget.open("batch", limit=Limit(CALLS_ALLOWED * COST))
        crowd = [ray.remote(num_cpus=0)(OurCallers).remote(name, actor, "batch") for name in ("a", "b")]
        made = await _made(crowd, callers)
        await budget.aclose()
        ray.kill(actor)
        return made


async def _made(crowd: list[Any], callers: int) -> int:
    made = sum(await asyncio.gather(*(one.call_all.remote(callers // len(crowd)) for one in crowd)))
    for one in crowd:
        ray.kill(one)
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    options = parser.parse_args()
    with small_ray():
        rows = [(n, asyncio.run(naive(n)), asyncio.run(ours(n))) for n in CALLERS]
    if options.json:
        print(json.dumps([{"callers": n, "naive_calls": naive_made, "calls": made} for n, naive_made, made in rows]))
        return
    print("| callers at once | asked for, of the ceiling | check, then spend | hold, then reconcile |")
    print("| --- | --- | --- | --- |")
    for n, naive_made, made in rows:
        print(
            f"| {n} | {n / CALLS_ALLOWED:.1f} x | {naive_made / CALLS_ALLOWED:.1f} x | {made / CALLS_ALLOWED:.1f} x |"
        )


if __name__ == "__main__":
    main()
