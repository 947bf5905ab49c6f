"""A simulated cluster of several nodes on this machine, and the actors in it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ray.cluster_utils import Cluster


@contextmanager
def simulated_cluster(*nodes_cpus: int) -> Iterator[str]:
    """The address of a cluster with so many CPUs on each of its nodes, the head first. Its processes end with it."""
    head, *others = nodes_cpus
    given: dict[str, Any] = {"include_dashboard": False, "object_store_memory": 100 * 1024 * 1024}
    cluster: Any = Cluster(initialize_head=True, head_node_args={**given, "num_cpus": head})  # type: ignore[no-untyped-call]
    try:
        for cpus in others:
            cluster.add_node(num_cpus=cpus, object_store_memory=given["object_store_memory"])
        yield str(cluster.address)
    finally:
        cluster.shutdown()


def wait_for_actor(name: str, *, wait_s: float = 60.0) -> int:
    """The process id of an actor of this class, among the descendants of this process. Waits for one to start."""
    give_up_s = time.monotonic() + wait_s
    while time.monotonic() < give_up_s:
        for process_id in sorted(_descendants(os.getpid())):
            if _title(process_id).startswith(f"ray::{name}"):
                return process_id
        time.sleep(0.02)
    raise AssertionError(f"no {name} has started within {wait_s:g} s")


def _descendants(process_id: int) -> set[int]:
    parents = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    found, grew = {process_id}, True
    while grew:
        more = {child for child, parent in parents.items() if parent in found} - found
        found, grew = found | more, bool(more)
    return found - {process_id}


def _title(process_id: int) -> str:
    try:
        return Path(f"/proc/{process_id}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""
