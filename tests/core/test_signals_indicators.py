"""Indicators: rates over restarts, quantiles of histograms, shares of errors, and a sample to cite for each."""

from __future__ import annotations

import numpy as np
import pytest

from actors.tools.metrics.indicators import Indicator, indicators
from actors.tools.metrics.series import Family, Series, SeriesSet
from actors.tools.metrics.signals import Scope, Signal

TIMES = 1_700_000_000.0 + 60.0 * np.arange(200)


def made(*series: Series, **families: Family) -> dict[str, Indicator]:
    return {one.subject.title: one for one in indicators(SeriesSet(series, families), frozenset({"cart"}))}


def counter(name: str, per_step: float, **labels: str) -> Series:
    return Series(name, {"service": "cart", **labels}, TIMES, per_step * np.arange(TIMES.size))


def test_a_restarted_counter_keeps_its_rate():
    """A fall is a restart: the counter began again from zero, nothing was taken back."""
    values = 6.0 * np.arange(200)
    values[100:] -= values[100] - 6.0

    found = made(Series("http_requests_total", {"service": "cart"}, TIMES, values))

    assert found["http_requests_total rate"].values == pytest.approx(0.1)


def test_codes_give_a_share_of_errors():
    """Server errors of all calls, over all series of the metric together; not found is no error."""
    found = made(
        counter("http_requests_total", 90, code="200"),
        counter("http_requests_total", 9, code="404"),
        counter("http_requests_total", 1, code="503"),
        http_requests=Family("counter"),
    )

    share = found["http_requests share of errors"]
    assert (share.subject.signal, share.subject.unit) == (Signal.ERRORS, "share")
    assert share.values == pytest.approx(0.01)
    assert found["http_requests rate"].values == pytest.approx(100 / 60)


def test_a_share_of_success_is_turned_into_errors():
    """Of 100 or of 1: what is missing to all."""
    found = made(
        Series("edge_success_percent", {"service": "cart"}, TIMES, np.full(200, 98.0)),
        Series("success_rate", {"service": "cart"}, TIMES, np.full(200, 0.98)),
    )

    assert found["edge_success_percent not met"].values == pytest.approx(0.02)
    assert found["success_rate not met"].values == pytest.approx(0.02)


def test_a_histogram_gives_its_tail_and_its_mean():
    """The quantile as a Prometheus computes it; the mean from sum and count; traffic from the count."""
    found = made(
        counter("wait_seconds_bucket", 50, le="0.1"),
        counter("wait_seconds_bucket", 98, le="0.5"),
        counter("wait_seconds_bucket", 100, le="1"),
        counter("wait_seconds_bucket", 100, le="+Inf"),
        counter("wait_seconds_sum", 20),
        counter("wait_seconds_count", 100),
        wait_seconds=Family("histogram"),
    )

    assert found["wait_seconds p99"].values == pytest.approx(0.75)
    assert found["wait_seconds p99"].resolution == 1.0
    assert found["wait_seconds mean"].values == pytest.approx(0.2)
    assert found["wait_seconds rate"].subject.signal is Signal.TRAFFIC


def test_edges_are_kept_apart_by_who_sees_them():
    """What two callers measure of one service are two indicators; calls to others are about the others."""
    found = made(
        *(
            Series("edge_latency_seconds", {"service": "cart", "caller": c}, TIMES, np.ones(200))
            for c in ("web", "app")
        ),
        Series("calls_seconds", {"service": "cart", "destination": "bank"}, TIMES, np.ones(200)),
    )

    assert {one.subject.caller for one in found.values() if one.subject.scope is Scope.CALLER} == {"web", "app"}
    assert [one.subject.about for one in found.values() if one.subject.scope is Scope.OUTBOUND] == ["bank"]


def test_many_pods_are_one_mean_and_few_are_seen_apart():
    """Twenty pods, or pods that come and go, say together what one would not."""
    many = [
        Series("cpu_usage_ratio", {"service": "cart", "pod": str(n)}, TIMES, np.full(200, n / 20)) for n in range(20)
    ]

    assert len(made(*many)) == 1
    assert len(indicators(SeriesSet(tuple(many[:3])), frozenset())) == 3


def test_a_citation_names_a_sample_that_is_there():
    """The time of the raw sample at or before the moment, rounded up to whole seconds; means cite their own query."""
    one = indicators(SeriesSet((Series("lag_seconds", {"a": "b"}, TIMES + 0.25, np.ones(200)),)), frozenset())[0]
    step = Series("cpu_ratio", {}, TIMES, np.ones(200), step_s=300.0)

    assert one.citation(TIMES[5] + 30) == 'metric:lag_seconds{a="b"}@1700000301'
    assert one.citation(0.0) == 'metric:lag_seconds{a="b"}@1700000001'
    assert (
        indicators(SeriesSet((step,)), frozenset())[0]
        .citation(TIMES[1])
        .startswith("metric:avg_over_time(cpu_ratio[300s])@")
    )


def test_use_beside_its_limit_is_a_share():
    """Connections in use of those that the pool may open; file descriptors; never a limit that use goes beyond."""
    found = made(
        Series("pool_connections_in_use", {"service": "cart"}, TIMES, np.full(200, 150.0)),
        Series("pool_connections_max", {"service": "cart"}, TIMES, np.full(200, 200.0)),
        Series("process_open_fds", {"service": "cart"}, TIMES, np.full(200, 512.0)),
        Series("process_max_fds", {"service": "cart"}, TIMES, np.full(200, 1024.0)),
        Series("heap_used_bytes", {"service": "cart"}, TIMES, np.full(200, 9.0)),
        Series("heap_max_bytes", {"service": "cart"}, TIMES, np.full(200, -1.0)),
    )

    assert {title: (one.subject.unit, one.values[0]) for title, one in found.items()} == {
        "pool_connections_in_use": ("share", 0.75),
        "process_open_fds": ("share", 0.5),
        "heap_used_bytes": ("", 9.0),
    }
