"""From raw series to what can be compared over time: rates, quantiles, shares of errors; each with a series to cite."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from actors.tools.metrics import vocabulary
from actors.tools.metrics.grids import (
    come_and_go,
    extent,
    histogram_quantile,
    increases,
    mean,
    rates,
    resolution,
    step_of,
)
from actors.tools.metrics.limits import with_shares
from actors.tools.metrics.series import Family, Floats, Series, SeriesSet, cleaned
from actors.tools.metrics.signals import Meaning, Scope, Signal, base_name, meaning, other_party

TAIL = (0.99,)
QUANTILES = (0.5, 0.99)  # where there is no sum to take the mean from
SERIES_APART_MAX = 12  # of one metric; more are averaged, as for a service with many pods
OBSERVATIONS_PER_BIN = 20  # below this a quantile of a bin is noise


@dataclass(frozen=True, slots=True)
class Subject:
    """What an indicator is of. Latency is in seconds, shares are of 1, rates are per second.

    `about` is the other service of an outbound edge, `caller` the one that an edge is seen by.
    """

    signal: Signal
    scope: Scope
    metric: str
    detail: str
    unit: str
    about: str = ""
    caller: str = ""

    @property
    def title(self) -> str:
        seen = f"seen by {self.caller}" if self.caller else ""
        return " ".join(part for part in (self.metric, self.detail, seen) if part)


@dataclass(frozen=True, slots=True, eq=False)
class Indicator:
    """One quantity over time. `cited` is the raw series behind it: a citation can name the times of its samples.

    `resolution` is how coarse a histogram's buckets are at the usual value, in doublings: less may be no change.
    """

    subject: Subject
    times: Floats
    values: Floats
    cited: Series
    resolution: float = 0.0

    def citation(self, at_s: float) -> str:
        """The raw sample at `at_s` or just before it (the first one, when there is none before), as a citation."""
        place = max(int(np.searchsorted(self.cited.times, at_s + 1e-6)) - 1, 0)
        step_s = int(self.cited.step_s)
        series = f"avg_over_time({self.cited.selector}[{step_s}s])" if step_s else self.cited.selector
        return f"metric:{series}@{math.ceil(self.cited.times[place])}"


def indicators(found: SeriesSet, own: frozenset[str]) -> list[Indicator]:
    """All that is worth comparing, in a fixed order. `own` are the service's names in its labels."""
    groups: dict[tuple[str, Scope, str, str], list[tuple[Series, Meaning]]] = {}
    for series in with_shares(found).series:
        family = base_name(series.name, found.families)
        said = _family(found, family, series.name)
        meant = meaning(family, replace(said, unit=series.unit or said.unit), series.labels, own)
        if meant.signal is Signal.OTHER or series.times.size < 2 or series.name.endswith("_created"):
            continue
        about = other_party(series.labels, own) if meant.scope is Scope.OUTBOUND else ""
        caller = _caller(series) if meant.scope is Scope.CALLER else ""
        groups.setdefault((family, meant.scope, about, caller), []).append((series, meant))
    made: list[Indicator] = []
    for (family, _, about, caller), members in sorted(groups.items()):
        for one in _of_family(family, [s for s, _ in members], members[0][1]):
            made.append(replace(one, subject=replace(one.subject, about=about, caller=caller)))
    return [one for one in made if one.times.size >= 2]


def _of_family(family: str, members: list[Series], meant: Meaning) -> Iterable[Indicator]:
    buckets = [s for s in members if s.name.endswith("_bucket") and "le" in s.labels]
    counts = [s for s in members if s.name.endswith("_count")]
    sums = [s for s in members if s.name.endswith("_sum")]
    plain = [
        s for s in members if not s.name.endswith(("_bucket", "_sum", "_count")) or meant.kind in ("gauge", "counter")
    ]
    if buckets:
        yield from _quantiles(family, buckets, meant, TAIL if sums and counts else QUANTILES)
    if sums and counts and (buckets or not plain):
        yield from _means(family, sums, counts, meant)
    if counts and meant.kind != "counter" and meant.signal is Signal.LATENCY:
        yield from _counted(family, counts, replace(meant, signal=Signal.TRAFFIC, unit="per second"))
    if buckets or not plain:
        return
    if meant.kind == "counter":
        yield from _counted(family, plain, replace(meant, unit="per second"))
    else:
        yield from _gauges(family, plain, meant)


def _gauges(family: str, members: list[Series], meant: Meaning) -> Iterable[Indicator]:
    """Each series of a gauge as it is; where there are many, or they come and go, their mean."""
    by_detail: dict[str, list[Series]] = {}
    for series in members:
        by_detail.setdefault(_detail(series), []).append(series)
    for detail, alike in by_detail.items():
        if meant.signal is not Signal.AVAILABILITY and (len(alike) > SERIES_APART_MAX or come_and_go(alike)):
            yield _gauge(family, f"{detail} mean of {len(alike)}".strip(), *mean(alike), meant, _longest(alike))
            continue
        for series in alike:
            yield _gauge(family, detail, series.times, series.values, meant, series)


