"""How much of what it may use a service uses: gauges of use beside gauges of their limits, as shares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from actors.tools.metrics import vocabulary
from actors.tools.metrics.series import Family, Series, SeriesSet
from actors.tools.metrics.signals import words_of


def with_shares(found: SeriesSet) -> SeriesSet:
    """The same series, those of use that have a limit beside them as a share of it, and the limits left out.

    `pool_connections_in_use` and `pool_connections_max` with the same labels are such a pair: the same words, but for
    those that say use and those that say limit. A citation still names the series of use.
    """
    limits = {_key(series): series for series in found.series if _is_limit(series, found.families)}
    if not limits:
        return found
    made = []
    for series in found.series:
        limit = limits.get(_key(series)) if words_of(series.name) & vocabulary.USES else None
        made.append(series if limit is None or limit is series else _share(series, limit))
    return replace(found, series=tuple(made))


def _share(used: Series, limit: Series) -> Series:
    """Use of the usual limit, when it is one: never less than what is used of it."""
    most = float(np.median(limit.values))
    if most <= 0 or float(used.values.max()) > 1.05 * most:
        return used
    return replace(used, values=used.values / most, unit="ratio")


def _is_limit(series: Series, families: Mapping[str, Family]) -> bool:
    counted = families.get(series.name, Family()).kind in ("counter", "histogram", "summary")
    return bool(words_of(series.name) & vocabulary.CEILINGS) and not counted and "le" not in series.labels


def _key(series: Series) -> tuple[Sequence[str], Sequence[tuple[str, str]]]:
    """What a use and its limit have in common."""
    rest = words_of(series.name) - vocabulary.USES - vocabulary.CEILINGS
    return tuple(sorted(rest)), tuple(sorted(series.labels.items()))
