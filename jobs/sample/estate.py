"""The estate as a value: which services there are, what they depend on, where their sources lie and what is planted.

Everything follows from `(services, seed)`. The other modules of this package turn a `Service` into what its sources
hold, each from a random stream of its own, so that one source can be read or changed without the others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import TypeVar

from jobs.sample.casting import Part, cast_parts
from jobs.sample.kinds import Planted, Source
from jobs.sample.words import NAMES_MAX, SYSTEMS, service_name, system_name

T = TypeVar("T")

MINUTE_S, HOUR_S, DAY_S = 60, 3_600, 86_400
AS_OF_S = 1_790_769_600  # 2026-09-30T12:00:00Z: the estate's now, fixed, so that results do not depend on the clock
WINDOW_DAYS = 30
WINDOW_S = WINDOW_DAYS * DAY_S
SYSTEM_SERVICES = (6, 10)  # fewest and most services of one system
AREA_SYSTEMS = 3  # systems that share one repository
OWN_REPOSITORY_SHARE = 0.2
DEPENDENCIES_MAX = 4


class Stack(StrEnum):
    """How a service is built, and so how its metrics are named."""

    WEB = "web"
    RPC = "rpc"
    JVM = "jvm"
    WORKER = "worker"
    EDGE = "edge"


class Tracker(StrEnum):
    """Where a service's incidents are written down."""

    JSONL = "jsonl"
    CSTATE = "cstate"
    MARKDOWN = "markdown"


class Packing(StrEnum):
    """How a metrics file is stored; the value is what its name ends in."""

    PLAIN = ""
    GZIP = ".gz"
    XZ = ".xz"


# Dealt in these proportions.
STACKS = tuple(Stack)
TRACKERS = (*[Tracker.JSONL] * 5, Tracker.CSTATE, Tracker.MARKDOWN)
PACKINGS = (Packing.PLAIN, *[Packing.GZIP] * 9, *[Packing.XZ] * 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One service of the estate. `part` is the truth about it and shows in the data alone, never in a name.

    `onset_s` is when a planted change of its metrics begins; `faults` are the episodes (start, end) in which a faulty
    dependency fails, the same for the cause and for its symptoms. Unix seconds.
    """

    name: str
    system: str
    area: str
    stack: Stack
    own_repository: bool
    tracker: Tracker
    packing: Packing
    depends_on: tuple[str, ...]
    dependents: tuple[str, ...]  # those that show this service's faults
    part: Part
    onset_s: int
    faults: tuple[tuple[int, int], ...]

    def has(self, source: Source) -> bool:
        return self.part.lacks is not source

    def plants(self, kind: Planted) -> bool:
        return kind in self.part.planted


@dataclass(frozen=True, slots=True)
class Estate:
    """All services, in the order of the manifest: by system, then by name."""

    seed: int
    services: tuple[Service, ...]


def stream(seed: int, *names: str) -> Random:
    """A random stream of its own for whatever `names` name: the same seed and names give the same numbers."""
    return Random("/".join((str(seed), *names)))


def plan_estate(*, services: int, seed: int) -> Estate:
    """An estate of `services` services, which must be at most `NAMES_MAX`."""
    rng = stream(seed, "estate")
    names = _names(services, rng)
    systems, first_system = _systems(services, rng), rng.randrange(len(SYSTEMS))
    depends_on = _graph(names, systems, rng)
    parts = cast_parts(depends_on, rng)
    faults = {name: _faults(stream(seed, name, "faults")) for name in names if _faulty(parts[name])}
    symptoms = _symptoms(parts)
    dealt = zip(names, systems, *(_dealt(cards, services, rng) for cards in (STACKS, TRACKERS, PACKINGS)), strict=True)
    planned = [
        Service(
            name=name,
            system=system_name(first_system + system),
            area=system_name(first_system + system // AREA_SYSTEMS * AREA_SYSTEMS),
            stack=Stack(stack),
            own_repository=rng.random() < OWN_REPOSITORY_SHARE,
            tracker=Tracker(tracker),
            packing=Packing(packing),
            depends_on=depends_on[name],
            dependents=symptoms.get(name, ()),
            part=parts[name],
            onset_s=_onset_s(rng),
            faults=faults.get(parts[name].symptom_of or name, ()),
        )
        for name, system, stack, tracker, packing in dealt
    ]
    return Estate(seed, tuple(sorted(planned, key=lambda service: (service.system, service.name))))


def _symptoms(parts: Mapping[str, Part]) -> dict[str, tuple[str, ...]]:
    """Each cause, and who shows its faults."""
    shown: dict[str, list[str]] = {}
    for name in sorted(parts):
        shown.setdefault(parts[name].symptom_of, []).append(name)
    return {cause: tuple(names) for cause, names in shown.items() if cause}


def _faulty(part: Part) -> bool:
    return Planted.DEPENDENCY_FAULT in part.planted


def _names(count: int, rng: Random) -> list[str]:
    short = NAMES_MAX // 5  # names without a region, while they last
    return [service_name(number) for number in rng.sample(range(short if count <= short else NAMES_MAX), count)]


def _systems(count: int, rng: Random) -> list[int]:
    """The number of each service's system: neighbours in the list share one."""
    numbers: list[int] = []
    system = 0
    while len(numbers) < count:
        numbers += [system] * rng.randint(*SYSTEM_SERVICES)
        system += 1
    return numbers[:count]


def _graph(names: Sequence[str], systems: Sequence[int], rng: Random) -> dict[str, tuple[str, ...]]:
    """What each service calls: services before it in the list, so without a circle, and mostly of its own system."""
    depends_on: dict[str, tuple[str, ...]] = {}
    near = 0  # where the service's own system begins in the list
    for index, name in enumerate(names):
        near = near if systems[index] == systems[near] else index
        picks = [
            names[rng.randrange(near, index) if index > near and rng.random() < 0.7 else rng.randrange(index)]
            for _ in range(rng.randint(0, DEPENDENCIES_MAX) if index else 0)
        ]
        depends_on[name] = tuple(sorted(set(picks)))
    return depends_on


def _dealt(options: Sequence[T], count: int, rng: Random) -> list[T]:
    """`count` options in their proportions, in an order that tells nothing."""
    cards = [options[index % len(options)] for index in range(count)]
    rng.shuffle(cards)
    return cards


def _onset_s(rng: Random) -> int:
    """A minute between 7 and 20 days before the end: most of the window is left, and some of it is before."""
    return AS_OF_S - rng.randint(7 * DAY_S, 20 * DAY_S) // MINUTE_S * MINUTE_S


def _faults(rng: Random) -> tuple[tuple[int, int], ...]:
    """Six to nine episodes of two to six hours in the window, apart from each other."""
    count = rng.randint(6, 9)
    spacing_s = WINDOW_S // count
    starts = [AS_OF_S - WINDOW_S + n * spacing_s + rng.randrange(spacing_s - 8 * HOUR_S) for n in range(count)]
    return tuple((start, start + rng.randint(2 * HOUR_S, 6 * HOUR_S)) for start in starts)
