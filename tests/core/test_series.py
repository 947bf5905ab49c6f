"""Robust statistics over samples: what is cleaned, grouped, covered and missing."""

from __future__ import annotations

import numpy as np
import pytest

from actors.tools.metrics.series import (
    DAY_S,
    HOUR_S,
    block_medians,
    cleaned,
    covered_s,
    daily_profile,
    gaps,
    grouped_medians,
    is_regular,
    median_and_sigma,
    moving_level,
    runs,
    segments,
)

MINUTE_S = 60.0


def minutes(count: int, start_s: float = 0.0) -> np.ndarray:
    return start_s + MINUTE_S * np.arange(count)


def test_samples_come_out_finite_ascending_and_distinct():
    """Whatever order a source writes in, later steps see one finite value per time, the last one written."""
    times, values = cleaned(np.array([3.0, 1.0, 2.0, 2.0, np.nan, 4.0]), np.array([30.0, 10, 19, 20, 5, np.inf]))

    assert times.tolist() == [1.0, 2.0, 3.0]
    assert values.tolist() == [10.0, 20.0, 30.0]


def test_grouped_medians_are_numpys_medians():
    """The one sort that replaces a median call per group gives the same numbers, and NaN for an empty group."""
    rng = np.random.default_rng(1)
    groups, values = rng.integers(0, 9, 500), rng.normal(size=500)
    groups[groups == 4] = 5

    found = grouped_medians(groups, values, 9)

    assert np.isnan(found[4])
    for group in (0, 1, 2, 3, 5, 6, 7, 8):
        assert found[group] == pytest.approx(np.median(values[groups == group]))


def test_a_few_wild_values_do_not_move_the_band():
    """A fifth of the samples may be anything: median and sigma still describe the rest."""
    values = np.random.default_rng(2).normal(10, 1, 1000)
    values[:200] = 1e9

    middle, sigma = median_and_sigma(values)

    assert middle == pytest.approx(10, abs=0.5)
    assert sigma == pytest.approx(1, abs=0.5)


def test_the_hour_of_the_day_is_taken_out_when_there_are_days_enough():
    """Three days of a daily cycle give its profile; two days give none, as noise would pass for one."""
    times = np.arange(0, 10 * DAY_S, 600)
    values = np.cos(2 * np.pi * times / DAY_S)

    assert np.abs(values - daily_profile(times, values)).max() < 0.3
    assert not daily_profile(times[: int(2 * DAY_S / 600)], values[: int(2 * DAY_S / 600)]).any()


def test_a_burst_does_not_move_the_slow_level_under_it():
    """Half an hour at a hundred times the level, in a day of minutes, leaves the level where it was."""
    values = np.ones(1440)
    values[700:730] = 100

    level = moving_level(minutes(1440), values, 6 * HOUR_S)

    assert level.tolist() == pytest.approx([1.0] * 1440)


def test_blocks_without_samples_are_left_out():
    """Two hours of data a day apart are two blocks, not twenty-five."""
    times = np.concatenate((minutes(60), minutes(60, DAY_S)))

    at, middle = block_medians(times, times, HOUR_S)

    assert at.size == middle.size == 2


def test_coverage_counts_data_and_not_the_time_between():
    """Two half hours a day apart are an hour of data."""
    times = np.concatenate((minutes(30), minutes(30, DAY_S)))

    assert covered_s(times) == pytest.approx(3600, rel=0.1)
    assert len(segments(times)) == 2


@pytest.mark.parametrize(
    ("missing", "found"),
    [((100, 110), 0), ((100, 200), 1), ((1340, 1440), 1)],
    ids=["ten minutes", "a hundred minutes", "the last hundred minutes"],
)
def test_a_gap_is_long_and_may_last_until_now(missing: tuple[int, int], found: int):
    """Ten missing scrapes are no gap; an hour and a half is one, also when it has not ended."""
    times = np.delete(minutes(1440), np.arange(*missing))

    assert len(gaps(times, 0.0, 1440 * MINUTE_S)) == found


def test_a_prober_that_writes_only_changes_is_irregular_and_has_no_gaps():
    """Days between two samples mean that nothing changed."""
    times = np.array([0, 86_000, 172_000, 172_600, 173_000, 258_000, 300_000.0])

    assert not is_regular(times)
    assert gaps(times, 0, 400_000) == []


def test_runs_bridge_a_lone_quiet_sample():
    """One quiet minute inside a burst does not make it two; two do."""
    flags = np.array([0, 1, 0, 1, 1, 0, 0, 1], dtype=bool)

    assert runs(flags) == [(1, 4), (7, 7)]
    assert runs(np.zeros(5, dtype=bool)) == []
