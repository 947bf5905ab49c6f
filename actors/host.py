"""The Ray actor around a host: the same sessions, in a process of their own, under resource limits."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, cast

import pyarrow as pa
import ray
from ray import cloudpickle

from actors.assembly import HostSpec, assemble
from actors.hosting import Drained
from actors.tables import tasks_of
from budget import BudgetFactory
from budget.patience import be_patient

WATCH = "watch"  # the group of calls that have a thread of their own
CALLS_MAX = 1_000  # at once; a driver has one drain and a few submissions under way


class HostActor:
    """Few calls, many sub-agents: tasks come in by the batch, outcomes leave as record batches."""

    def __init__(self, path: Sequence[str], spec: bytes, ledger: BudgetFactory) -> None:
        """`spec`: a pickled `HostSpec`, of which parts may lie in modules that the driver found in its `path`."""
        sys.path += [folder for folder in path if folder not in sys.path]
        self._spec: HostSpec = cloudpickle.loads(spec)
        self._budget = ledger()
        be_patient()

    async def ready(self) -> str:
        """The host's id, once it can take tasks."""
        self._host = assemble(self._spec, self._budget)
        return self._spec.id

    async def submit(self, tasks: pa.RecordBatch) -> None:
        self._host.submit(tasks_of(tasks))

    async def drain(self, acknowledged: int, rows_max: int, wait_s: float) -> Drained:
        return await self._host.drain(acknowledged=acknowledged, rows_max=rows_max, wait_s=wait_s)

    @ray.method(concurrency_group=WATCH)
    async def at_work(self) -> str | None:
        """The task whose step the event loop is in. Answered by a loop of its own, also when that step never ends."""
        return self._host.at_work()

    async def cancel(self, task_ids: frozenset[str] | None) -> None:
        self._host.cancel(task_ids)

    async def close(self) -> None:
        await self._host.close()
        await self._budget.aclose()


_Remote: Any = cast(Any, ray.remote)(
    max_restarts=0, max_task_retries=0, max_concurrency=CALLS_MAX, concurrency_groups={WATCH: 1}
)(HostActor)


def start_host(spec: HostSpec, ledger: BudgetFactory) -> Any:
    """A new host under its specialist's resource limits. It is never restarted: the driver replaces it."""
    resources = spec.specialist.resources
    options = {"num_cpus": resources.num_cpus, "memory": resources.memory_bytes, "resources": dict(resources.custom)}
    return _Remote.options(**options).remote(sys.path, cast(Any, cloudpickle).dumps(spec), ledger)
