"""Ray itself: an embedded one on this machine, or a cluster that is there already."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import ray
from ray._private import state  # what is free by node is told nowhere else without a dashboard
from ray.util import metrics

from budget.errors import SettingsError
from orchestrator.reaper import Reaper, children
from orchestrator.settings import Settings
from orchestrator.telemetry import BUCKETS, DESCRIPTIONS, LABELS

NAMESPACE = "muster"


@contextmanager
def connected(settings: Settings) -> Iterator[None]:
    """Ray for the time of a batch. An embedded one is started and stopped here; a cluster is left as it is.

    Raises SettingsError when the cluster's address cannot be reached.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # Hosts share the cores with each other; without this each would claim all of them for array arithmetic.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    if ray.is_initialized():
        yield
        return
    with ExitStack() as stack:
        before = children()
        _start(settings)
        if settings.mode == "embedded":  # what is ours ends with us, whatever we die of; a cluster is not ours
            reaper = Reaper(children() - before)
            stack.callback(reaper.close)
            stack.callback(ray.shutdown)
            stack.callback(reaper.note)
        else:
            stack.callback(ray.shutdown)
        yield


def nodes() -> list[dict[str, float]]:
    """What each node of the cluster that lives has in all, by Ray's names of resources."""
    return [node["Resources"] for node in cast(Any, ray).nodes() if node["Alive"]]


def free_on_nodes() -> list[dict[str, float]]:
    """What is free on each."""
    return list(cast(Any, state).available_resources_per_node().values())


@dataclass(slots=True)
class RayMeter:
    """The batch's metrics as Ray's own, beside those of its nodes; there `ray_` stands before their names."""

    _instruments: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        self._instruments = {
            name: metrics.Histogram(name, DESCRIPTIONS[name], boundaries=list(BUCKETS[name]), tag_keys=labels)
            if name in BUCKETS
            else metrics.Counter(name, DESCRIPTIONS[name], tag_keys=labels)
            for name, labels in LABELS.items()
        }

    def count(self, name: str, value: float, labels: Mapping[str, str]) -> None:
        if value > 0:  # Ray refuses to count nothing
            self._instruments[name].inc(value, tags=dict(labels))

    def observe(self, name: str, value: float, labels: Mapping[str, str]) -> None:
        self._instruments[name].observe(value, tags=dict(labels))

    def close(self) -> None:
        """Ray sends what it has by itself."""


def _start(settings: Settings) -> None:
    if settings.mode == "embedded":
        ray.init(
            address="local",
            namespace=NAMESPACE,
            include_dashboard=settings.dashboard,
            logging_level=logging.ERROR,  # each start warns how its cluster authenticates: nobody here can act on it
        )
        return
    try:
        ray.init(address=settings.address, namespace=NAMESPACE, logging_level=logging.ERROR)
    except (ConnectionError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:300]
        raise SettingsError(f"no Ray cluster answers at --address {settings.address!r}: {reason}") from None
