"""The one ledger of a cluster, behind a mailbox. Everything about money is in the desk; here is only where it lives."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar, cast

import ray
from ray.exceptions import ActorDiedError, ActorUnschedulableError, RayActorError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from budget.client import Budget
from budget.commands import ALERT_PERCENTS, Command, Many
from budget.desk import Desk
from budget.errors import BudgetError, BudgetUnreachableError, UnknownAccountError
from budget.money import Limit, Period
from budget.patience import be_patient
from budget.sender import TransportLost
from budget.standing import Standing, standing_from_rows, standing_rows
from budget.wire import News, Reply, commands_read, commands_written, news_read, news_written, reply_read, reply_written

NAMESPACE = "muster"
LEASE_S = 300.0  # a shared ledger's user that is silent for so long is gone: it speaks every 20 s
CALLS_MAX = 10_000  # at once; each client has one batch and one wait for news under way
CALL_S = 60.0  # a call that takes longer is taken for lost, and said again
T = TypeVar("T")


class BudgetActor:
    """One desk in a process of its own. Bytes in, bytes out: what a batch holds is the desk's affair.

    A ledger that cannot be opened is told to whoever calls; a failing constructor would tell nobody why.
    """

    def __init__(
        self, folder: str | None, durable: bool = True, period: Period | None = None, lease_s: float | None = None
    ) -> None:
        be_patient()
        self._refused: BudgetError | None = None
        try:
            self._open_desk = Desk(Path(folder) if folder else None, durable=durable, period=period, lease_s=lease_s)
        except BudgetError as error:
            self._refused = error
        self._ticks = period is not None or lease_s is not None
        self._ticker: asyncio.Task[None] | None = None

    async def apply(self, client_id: str, batch: bytes) -> bytes:
        return reply_written(await self._desk.apply(client_id, commands_read(batch), batch))

    async def news(self, client_id: str, boot: str, alerts_after: int | None, wait_s: float) -> bytes:
        return news_written(await self._desk.news(client_id, boot, alerts_after, wait_s))

    async def standing(self, account_ids: list[str] | None) -> list[Any]:
        return standing_rows(await self._desk.standing(account_ids))

    @property
    def _desk(self) -> Desk:
        if self._refused:
            raise self._refused
        if self._ticks and self._ticker is None:
            self._ticker = asyncio.create_task(self._tick())
        return self._open_desk

    async def _tick(self) -> None:
        while True:
            await self._open_desk.tick()
            await asyncio.sleep(1.0)


_Remote: Any = cast(Any, ray.remote)(num_cpus=0, max_restarts=-1, max_task_retries=-1, max_concurrency=CALLS_MAX)(
    BudgetActor
)


class RayTransport:
    """A `Transport` to a budget actor. What Ray says of lost calls becomes TransportLost, anything else passes."""

    def __init__(self, actor: Any) -> None:
        self._actor = actor

    async def apply(self, client_id: str, commands: Sequence[Command | Many]) -> Reply:
        batch = commands_written(commands)
        return reply_read(await _called(lambda: self._actor.apply.remote(client_id, batch), CALL_S))

    async def news(self, client_id: str, boot: str, alerts_after: int | None, wait_s: float) -> News:
        timeout_s = wait_s + CALL_S
        return news_read(
            await _called(lambda: self._actor.news.remote(client_id, boot, alerts_after, wait_s), timeout_s)
        )

    async def standing(self, account_ids: Sequence[str] | None) -> Standing:
        names = None if account_ids is None else list(account_ids)
        return standing_from_rows(await _called(lambda: self._actor.standing.remote(names), CALL_S))


def start_budget(folder: Path | None, *, durable: bool = True) -> Any:
    """The handle of a new budget actor on this node, where `folder` is. It ends with the driver that started it.

    Raises: JournalError when first used, if the folder is in use, damaged or not writable.
    """
    return _Remote.options(scheduling_strategy=_here()).remote(str(folder) if folder else None, durable)


def connect(actor: Any) -> Budget:
    """A client of a budget actor, for this process and its running loop."""
    return Budget(RayTransport(actor))


async def shared_budget(name: str, folder: Path, *, limit: Limit | None = None, period: Period | None = None) -> Any:
    """The handle of the budget actor that all jobs on this cluster share under a name, made if there is none.

    It outlives its jobs. Its ledger lies in `folder` on the node of the job that came first. Its one account without a
    parent has the shared name. `limit` and `period` count for who comes first; `set_limit` changes the limit later.
    """
    actor = _Remote.options(
        name=_actor_name(name),
        namespace=NAMESPACE,
        lifetime="detached",
        get_if_exists=True,
        scheduling_strategy=_here(),
    ).remote(str(folder), True, period, LEASE_S)
    budget = connect(actor)
    try:
        if (await budget.standing(name)).of(name) is None:
            await budget.open(name, limit=limit or Limit(), alert_percents=ALERT_PERCENTS)
    finally:
        await budget.aclose()
    return actor


async def show(name: str) -> Standing:
    """How a shared budget stands. Raises: UnknownAccountError, when this cluster has none of that name."""
    budget = connect(find_shared(name))
    try:
        return await budget.standing()
    finally:
        await budget.aclose()


async def set_limit(name: str, limit: Limit) -> Standing:
    """Another ceiling for a shared budget, from now on. Raises: UnknownAccountError, UnknownCostError."""
    budget = connect(find_shared(name))
    try:
        await budget.set_limit(name, limit)
        return await budget.standing()
    finally:
        await budget.aclose()


def find_shared(name: str) -> Any:
    """The handle of a shared budget's actor. Raises: UnknownAccountError, when this cluster has none of that name."""
    try:
        return ray.get_actor(_actor_name(name), namespace=NAMESPACE)
    except ValueError:
        message = f"this cluster has no shared budget {name!r}: make it with `muster budget set {name}`"
        raise UnknownAccountError(message) from None


def _actor_name(name: str) -> str:
    return f"budget:{name}"


def _here() -> NodeAffinitySchedulingStrategy:
    """Where the journal is, there the actor restarts."""
    return NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)


async def _called(call: Callable[[], Any], timeout_s: float) -> Any:
    reference = call()
    try:
        return await asyncio.wait_for(reference, timeout_s)
    except asyncio.CancelledError:
        ray.cancel(reference)  # nobody waits for it any more: the actor need not either
        raise
    except RayTaskError as error:
        if isinstance(error.cause, BudgetError):
            raise error.cause from None
        raise
    except (ActorDiedError, ActorUnschedulableError) as error:  # the latter: its node has left the cluster
        raise BudgetUnreachableError(f"the budget actor is gone for good: {error}") from error
    except (RayActorError, TimeoutError) as error:
        raise TransportLost(f"{type(error).__name__}: {error}") from error
