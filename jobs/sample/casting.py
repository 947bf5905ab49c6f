"""Who plays what: problems, decoys, symptoms and missing sources, dealt over the services by the seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import TypeVar

from jobs.sample.kinds import SHOWN_BY, Decoy, Planted, Source

T = TypeVar("T")

PLANTED_SHARE = 0.3  # of all services; with DECOY_SHARE, 40 services have 12 problems and 9 decoys
DECOY_SHARE = 0.225
LACKING_SHARE = 0.1
DOUBLE_EVERY = 6  # every sixth planted service has a second problem, in another source
SYMPTOMS_MAX = 3  # services that show the errors of one faulty dependency


@dataclass(frozen=True, slots=True)
class Part:
    """What one service plays. A healthy one has none of these."""

    planted: tuple[Planted, ...] = ()
    decoy: Decoy | None = None
    lacks: Source | None = None
    symptom_of: str = ""


def cast_parts(depends_on: Mapping[str, Sequence[str]], rng: Random) -> dict[str, Part]:
    """A part for every service of the graph, in the graph's order."""
    names = list(depends_on)
    rng.shuffle(names)
    slots = _slots(max(1, round(PLANTED_SHARE * len(names))), rng)
    parts = _faulty_dependencies(slots.count((Planted.DEPENDENCY_FAULT,)), depends_on, names)
    causes = sum(1 for part in parts.values() if part.planted)
    free = iter([name for name in names if name not in parts])
    others = [slot for slot in slots if slot != (Planted.DEPENDENCY_FAULT,)]
    # Names last in zip: it must not take one that it has no part for.
    parts |= {name: Part(planted=slot) for slot, name in zip(_filled(others, len(slots) - causes), free, strict=False)}
    decoys = _repeated(list(Decoy), round(DECOY_SHARE * len(names)), rng)
    parts |= {name: Part(decoy=decoy) for decoy, name in zip(decoys, free, strict=False)}
    parts |= {name: Part() for name in free}
    parts |= _lacking(parts, names, rng)
    return {name: parts[name] for name in depends_on}


def _slots(count: int, rng: Random) -> list[tuple[Planted, ...]]:
    """`count` sets of problems: each kind in turn, and now and then a second kind from another source."""
    kinds = _repeated(list(Planted), count, rng)
    seconds = [kind for kind in Planted if kind is not Planted.DEPENDENCY_FAULT]
    slots: list[tuple[Planted, ...]] = [(kind,) for kind in kinds]
    for index in range(DOUBLE_EVERY - 1, count, DOUBLE_EVERY):
        first = kinds[index]
        if first is not Planted.DEPENDENCY_FAULT:
            slots[index] = (first, rng.choice([kind for kind in seconds if not SHOWN_BY[kind] & SHOWN_BY[first]]))
    return slots


def _filled(slots: list[tuple[Planted, ...]], count: int) -> list[tuple[Planted, ...]]:
    """`slots`, begun anew until there are `count`: a fault that found no dependency is replaced by another problem."""
    ring = slots or [(Planted.INCIDENT_PRONE,)]
    return [ring[index % len(ring)] for index in range(count)]


def _faulty_dependencies(count: int, depends_on: Mapping[str, Sequence[str]], names: Sequence[str]) -> dict[str, Part]:
    """Up to `count` causes, each with services that call it as its symptoms. Causes with two callers or more first."""
    callers: dict[str, list[str]] = {name: [] for name in names}
    for name in names:
        for dependency in depends_on[name]:
            callers[dependency].append(name)
    parts: dict[str, Part] = {}
    for cause in sorted(names, key=lambda name: len(callers[name]) < 2):
        free = [caller for caller in callers[cause] if caller not in parts]
        if count and cause not in parts and free:
            parts[cause] = Part(planted=(Planted.DEPENDENCY_FAULT,))
            parts |= {caller: Part(symptom_of=cause) for caller in free[:SYMPTOMS_MAX]}
            count -= 1
    return parts


def _lacking(parts: Mapping[str, Part], names: Sequence[str], rng: Random) -> dict[str, Part]:
    """Parts without one source each: two healthy services for every planted one, which keeps what shows its problem."""
    healthy = [name for name in names if parts[name] == Part()]
    planted = [name for name in names if parts[name].planted]
    lacking: dict[str, Part] = {}
    for index, source in enumerate(_repeated(list(Source), round(LACKING_SHARE * len(names)), rng)):
        pool = planted if index % 3 == 2 else healthy
        name = next((name for name in pool if source not in _needed(parts[name])), None)
        if name is not None:
            pool.remove(name)
            lacking[name] = replace(parts[name], lacks=source)
    return lacking


def _needed(part: Part) -> frozenset[Source]:
    """The sources that show the part's problems."""
    return frozenset[Source]().union(*(SHOWN_BY[kind] for kind in part.planted))


def _repeated(options: Sequence[T], count: int, rng: Random) -> list[T]:
    """`count` options: shuffled once, then in turn, so that a small estate has as many kinds as it can."""
    order = list(options)
    rng.shuffle(order)
    return [order[index % len(order)] for index in range(count)]
