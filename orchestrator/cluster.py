"""Ray itself: an embedded one on this machine, or a cluster that is there already."""

from __future__ import annotations

import logging
import os
import site
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from importlib.metadata import distributions
from pathlib import Path
from typing import Any, cast

import ray
from ray._private import state  # what is free by node is told nowhere else without a dashboard

from budget.errors import SettingsError
from orchestrator import ahead
from orchestrator.reaper import Reaper, children, command_of, end_at_once
from orchestrator.settings import Settings

NAMESPACE = "muster"
PRELOAD = "RAY_preload_python_modules"  # a setting of Ray's raylet; one that does not know it ignores it
PRELOADED = ("budget.actor", "actors.host")
AUTOSCALER = "monitor.py"  # looks after nodes that come and go; it heeds no SIGTERM, and Ray waits a second for it


@contextmanager
def connected(settings: Settings) -> Iterator[None]:
    """Ray for the time of a batch. An embedded one is started and stopped here; a cluster is left as it is.

    Raises SettingsError when the cluster's address cannot be reached.
    """
    if ray.is_initialized() and not ahead.waiting():
        yield
        return
    with ExitStack() as stack:
        if settings.mode == "embedded":  # what is ours ends with us, whatever we die of; a cluster is not ours
            if not ahead.waiting():
                begin(dashboard=settings.dashboard)
            begun = ahead.taken()
            stack.callback(begun.end)
            reaper = begun.ready()
            stack.callback(reaper.close)
            stack.callback(ray.shutdown)
            stack.callback(reaper.note)
        else:
            _join(settings.address)
            stack.callback(ray.shutdown)
        yield


def begin(*, dashboard: bool = False) -> None:
    """Begin to start a Ray of this process's own. To be said once, by whoever knows that `connected` comes."""
    ahead.begin(partial(_start_embedded, dashboard=dashboard))


def _start_embedded(*, dashboard: bool) -> Reaper:
    """A Ray of this process's own. Gives who ends all of it.

    The workers that Ray starts of itself import what hosts and the budget need while nobody waits for them yet.
    """
    before = children()
    logging.getLogger("ray").setLevel(logging.ERROR)  # else it is told of that a thread handles no signals
    with _environment({PRELOAD: ",".join(PRELOADED)} if installed() else {}):
        _set_environment()
        ray.init(
            address="local",
            namespace=NAMESPACE,
            include_dashboard=dashboard,
            logging_level=logging.ERROR,  # each start warns how its cluster authenticates: nobody here can act on it
        )
    started = children() - before
    end_at_once(pid for pid in started if command_of(pid) == AUTOSCALER)
    return Reaper(started)


def installed() -> bool:
    """Whether any interpreter finds Muster: a worker complains at length of modules that it cannot find."""
    places = {Path(str(one.locate_file(""))).resolve() for one in distributions(name="muster")}
    return not places.isdisjoint(
        Path(place).resolve() for place in (*site.getsitepackages(), site.getusersitepackages())
    )


def nodes() -> list[dict[str, float]]:
    """What each node of the cluster that lives has in all, by Ray's names of resources."""
    return [node["Resources"] for node in cast(Any, ray).nodes() if node["Alive"]]


def free_on_nodes() -> list[dict[str, float]]:
    """What is free on each."""
    return list(cast(Any, state).available_resources_per_node().values())


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


@contextmanager
def _environment(given: Mapping[str, str]) -> Iterator[None]:
    """With these variables, for what is started meanwhile."""
    os.environ.update(given)
    try:
        yield
    finally:
        for name in given:
            del os.environ[name]
