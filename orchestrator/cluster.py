"""Ray itself: an embedded one on this machine, or a cluster that is there already."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager

import ray

from budget.errors import SettingsError
from orchestrator.settings import Settings

NAMESPACE = "muster"


@contextmanager
def connected(settings: Settings) -> Iterator[None]:
    """Ray for the time of a batch. An embedded one is started and stopped here; a cluster is left as it is.

    Raises SettingsError when the cluster's address cannot be reached.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # Hosts share the cores with each other; without this each would claim all of them for array arithmetic.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    already = ray.is_initialized()
    if not already:
        _start(settings)
    try:
        yield
    finally:
        if not already:
            ray.shutdown()


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
