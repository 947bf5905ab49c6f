"""A service's view of whatever series there are: it comes out, finite and small, from the strangest of them."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.sources import Window
from actors.tools.metrics.series import Family, Series, SeriesSet, cleaned
from actors.tools.metrics.shown import change_json, event_json, level_json, outages_json
from actors.tools.metrics.surroundings import Surroundings
from actors.tools.metrics.view import View, view

WINDOW = Window(2_000_000.0, 500_000.0)
NAMES = (
    "latency_seconds",
    "errors_total",
    "cpu_percent",
    "requests_total",
    "probe_success",
    "up",
    "lag_seconds_bucket",
    "lag_seconds_sum",
    "lag_seconds_count",
    "success_percent",
    "pool_used",
    "pool_max",
    "queue_depth",
)
VALUES = st.one_of(
    st.floats(allow_nan=True, allow_infinity=True), st.sampled_from([0.0, 1.0, -1.0, 1e300, -1e300, 1e-320, 5e-324])
)


def shown(seen: View) -> str:
    """All that the tools would say of a view. Raises ValueError for numbers that JSON does not have."""
    around = Surroundings(seen, WINDOW, ())
    said = [level_json(level) for level in seen.levels]
    said += [change_json(made, around.blame_change(made)) for made in seen.changes]
    said += [event_json(event, around.blame_event(event)) for event in around.events()]
    said += [outages_json(seen.availability, around)] if seen.availability else []
    return json.dumps(said, allow_nan=False)


@st.composite
def series(draw: st.DrawFn) -> Series:
    size = draw(st.integers(0, 120))
    times = np.array(draw(st.lists(st.floats(1_000_000, 2_000_000), min_size=size, max_size=size)))
    if draw(st.booleans()):
        times = 1_500_000.0 + draw(st.sampled_from([15.0, 60.0, 3600.0])) * np.arange(size)
    values = np.array(draw(st.lists(VALUES, min_size=size, max_size=size)), dtype=np.float64)
    labels = draw(st.dictionaries(st.sampled_from(["le", "code", "quantile", "caller", "pod"]), st.text(max_size=3)))
    return Series(draw(st.sampled_from(NAMES)), labels, *cleaned(times, values))


@given(st.lists(series(), max_size=6))
@settings(max_examples=60, deadline=None)
def test_no_series_is_too_strange_to_look_at(found: list[Series]):
    """Any times and values, empty series, alien labels: a view, and JSON that a parser takes."""
    families = {"errors": Family("counter"), "lag_seconds": Family("histogram")}

    seen = view(SeriesSet(tuple(one for one in found if one.times.size), families), WINDOW)

    assert math.isfinite(seen.covered_s)
    assert shown(seen)


@pytest.mark.parametrize("value", [0.0, 1.0, -5.0, 1e300])
def test_a_constant_says_nothing(value: float):
    """Whatever it is constant at: no event and no change."""
    times = 1_500_000.0 + 60.0 * np.arange(5000)
    found = [
        Series(name, {}, times, np.full(times.size, value))
        for name in ("latency_seconds", "cpu_percent", "queue_depth")
    ]

    seen = view(SeriesSet(tuple(found)), WINDOW)

    assert (seen.events, seen.changes) == ((), ())


def test_a_service_with_hundreds_of_pods_stays_small():
    """Many series of one metric become few indicators, so that neither time nor chance finds grow with them."""
    rng = np.random.default_rng(1)
    times = 1_500_000.0 + 60.0 * np.arange(500)
    found = [Series("cpu_percent", {"pod": str(n)}, times, rng.lognormal(3, 0.2, 500)) for n in range(400)]

    seen = view(SeriesSet(tuple(found)), WINDOW)

    assert len(seen.levels) == 1
    assert (seen.events, seen.changes) == ((), ())
