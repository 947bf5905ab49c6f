"""Ray itself: an embedded one on this machine, or a cluster that is there already."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import Any, cast

import ray
from ray._private import state  # what is free by node is told nowhere else without a dashboard

from budget.errors import SettingsError
from orchestrator import ahead
from orchestrator.reaper import Reaper, children, command_of, end_at_once
from orchestrator.settings import Settings

NAMESPACE = "muster"
AUTOSCALER = "monitor.py"  # of nodes that come and go; to end it by SIGTERM takes a second, to start it half of one
LOOK_S = 0.05


@dataclass
class _Connection:
    """This process's way to Ray, which batches in several threads share: the last one to leave ends it."""

    users: int = 0
    ends: ExitStack = field(default_factory=ExitStack)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def join(self, settings: Settings) -> None:
        with self.lock:
            if not self.users:
                with ExitStack() as ends:
                    _connect(settings, ends)
                    self.ends = ends.pop_all()
            self.users += 1

    def leave(self) -> None:
        with self.lock:
            self.users -= 1
            if not self.users:
                self.ends.close()


_connection = _Connection()


@contextmanager
def connected(settings: Settings) -> Iterator[None]:
    """Ray for the time of a batch. An embedded one is started here, and stopped when no batch of this process is left;
    a cluster is left as it is.

    Raises SettingsError when the cluster's address cannot be reached.
    """
    _connection.join(settings)
    try:
        yield
    finally:
        _connection.leave()


def _connect(settings: Settings, ends: ExitStack) -> None:
    """Ray for this process, unless it has one already; `ends` is told what is to be undone."""
    if ray.is_initialized() and not ahead.waiting():
        return
    if settings.mode == "embedded":  # what is ours ends with us, whatever we die of; a cluster is not ours
        if not ahead.waiting():
            begin(dashboard=settings.dashboard)
        begun = ahead.taken()
        ends.callback(begun.end)
        reaper = begun.ready()
        ends.callback(reaper.close)
        ends.callback(ray.shutdown)
        ends.callback(reaper.note)
    else:
        _join(settings.address)
        ends.callback(ray.shutdown)


def begin(*, dashboard: bool = False) -> None:
    """Begin to start a Ray of this process's own. To be said once, by whoever knows that `connected` comes."""
    ahead.begin(partial(_start_embedded, dashboard=dashboard))


def _start_embedded(*, dashboard: bool) -> Reaper:
    """A Ray of this process's own. Gives who ends all of it."""
    before = children()
    logging.getLogger("ray").setLevel(logging.ERROR)  # else it is told of that a thread handles no signals
    _set_environment()
    with nullcontext() if dashboard else _without_autoscaler(before):  # a dashboard shows what that says
        ray.init(
            address="local",
            namespace=NAMESPACE,
            include_dashboard=dashboard,
            logging_level=logging.ERROR,  # each start warns how its cluster authenticates: nobody here can act on it
        )
    return Reaper(children() - before)


def cores() -> int:
    """How many the cluster has in all, as it counts them."""
    return int(cast(Any, ray).cluster_resources().get("CPU", 1))


def nodes() -> list[dict[str, float]]:
    """What each node of the cluster that lives has in all, by Ray's names of resources."""
    return [node["Resources"] for node in cast(Any, ray).nodes() if node["Alive"]]


def free_on_nodes() -> list[dict[str, float]]:
    """What is free on each."""
    return list(cast(Any, state).available_resources_per_node().values())


@contextmanager
def _without_autoscaler(before: frozenset[int]) -> Iterator[None]:
    """Kills what Ray starts to look after nodes as soon as it is there: this Ray has one, and no option says so."""
    over = threading.Event()

    def look() -> None:
        found: list[int] = []
        while not found:
            last = over.wait(LOOK_S)
            found = [pid for pid in children() - before if command_of(pid) == AUTOSCALER]
            end_at_once(found)
            if last:
                return

    threading.Thread(target=look, name="without autoscaler", daemon=True).start()
    try:
        yield
    finally:
        over.set()


def _join(address: str) -> None:
    _set_environment()
    try:
        ray.init(address=address, namespace=NAMESPACE, logging_level=logging.ERROR)
    except (ConnectionError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:300]
        raise SettingsError(f"no Ray cluster answers at --address {address!r}: {reason}") from None


def _set_environment() -> None:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # Hosts share the cores with each other; without this each would claim all of them for array arithmetic.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
