"""A service's view and its neighbours', each read once per host; and what of it is whose doing."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import cast
from zlib import compress, decompress

from actors.sources import Metrics, Neighbour, Window
from actors.tools.base import SourceError, ToolContext
from actors.tools.metrics.events import Blame, Event, blame, with_starvation
from actors.tools.metrics.flow import starved
from actors.tools.metrics.history import Place, read_series
from actors.tools.metrics.outages import Outage
from actors.tools.metrics.series import SeriesSet
from actors.tools.metrics.shifts import Change
from actors.tools.metrics.signals import Scope
from actors.tools.metrics.view import View, view
from actors.tools.shared import Shared

PACKED_VIEWS_MAX = 16_384  # of one host: 50 MB
NEIGHBOURS_READ_MAX = 24  # dependencies first; a library that everything depends on has hundreds of dependents
SAME_TIME_S = 0.05  # of the window: steps of two services closer than this came together
INHERITED_MIN = 0.9  # of a change's doublings: levels of two quantiles are a tenth apart in a month of noise


@dataclass(frozen=True, slots=True)
class Read:
    """A neighbour whose series could be read, and one that could not, with the reason."""

    neighbour: Neighbour
    view: View | None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """One service among its neighbours over one window."""

    own: View
    window: Window
    neighbours: tuple[Read, ...]
    left_some_out: bool = False

    def dependencies(self) -> dict[str, View]:
        return {r.neighbour.service: r.view for r in self._read() if r.neighbour.relation == "dependency" and r.view}

    def dependents(self) -> dict[str, View]:
        return {r.neighbour.service: r.view for r in self._read() if r.neighbour.relation == "dependent" and r.view}

    def events(self) -> list[Event]:
        """The service's events, with what its dependencies' traffic says about it."""
        if self.own.traffic is None:
            return list(self.own.events)
        below = {name: (other.lulls, other.callers) for name, other in self.dependencies().items()}
        return with_starvation(self.own.events, starved(self.own.traffic, self.own.names, below))

    def blame_event(self, event: Event) -> Blame:
        below = {name: other.events for name, other in self.dependencies().items()}
        above = {name: (other.names, other.events) for name, other in self.dependents().items()}
        return blame(event, self.own.names, below, above)

    def blame_outage(self, outage: Outage) -> Blame:
        """A dependency that was down before this service went down, and until it came back or nearly."""
        for name, other in self.dependencies().items():
            for theirs in other.availability.outages if other.availability else ():
                shared_s = min(theirs.end_s, outage.end_s) - max(theirs.start_s, outage.start_s)
                if theirs.start_s <= outage.start_s + 60 and shared_s >= (outage.end_s - outage.start_s) / 2:
                    return Blame(name, "it was down at that time itself")
        return Blame()

    def blame_change(self, made: Change) -> Blame:
        """An outbound series is about the service called; otherwise a dependency that changed likewise, and as much.

        What is waited for is part of what is measured: when the part grows n-fold, the whole grows n-fold at most.
        """
        if made.subject.scope is Scope.OUTBOUND:
            return Blame(made.subject.about or "a dependency", "the series is of calls to it")
        lesser = Blame()
        for name, theirs in self._likewise(made):
            if abs(theirs.growth) >= INHERITED_MIN * abs(made.growth):
                return Blame(name, f"its {theirs.subject.title} changed likewise at that time")
            lesser = Blame("", f"{theirs.subject.title} of {name} changed at that time too, but less than this")
        return lesser

    def _likewise(self, made: Change) -> Iterator[tuple[str, Change]]:
        """Changes of dependencies in the same signal and direction, that came no later than this one."""
        near_s = SAME_TIME_S * self.window.length_s
        for name, other in self.dependencies().items():
            for theirs in other.changes:
                alike = theirs.subject.signal is made.subject.signal and theirs.kind == made.kind
                inside = theirs.subject.scope in (Scope.OWN, Scope.CALLER) and theirs.growth * made.growth > 0
                if alike and inside and -2 * near_s <= theirs.at_s - made.at_s <= near_s:
                    yield name, theirs

    def shares_silence(self, start_s: float, end_s: float) -> bool:
        """Whether a neighbour's series were silent as well: then it is the monitoring, or nothing ran at all."""
        views = [read.view for read in self.neighbours if read.view]
        return any(s.start_s < end_s and s.end_s > start_s for other in views for s in other.silences)

    def _read(self) -> Iterable[Read]:
        return (read for read in self.neighbours if read.view is not None)


async def surroundings(context: ToolContext) -> Surroundings:
    """The task's service and its neighbours. Raises SourceError when the service's own series cannot be read."""
    source, window = sources(context)
    own = await service_view(context.shared, Place.of(source, source.base), window)
    ordered = sorted(source.neighbours, key=lambda n: (n.relation != "dependency", n.service))
    kept = ordered[:NEIGHBOURS_READ_MAX]
    read = await asyncio.gather(*(_neighbour(context.shared, one, source.base, window) for one in kept))
    return Surroundings(own, window, tuple(read), len(kept) < len(ordered))


def sources(context: ToolContext) -> tuple[Metrics, Window]:
    source, window = Metrics.of(context.inputs), Window.of(context.inputs)
    if source is None or window is None:
        raise SourceError("the task names no metrics or no window; the service lacks this source")
    return source, window


async def service_view(shared: Shared, place: Place, window: Window) -> View:
    """A service's view, made once per host: the neighbours' sessions want it as well, which may be much later.

    So all are kept packed, and those that were looked at last as they are.
    """

    async def make() -> bytes:
        found = await read_series(shared, place, window)
        return await asyncio.to_thread(_packed_view, found, window, place.selector)

    async def unpack() -> View:
        packed = shared.get("packed views", lambda: _below(shared, PACKED_VIEWS_MAX))
        return cast(View, pickle.loads(decompress(await packed.get_async(("packed view", place, window), make))))

    return await shared.get_async(("view", place, window), unpack)


def _packed_view(found: SeriesSet, window: Window, selector: str) -> bytes:
    """About 3 KB of the 20 that a view takes."""
    return compress(pickle.dumps(view(found, window, selector), pickle.HIGHEST_PROTOCOL), 1)


def _below(shared: Shared, entries_max: int) -> Shared:
    """A memo with a bound of its own, that ends with `shared`."""
    memo = Shared(entries_max=entries_max)
    shared.on_close(memo.close)
    return memo


async def _neighbour(shared: Shared, one: Neighbour, base: str, window: Window) -> Read:
    if not one.url and not one.file:
        return Read(one, None, "has no metrics of its own")
    try:
        return Read(one, await service_view(shared, Place.of(one, base), window))
    except SourceError as error:
        return Read(one, None, str(error))
