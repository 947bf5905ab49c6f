"""Whether the citations of metrics hold: each sample is looked up again, in the file or by an instant query."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress

import numpy as np

from actors.sources import Metrics
from actors.tools.base import SourceError, ToolContext, ToolError
from actors.tools.metrics.history import Place, exposition
from actors.tools.metrics.prometheus import Prometheus, RejectedQueryError, connect
from actors.tools.metrics.surroundings import sources
from actors.tools.shared import Shared

LOOKBACK_S = 300.0  # as a Prometheus looks back for an instant query
CITATION_CHARACTERS_MAX = 2_000


def unresolved(context: ToolContext, citations: Sequence[str]) -> list[str]:
    """Those of `citations` that no sample of the service's sources stands behind. Blocks: runs in a thread.

    Raises SourceError when the service's own source cannot be asked any more: then nobody can tell.
    """
    source, _ = sources(context)
    parsed = {citation: made for citation in citations if (made := _parsed(citation)) is not None}
    checked = dict.fromkeys(parsed.values(), False)
    own, *neighbours = _places(source)
    checked.update(dict.fromkeys(_resolved(context.shared, own, list(checked)), True))
    for place in neighbours:
        open_pairs = [pair for pair, good in checked.items() if not good]
        with suppress(SourceError):
            checked.update(dict.fromkeys(_resolved(context.shared, place, open_pairs), True))
    return [citation for citation in citations if citation not in parsed or not checked[parsed[citation]]]


Pair = tuple[str, float]  # a series or PromQL expression, and a Unix time


def _parsed(citation: str) -> Pair | None:
    kind, _, rest = citation.partition(":")
    expression, _, at = rest.rpartition("@")
    try:
        return (
            (expression, float(at))
            if kind == "metric" and expression and len(citation) <= CITATION_CHARACTERS_MAX
            else None
        )
    except ValueError:
        return None


def _places(source: Metrics) -> list[Place]:
    """Where a citation may point: the service's own source first, then its neighbours'; each server once."""
    every = [Place.of(source, source.base)]
    every += [Place.of(one, source.base) for one in source.neighbours if one.url or one.file]
    return list({(place.file or place.url): place for place in reversed(every)}.values())[::-1]


def _resolved(shared: Shared, place: Place, pairs: Sequence[Pair]) -> list[Pair]:
    """Those with a sample at their time, or within the look-back before it. Raises SourceError."""
    if not pairs:
        return []
    if place.file:
        return [pair for pair in pairs if _in_file(shared, place, pair)]
    return asyncio.run(_on_server(place.url, pairs))


def _in_file(shared: Shared, place: Place, pair: Pair) -> bool:
    expression, at_s = pair
    samples = exposition(shared, place)
    try:
        found = samples.select(expression)
    except ToolError:
        return False
    for series in found:
        last = int(np.searchsorted(series.times, at_s + 1e-3)) - 1
        if last >= 0 and at_s - series.times[last] <= LOOKBACK_S:
            return True
    return False


async def _on_server(url: str, pairs: Sequence[Pair]) -> list[Pair]:
    """By instant queries over a connection of its own: this runs in a thread's own loop."""
    shared = Shared()
    try:
        server = await connect(shared, url)
        found = await asyncio.gather(*(_answers(server, pair) for pair in pairs))
    finally:
        await shared.close()
    return [pair for pair, good in zip(pairs, found, strict=True) if good]


async def _answers(server: Prometheus, pair: Pair) -> bool:
    try:
        rows, _ = await server.instant(*pair)
    except RejectedQueryError:
        return False
    return any(np.isfinite(values).any() for _, _, values in rows)
