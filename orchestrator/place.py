"""Where a batch runs, as the settings say: this process, or Ray."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import TypeAlias

from actors.threads import Threads
from budget import Budget, local_budget
from budget.patience import patient_gc
from orchestrator.batch import Batch
from orchestrator.fleets import Fleet
from orchestrator.local import LocalFleet
from orchestrator.store import RunDirectory

# Where a batch runs and what it pays from, for as long as it is there.
Place: TypeAlias = "Callable[[Batch, RunDirectory], AbstractAsyncContextManager[tuple[Fleet, Budget]]]"


@asynccontextmanager
async def place(batch: Batch, directory: RunDirectory) -> AsyncIterator[tuple[Fleet, Budget]]:
    """Where a batch runs, for as long as it does: hosts to be, and the budget that all pay from."""
    async with AsyncExitStack() as stack:
        stack.enter_context(patient_gc())
        asyncio.get_running_loop().set_default_executor(Threads(name="driver"))
        if batch.settings.mode == "local":
            budget = await stack.enter_async_context(local_budget(directory.ledger, durable=batch.settings.durable))
            threads_max = max(one.resources.threads_max for one in (*batch.specialists, *batch.leads))
            fleet: Fleet = LocalFleet(budget, Threads(threads_max))
        else:
            from orchestrator.fleet import ray_place  # Ray takes a second to import: only where it is used

            hosts = batch.host_specs(batch.specialists) if batch.settings.drivers == 1 else ()
            fleet, budget = await stack.enter_async_context(ray_place(batch.settings, directory.ledger, hosts=hosts))
            if batch.telemetry is not None:
                from orchestrator.ray_meter import RayMeter

                batch.telemetry.add_meter(RayMeter())
        stack.push_async_callback(fleet.close)
        yield fleet, budget
