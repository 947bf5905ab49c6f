"""The Ray actor around one driver of several, and how the batch reaches it."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Coroutine
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar, cast

import ray
from ray.exceptions import RayActorError, RayError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from actors.threads import Threads
from budget import BudgetFactory
from budget.patience import be_patient
from orchestrator.batch import Batch
from orchestrator.drivers import DriverLost
from orchestrator.exporters import exported
from orchestrator.fleet import RayFleet
from orchestrator.ray_meter import RayMeter
from orchestrator.shard_driver import Assignment, ShardDriver
from orchestrator.shards import News, room_lacking, squeezed

log = logging.getLogger("muster.drivers")
T = TypeVar("T")

CALLS_MAX = 4  # at once: one wait for news, and one to stop
LOG_FORMAT = "%(levelname)s %(name)s %(message)s"


class DriverActor:
    """A driver in a process of its own, in an event loop beside that of its mailbox. Its hosts end with it."""

    def __init__(self, given: Assignment, ledger: BudgetFactory, log_level: int) -> None:
        logging.basicConfig(level=log_level, format=LOG_FORMAT)
        be_patient()
        self._loop = asyncio.new_event_loop()
        self._loop.set_default_executor(Threads(name="driver"))
        threading.Thread(target=self._loop.run_forever, name="driver", daemon=True).start()
        self._driver = self._called(_begun(given, ledger))

    def news(self, told: int, wait_s: float) -> News:
        return self._called(self._driver.news(told, wait_s))

    def stop(self, why: str) -> None:
        self._loop.call_soon_threadsafe(self._driver.stop, why)

    def _called(self, said: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(said, self._loop).result()


async def _begun(given: Assignment, ledger: BudgetFactory) -> ShardDriver:
    """A driver that is at work in the loop that calls this. A method would make the actor one of coroutines."""
    telemetry = exported(given.batch.id, log_content=given.batch.settings.log_content)
    telemetry.add_meter(RayMeter())
    driver = ShardDriver(given, RayFleet(ledger), ledger(), telemetry)
    driver.begin()
    return driver


_Remote: Any = cast(Any, ray.remote)(max_restarts=0, max_task_retries=0, max_concurrency=CALLS_MAX)(DriverActor)


@dataclass(slots=True)
class RayCrew:
    """Drivers as actors. They pay from `ledger`.

    Those that write to this machine's disk are on this machine, and share its cores with whatever else there is;
    those that write to an object store are spread over the cluster, and take a core each.
    """

    ledger: BudgetFactory

    def start(self, given: Assignment) -> RayHand:
        options: dict[str, Any] = {"num_cpus": 1, "scheduling_strategy": "SPREAD"}
        if isinstance(given.run_dir, Path):
            node = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
            options = {"num_cpus": 0, "scheduling_strategy": node}
        actor = _Remote.options(**options).remote(given, self.ledger, logging.getLogger().getEffectiveLevel())
        return RayHand(actor)


@dataclass(slots=True)
class RayHand:
    """One driver actor."""

    actor: Any

    async def news(self, told: int, wait_s: float) -> News:
        try:
            return cast(News, await self.actor.news.remote(told, wait_s))
        except RayActorError as error:
            raise DriverLost(f"{type(error).__name__}: {str(error).splitlines()[0]}") from None
        except RayTaskError as error:
            if isinstance(error.cause, Exception) and not isinstance(error.cause, RayError):
                raise error.cause from error
            raise

    def stop(self, why: str) -> None:
        self.actor.stop.remote(why)

    def kill(self) -> None:
        ray.kill(self.actor)


def with_room(batch: Batch) -> Batch:
    """The batch as this cluster has room for it. One that may grow is told of, since until then drivers may wait."""
    there: dict[str, float] = cast(Any, ray.cluster_resources)()
    drivers = batch.settings.drivers
    if batch.settings.mode == "embedded":
        return replace(batch, specialists=squeezed(batch.specialists, drivers=drivers, cpus=there.get("CPU", 1.0)))
    lacking = room_lacking(batch.specialists, there, drivers=drivers)
    if lacking:
        log.warning("%s: until it has grown they may wait for each other; else set fewer --drivers", lacking)
    return batch
