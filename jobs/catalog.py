"""The services of a manifest, as the planner wants them: names, owners, what depends on what, and where to read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from actors.sources import Git, Incidents, Metrics, Neighbour, Runbooks, Window

NEIGHBOURS_NAMED_MAX = 32  # of one service and one direction: more than a specialist can look at within its deadline


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One Component. A source that its annotations do not name is None: absent, which is not the same as healthy.

    `depends_on` are names of Components as the manifest writes them, in this manifest or not.
    """

    name: str
    window: Window
    owner: str = ""
    system: str = ""
    description: str = ""
    depends_on: tuple[str, ...] = ()
    incidents: Incidents | None = None
    git: Git | None = None
    metrics: Metrics | None = None
    runbooks: Runbooks | None = None
    line: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalog:
    """A manifest that holds together. Services in the order written; `skipped` counts entities of other kinds.

    `fingerprint` is the SHA-256 of the manifest's text.
    """

    file: str
    services: tuple[Service, ...]
    skipped: Mapping[str, int] = field(default_factory=dict)
    fingerprint: str = ""
    _by_key: dict[str, Service] = field(default_factory=dict, init=False, repr=False, compare=False)
    _dependents: dict[str, list[Service]] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for service in self.services:
            self._by_key[key(service.name)] = service
            for name in service.depends_on:
                self._dependents.setdefault(key(name), []).append(service)

    def neighbours(self, service: Service) -> tuple[Neighbour, ...]:
        """Those in this manifest that `service` calls or is called by, and whose metrics can be read.

        At most NEIGHBOURS_NAMED_MAX of each direction, dependencies first, as the manifest orders them. A service that
        stands in both directions is a dependency.
        """
        called = [self._by_key[key(name)] for name in service.depends_on if key(name) in self._by_key]
        callers = self._dependents.get(key(service.name), [])
        seen = {key(service.name)}
        return (*_neighbours(called, "dependency", seen), *_neighbours(callers, "dependent", seen))


def key(name: str) -> str:
    """What Backstage compares names by: case does not count."""
    return name.lower()


def _neighbours(services: list[Service], relation: str, seen: set[str]) -> list[Neighbour]:
    found: list[Neighbour] = []
    for service in services:
        metrics = service.metrics
        if metrics is None or key(service.name) in seen or len(found) == NEIGHBOURS_NAMED_MAX:
            continue
        seen.add(key(service.name))
        found.append(Neighbour(service.name, relation, url=metrics.url, selector=metrics.selector, file=metrics.file))
    return found
