"""Which hosts a cluster can hold, and what is said when it cannot."""

from __future__ import annotations

from pydantic import BaseModel

from actors.specialists.base import Resources, Specialist
from orchestrator.placement import GIB, asked_by, misfit, no_room


class Count(BaseModel):
    words: int


def specialist(**resources: object) -> Specialist:
    asked = Resources(**resources)  # type: ignore[arg-type]
    return Specialist(name="counter", purpose="Counts.", prompt="Count.", output=Count, resources=asked)


SMALL = {"CPU": 2.0, "memory": 4.0 * GIB}
LARGE = {"CPU": 8.0, "memory": 1.0 * GIB, "GPU": 1.0}


def test_one_node_must_have_all_that_a_host_asks_for() -> None:
    """Two nodes that have half of it each are no place."""
    asked = specialist(num_cpus=4.0, memory_bytes=2 * GIB)

    assert misfit(asked, [SMALL, LARGE]) != ""
    assert misfit(asked, [SMALL, LARGE, {"CPU": 4.0, "memory": 2.0 * GIB}]) == ""


def test_a_message_names_agent_what_it_asks_what_there_is_and_what_to_do() -> None:
    """A person can act on it without a look into the code."""
    said = misfit(specialist(num_cpus=4.0, memory_bytes=GIB, custom={"tape": 1.0}), [SMALL])

    assert said == (
        "no node of the cluster can hold a host of agent 'counter': it asks for 4 CPU, 1 GiB of memory, 1 tape, and of "
        "1 nodes none has more than 2 CPU, 4 GiB of memory, 0 tape: lower its Resources, or start a node that has them"
    )


def test_what_is_not_asked_for_does_not_matter() -> None:
    """A host without a share of a core fits a node without a free one."""
    free = specialist(num_cpus=0.0, memory_bytes=GIB)

    assert asked_by(free) == {"memory": float(GIB)}
    assert misfit(free, [{"memory": float(GIB)}]) == ""


def test_a_cluster_that_is_full_is_told_from_one_that_is_too_small() -> None:
    """What is free counts now, what there is counts in the end."""
    asked = specialist(num_cpus=1.0, memory_bytes=GIB)

    assert misfit(asked, [SMALL]) == ""
    assert "0.5 CPU" in no_room(asked, [{"CPU": 0.5, "memory": 4.0 * GIB}])
    assert no_room(asked, [{"CPU": 1.0, "memory": 4.0 * GIB}]) == ""
