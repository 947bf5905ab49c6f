"""A service's series from where its manifest says they are: a server or a file, once per host, in one shape."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from actors.sources import Metrics, Neighbour, Window
from actors.tools.base import SourceError
from actors.tools.files import inside
from actors.tools.metrics.openmetrics import Exposition, read_exposition
from actors.tools.metrics.prometheus import Prometheus, RejectedQueryError, Sampled, connect
from actors.tools.metrics.selectors import Matcher, all_of, matches, parse_selector
from actors.tools.metrics.series import Family, Series, SeriesSet, cleaned
from actors.tools.shared import Shared

SAMPLES_MAX = 600_000  # of one service: about 20 MB of JSON, a second of work
SERIES_MAX = 3_000
NAMES_MAX = 400
POINTS_MAX = 10_000  # per series and query; a Prometheus refuses more than 11,000
FILES_KEPT_BYTES = 64 * 1024 * 1024  # of samples, at 16 bytes each: 4 million, and the last file in any case
STEPS_S = (15, 30, 60, 120, 300, 600, 900, 1_200, 1_800, 3_600, 7_200, 14_400, 43_200, 86_400)
COUNTER_ENDINGS = ("_total", "_count", "_sum", "_bucket")


@dataclass(frozen=True, slots=True)
class Place:
    """Where series are: a server and a selector, or a file and perhaps a selector."""

    base: str
    url: str
    selector: str
    file: str

    @classmethod
    def of(cls, source: Metrics | Neighbour, base: str) -> Place:
        return cls(base, source.url, source.selector, source.file)

    def __str__(self) -> str:
        return f"{self.selector or 'every series'} of {self.file or self.url}"


async def read_series(shared: Shared, place: Place, window: Window) -> SeriesSet:
    """All samples of the window and of the one before it. Raises SourceError when there is nothing to read."""
    found = await (_from_file(shared, place) if place.file else _from_server(shared, place, window))
    kept = [clipped for one in found.series if (clipped := _clip(one, window)).times.size]
    if not kept:
        raise SourceError(f"absent behind the selector: {place} has no sample in the window or the one before it")
    return SeriesSet(tuple(kept[:SERIES_MAX]), found.families, (*found.gaps, *_too_many(len(kept))))


def exposition(shared: Shared, place: Place) -> Exposition:
    """A file, parsed once while it is in use: a small memo of its own, as files may be large. Blocks."""
    files = shared.get("openmetrics files", lambda: Shared(bytes_max=FILES_KEPT_BYTES, bytes_of=_bytes_of))
    return files.get((place.base, place.file), lambda: read_exposition(inside(place.base, place.file)))


def _bytes_of(whole: Exposition) -> int:
    return sum(one.times.nbytes + one.values.nbytes for one in whole.series)


async def _from_file(shared: Shared, place: Place) -> SeriesSet:
    whole = await asyncio.to_thread(exposition, shared, place)
    picked = whole.select(place.selector)
    if not picked:
        raise SourceError(f"absent behind the selector: {place} has no series")
    return SeriesSet(tuple(picked), whole.families)


async def _from_server(shared: Shared, place: Place, window: Window) -> SeriesSet:
    if not place.url or not place.selector.strip():
        raise SourceError("metrics need a prometheus-url with a prometheus-selector, or a metrics-file")
    matchers = parse_selector(place.selector)
    server = await connect(shared, place.url)
    # First, and once per server: one that cannot be reached is asked once, not once per service.
    families = await shared.get_async(("families", place.url), server.families)
    try:
        return await _Reading(server, place, matchers, window, families).read()
    except RejectedQueryError as error:
        raise SourceError(str(error)) from None


@dataclass(frozen=True, slots=True)
class _Reading:
    """One reading of a server: few samples as they are, many in steps."""

    server: Prometheus
    place: Place
    matchers: tuple[Matcher, ...]
    window: Window
    families: dict[str, Family]

    @property
    def span_s(self) -> int:
        return math.ceil(2 * self.window.length_s)

    async def read(self) -> SeriesSet:
        window = self.window
        names = await self.server.names(self.place.selector, window.past_start_s, window.as_of_s)
        if not names:
            raise SourceError(f"absent behind the selector: {self.place} has no series")
        kept = names[:NAMES_MAX]
        gaps = [f"only {NAMES_MAX} of {len(names)} metrics were read"] if len(names) > NAMES_MAX else []
        counts = await self._counts(kept)
        samples, series = sum(c[0] for c in counts.values()), sum(c[1] for c in counts.values())
        if samples <= SAMPLES_MAX:
            rows, warnings = await self.server.instant(f"{self.place.selector}[{self.span_s}s]", window.as_of_s)
            found = [self._series(row, row[0].get("__name__", ""), 0) for row in rows]
        else:
            step_s = _step_s(self.span_s * max(series, 1) / SAMPLES_MAX)
            found, warnings = await self._stepped(counts, step_s)
            gaps.append(f"{samples} samples are too many to read one by one: means of {step_s} s were read")
        gaps += [f"the server warns: {warning}" for warning in warnings]
        return SeriesSet(tuple(found), self.families, tuple(gaps))

    async def _counts(self, names: Sequence[str]) -> dict[str, tuple[int, int]]:
        """Samples and series of each metric, from one query: how much there is to read is known before reading."""
        parts = [
            f'label_replace(count_over_time({self._only(name)}[{self.span_s}s]),"muster_name","{name}","","")'
            for name in names
        ]
        batches = [parts[at : at + 25] for at in range(0, len(parts), 25)]
        answers = await asyncio.gather(*(self.server.instant(" or ".join(b), self.window.as_of_s) for b in batches))
        counts: dict[str, tuple[int, int]] = {}
        for labels, _, values in (row for rows, _ in answers for row in rows):
            samples, series = counts.get(labels.get("muster_name", ""), (0, 0))
            counts[labels.get("muster_name", "")] = (samples + int(values[-1]), series + 1)
        return counts

    async def _stepped(self, counts: dict[str, tuple[int, int]], step_s: int) -> tuple[list[Series], list[str]]:
        """Means per step for gauges, the value at each step for counters; long times in parts."""
        first_s = math.ceil(self.window.past_start_s / step_s) * step_s
        part_s = POINTS_MAX * step_s
        starts = range(first_s, math.floor(self.window.as_of_s) + 1, part_s)
        found: list[Series] = []
        warnings: list[str] = []
        for name in list(counts)[:NAMES_MAX]:
            query = self._only(name) if self._is_counter(name) else f"avg_over_time({self._only(name)}[{step_s}s])"
            parts = [
                self.server.ranged(query, at, min(at + part_s - step_s, self.window.as_of_s), step_s) for at in starts
            ]
            answers = await asyncio.gather(*parts)
            found += [self._series(row, name, step_s) for row in _joined(rows for rows, _ in answers)]
            warnings += [warning for _, said in answers for warning in said if warning not in warnings]
        return found, warnings[:3]

    def _is_counter(self, name: str) -> bool:
        return self.families.get(name, Family()).kind == "counter" or name.endswith(COUNTER_ENDINGS)

    def _only(self, name: str) -> str:
        """The selector, for one metric alone."""
        return all_of([Matcher("__name__", "=", name), *self.matchers])

    def _series(self, row: Sampled, name: str, step_s: int) -> Series:
        """One series, if it is one that was asked for. Raises SourceError for labels or times that were not."""
        labels, times, values = row
        plain = {label: value for label, value in labels.items() if label != "__name__"}
        if not name or not matches(self.matchers, name, plain):
            raise SourceError(f"{self.server.name} gave {name}{plain}, which {self.place.selector} does not pick")
        if times.size and (times[0] < self.window.past_start_s - 1 or times[-1] > self.window.as_of_s + 1):
            raise SourceError(f"{self.server.name} gave samples of {name} from outside of the time asked for")
        averaged = step_s if step_s and not self._is_counter(name) else 0
        return Series(name, plain, *cleaned(times, values), step_s=float(averaged))


def _joined(parts: Iterable[list[Sampled]]) -> list[Sampled]:
    """The parts of each series as one."""
    by_labels: dict[tuple[tuple[str, str], ...], list[Sampled]] = {}
    for row in (row for rows in parts for row in rows):
        by_labels.setdefault(tuple(sorted(row[0].items())), []).append(row)
    return [
        (rows[0][0], np.concatenate([row[1] for row in rows]), np.concatenate([row[2] for row in rows]))
        for rows in by_labels.values()
    ]


def _step_s(least_s: float) -> int:
    return next((step for step in STEPS_S if step >= least_s), STEPS_S[-1])


def _clip(series: Series, window: Window) -> Series:
    first, last = np.searchsorted(series.times, (window.past_start_s, window.as_of_s + 1e-3))
    if first == 0 and last == series.times.size:
        return series
    return Series(series.name, series.labels, series.times[first:last], series.values[first:last], series.step_s)


def _too_many(count: int) -> list[str]:
    return [f"only {SERIES_MAX} of {count} series were read"] if count > SERIES_MAX else []
