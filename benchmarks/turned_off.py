"""What budget, durability and tracing add to a batch: its wall time with all of them, and without each in turn.

    python benchmarks/turned_off.py [--json] [--mode embedded] [--tasks 20000] [--rounds 3]

A round measures the batch of `fanout.py` four times, one after the other: with everything on, without the budget,
without durability, without spans. Given are medians over the rounds, each of the part that is missing without it.

budget_share durability_share tracing_share             of the wall time
budget_cpu_share durability_cpu_share tracing_cpu_share of the processor time of all processes

Without durability nothing is synced and no journal is written; without the budget no money is set aside, and so there
is no journal either. A share below 0 is noise: on a busy machine processor time tells more than wall time.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, cast

from budget import Answer, Budget, Close, Limit, Open, Told, Verdict
from budget.desk import Desk
from orchestrator.batch import Batch
from orchestrator.fleets import Fleet
from orchestrator.local import LocalFleet
from orchestrator.place import place
from orchestrator.store import RunDirectory

WITHOUT = {"budget": {"budget": False}, "durability": {"durable": False}, "tracing": {"spans": False}}

_HELD, _RECONCILED = Answer(Verdict.HELD), Answer(Verdict.RECONCILED)


class Unpaid(Budget):
    """Grants whatever is asked for at once, in the process that asks, and writes nothing down.

    It is for measuring alone: nothing holds the bill of a batch that pays nobody, so there is no setting for it.
    """

    def __init__(self) -> None:
        super().__init__(Desk(None))  # for the batch's own account, which is opened and looked at once

    async def open_all(self, limits: Mapping[str, Limit], *, parent: str) -> Sequence[str]:  # noqa: ARG002
        return list(limits)

    def ask(self, hold_id: str, account_id: str, tokens: int, microusd: int | None, told: Told, **_: object) -> None:  # noqa: ARG002
        told(_HELD)

    def bill(self, hold_id: str, tokens: int, microusd: int | None, told: Told) -> None:  # noqa: ARG002
        told(_RECONCILED)

    def tell(self, said: Open | Close, told: Told) -> None:
        """Nobody listens."""


@asynccontextmanager
async def unpaid_place(batch: Batch, directory: RunDirectory) -> AsyncIterator[tuple[Fleet, Budget]]:
    """The place of the settings, where neither driver nor hosts talk to the ledger that is there.

    It begins as one where they do: hosts start beside the ledger, and nothing is planned before that answers.
    """
    async with place(replace(batch, specialists=()), directory) as (fleet, ledger):
        budget = Unpaid()
        if isinstance(fleet, LocalFleet):
            fleet.budget = budget
        else:
            on_ray = cast(Any, fleet)
            on_ray.ledger = Unpaid
            on_ray.begin(batch.host_specs(batch.specialists))
            await ledger.standing()
        yield fleet, budget
        await budget.aclose()


def shares(rounds: int, tasks: int, mode: str = "embedded") -> dict[str, float]:
    """The part of wall time and of processor time that each takes, by name: medians over the rounds."""
    measured = [_round(mode, tasks) for _ in range(rounds)]
    found = {}
    for share, what in (("share", "wall_s"), ("cpu_share", "cpu_ms")):
        for name in WITHOUT:
            parts = [1 - without[name][what] / with_all[what] for with_all, without in measured]
            found[f"{name}_{share}"] = statistics.median(parts)
    return found


def _round(mode: str, tasks: int) -> tuple[dict[str, float], dict[str, dict[str, float]]]:
    from fanout import apart

    with_all = apart("muster", mode=mode, tasks=tasks)
    return with_all, {name: apart("muster", mode=mode, tasks=tasks, **off) for name, off in WITHOUT.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mode", choices=("embedded", "local"), default="embedded")
    parser.add_argument("--tasks", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    found = shares(asked.rounds, asked.tasks, asked.mode)
    if asked.json:
        print(json.dumps(found))
        return
    for name, value in found.items():
        print(f"{name:<28} {value:>14,.3f}")


if __name__ == "__main__":
    main()