def _gauge(family: str, detail: str, times: Floats, values: Floats, meant: Meaning, cited: Series) -> Indicator:
    factor, unit = meant.factor, meant.unit
    if meant.shared and unit != "share":  # a success rate says only by its values whether it is of 1 or of 100
        factor, unit = (0.01 if values.max() > 1.5 else 1.0), "share"
    values = values * factor
    if meant.inverted:
        values, detail = np.clip(1.0 - values, 0.0, 1.0), f"{detail} not met".strip()
    if meant.signal is Signal.LATENCY:
        kept = values > 0  # a probe that failed reports no time at all
        times, values = times[kept], values[kept]
    return Indicator(Subject(meant.signal, meant.scope, family, detail, unit), times, values, cited)


def _counted(family: str, members: list[Series], meant: Meaning) -> Iterable[Indicator]:
    """A counter's rate, and, where a label says how calls ended, the share that ended badly."""
    status = next((label for label in vocabulary.STATUS_LABELS if any(label in s.labels for s in members)), None)
    if status is not None and meant.signal is Signal.TRAFFIC:
        bad = [s for s in members if _is_bad(s.labels.get(status, ""))]
        if bad and len(bad) < len(members):
            times, all_of_them, bad_ones = rates(members, bad)
            share = np.divide(bad_ones, all_of_them, out=np.zeros_like(bad_ones), where=all_of_them > 0)
            failing = Subject(Signal.ERRORS, meant.scope, family, "share of errors", "share")
            yield Indicator(failing, *cleaned(times, share), _longest(bad))
            yield Indicator(_subject(family, "rate", meant), times, all_of_them, _longest(members))
            return
    times, rate, _ = rates(members, [])
    yield Indicator(_subject(family, "rate", meant), times, rate, _longest(members))


def _quantiles(family: str, buckets: list[Series], meant: Meaning, quantiles: tuple[float, ...]) -> Iterable[Indicator]:
    """Quantiles over time of a histogram, over all its series together."""
    bounds = sorted({bound for s in buckets if not math.isnan(bound := _bound(s.labels["le"]))})
    if len(bounds) < 2 or not math.isinf(bounds[-1]):
        return
    step_s = step_of(buckets)
    by_bound = {bound: [s for s in buckets if _bound(s.labels["le"]) == bound] for bound in bounds}
    start_s, end_s = extent(buckets)
    counted = np.stack([increases(by_bound[bound], start_s, end_s, step_s) for bound in bounds])
    total = counted[-1]
    seen = total[total > 0]
    if seen.size and (merge := math.ceil(OBSERVATIONS_PER_BIN / float(np.median(seen)))) > 1:
        merge = min(merge, 60)
        keep = counted.shape[1] // merge * merge
        counted = counted[:, :keep].reshape(len(bounds), -1, merge).sum(axis=2)
        step_s *= merge
    counted = np.maximum.accumulate(counted, axis=0)
    filled = counted[-1] > 0
    times = start_s + step_s * (np.arange(counted.shape[1])[filled] + 1)
    cited = _longest(by_bound[bounds[-1]])
    for quantile in quantiles:
        values = histogram_quantile(np.array(bounds), counted[:, filled], quantile)
        coarse = resolution(bounds, float(np.median(values))) if values.size else 0.0
        yield Indicator(
            _subject(family, f"p{quantile * 100:g}", meant), times, values * meant.factor, cited, resolution=coarse
        )


def _means(family: str, sums: list[Series], counts: list[Series], meant: Meaning) -> Iterable[Indicator]:
    """The mean of a summary or histogram that has neither quantiles nor buckets."""
    start_s, end_s = extent(sums + counts)
    step_s = step_of(counts)
    total, count = (increases(members, start_s, end_s, step_s) for members in (sums, counts))
    filled = count > 0
    times = start_s + step_s * (np.arange(count.size)[filled] + 1)
    with np.errstate(over="ignore"):  # a count next to nothing makes no number
        values = total[filled] / count[filled] * meant.factor
    yield Indicator(_subject(family, "mean", meant), *cleaned(times, values), _longest(counts))


def _subject(family: str, detail: str, meant: Meaning) -> Subject:
    return Subject(meant.signal, meant.scope, family, detail, meant.unit)


def _longest(members: Sequence[Series]) -> Series:
    return max(members, key=lambda s: (s.times.size, s.selector))


def _detail(series: Series) -> str:
    """What tells this series from others of its metric, but for the instance that it comes from."""
    kept = [
        f"p{float(value) * 100:g}" if label == "quantile" and _is_share(value) else f"{label}={value}"
        for label, value in sorted(series.labels.items())
        if label in ("quantile", "observed", "device", "mountpoint", "queue", "path", "method", "reporter", "phase")
    ]
    return " ".join(kept)


def _caller(series: Series) -> str:
    return next((series.labels[label] for label in vocabulary.CALLER_LABELS if series.labels.get(label)), "")


def _is_bad(status: str) -> bool:
    word = status.strip().lower()
    return word in vocabulary.BAD_STATUSES or (len(word) == 3 and word[0] == "5")


def _bound(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _is_share(text: str) -> bool:
    return 0.0 <= _bound(text) <= 1.0


def _family(found: SeriesSet, family: str, name: str) -> Family:
    return (
        found.families.get(family)
        or found.families.get(name)
        or Family("histogram" if name.endswith("_bucket") else "")
    )
