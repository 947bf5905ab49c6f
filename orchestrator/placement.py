"""Whether a cluster has a node that a host fits on, and what to say when it has none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from actors.specialists.base import Specialist

GIB = 1024**3


def asked_by(specialist: Specialist) -> dict[str, float]:
    """What one host of this specialist takes, by Ray's names of resources."""
    resources = specialist.resources
    asked = {"CPU": resources.num_cpus, "memory": float(resources.memory_bytes), **resources.custom}
    return {name: amount for name, amount in asked.items() if amount > 0}


def misfit(specialist: Specialist, nodes: Sequence[Mapping[str, float]]) -> str:
    """Why no node could hold a host, were it empty; "" when one could. `nodes`: what each has in all."""
    asked = asked_by(specialist)
    if any(_fits(asked, node) for node in nodes):
        return ""
    most = {name: max((node.get(name, 0.0) for node in nodes), default=0.0) for name in asked}
    return (
        f"no node of the cluster can hold a host of agent {specialist.name!r}: it asks for {_told(asked)}, and of "
        f"{len(nodes)} nodes none has more than {_told(most)}: lower its Resources, or start a node that has them"
    )


def no_room(specialist: Specialist, free: Sequence[Mapping[str, float]]) -> str:
    """Why no node can hold a host now; "" when one can. `free`: what is free on each."""
    asked = asked_by(specialist)
    if any(_fits(asked, node) for node in free):
        return ""
    most = {name: max((node.get(name, 0.0) for node in free), default=0.0) for name in asked}
    return (
        f"no host of agent {specialist.name!r} has found room yet: it asks for {_told(asked)}, and no node has more "
        f"than {_told(most)} free: its tasks wait until others end; fewer --hosts, or a larger cluster, make room"
    )


def _fits(asked: Mapping[str, float], node: Mapping[str, float]) -> bool:
    return all(node.get(name, 0.0) >= amount for name, amount in asked.items())


def _told(resources: Mapping[str, float]) -> str:
    def amount(name: str, value: float) -> str:
        return f"{value / GIB:.3g} GiB of memory" if name == "memory" else f"{value:g} {name}"

    return ", ".join(amount(name, value) for name, value in resources.items())
