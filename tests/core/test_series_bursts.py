"""Bursts: what is far outside of an indicator's normal band, and what only looks like it."""

from __future__ import annotations

import numpy as np
import pytest

from actors.sources import Window
from actors.tools.metrics.bursts import episodes
from actors.tools.metrics.indicators import Indicator, Subject
from actors.tools.metrics.series import DAY_S, Series
from actors.tools.metrics.shifts import change
from actors.tools.metrics.signals import Scope, Signal

MINUTE_S = 60.0


def indicator(values: np.ndarray, signal: Signal = Signal.LATENCY, unit: str = "seconds", step_s: float = MINUTE_S):
    times = step_s * np.arange(1, values.size + 1)
    cited = Series("it", {"service": "a"}, times, values)
    return Indicator(Subject(signal, Scope.OWN, "it", "", unit), times, values, cited)


def noisy(level: float, size: int, seed: int = 3, spread: float = 0.1) -> np.ndarray:
    return level * np.random.default_rng(seed).lognormal(0, spread, size)


def test_a_burst_has_its_times_its_size_and_a_citation():
    """Five minutes at twenty times the usual latency are one episode, cited where it was worst."""
    values = noisy(0.05, 600)
    values[300:305] = 1.0
    values[302] = 2.0

    (found,) = episodes(indicator(values), 0.0)

    assert (found.start_s, found.end_s) == (301 * MINUTE_S, 305 * MINUTE_S)
    assert found.normal == pytest.approx(0.05, rel=0.2)
    assert found.peak == 2.0
    assert found.citation == f'metric:it{{service="a"}}@{303 * 60}'


@pytest.mark.parametrize(
    ("signal", "unit", "level", "burst"),
    [
        (Signal.LATENCY, "seconds", 0.001, 0.008),
        (Signal.ERRORS, "share", 0.001, 0.002),
        (Signal.SATURATION, "share", 0.01, 0.04),
    ],
    ids=["8 ms", "0.2 % of errors", "4 % of a CPU"],
)
def test_a_multiple_of_next_to_nothing_is_no_burst(signal: Signal, unit: str, level: float, burst: float):
    """Each signal has a floor under which nobody notices, however many times the usual value it is."""
    values = noisy(level, 600)
    values[300:310] = burst

    assert episodes(indicator(values, signal, unit), 0.0) == []


def test_noise_of_many_series_makes_no_burst_that_lasts():
    """Two hundred heavy-tailed series of a day: next to none stays outside for three samples by chance."""
    lasting = 0
    for seed in range(200):
        values = 0.1 * np.exp(0.3 * np.random.default_rng(seed).standard_t(3, 1440))
        lasting += sum(one.samples >= 3 for one in episodes(indicator(values), 0.0))

    assert lasting <= 2


def test_a_daily_cycle_is_no_row_of_bursts():
    """A load that triples every noon for two weeks is normal at noon."""
    times = 600 * np.arange(1, 14 * 144 + 1)
    values = noisy(1.0, times.size) * 10 ** (np.cos(2 * np.pi * times / DAY_S) / 2)
    found = episodes(indicator(values, Signal.SATURATION, "", 600.0), 0.0)

    assert [one for one in found if one.samples >= 3] == []


def test_what_stays_is_a_step_and_no_burst():
    """A level that went up for good is one change with its time, and leaves no episodes behind."""
    values = np.concatenate((noisy(0.1, 6000), noisy(0.3, 6000, seed=4)))
    one = indicator(values, step_s=300.0)
    window = Window(12000 * 300.0, 12000 * 300.0)

    made = change(one, window)

    assert made is not None
    assert made.kind == "step"
    assert made.at_s == pytest.approx(6000 * 300.0, abs=600)
    assert episodes(one, 0.0, made.at_s) == []


def test_episodes_before_the_window_are_not_told():
    """The past is there to compare with."""
    values = noisy(0.05, 600)
    values[100:110] = values[500:510] = 2.0

    assert [one.start_s for one in episodes(indicator(values), 300 * MINUTE_S)] == [501 * MINUTE_S]
    assert len(episodes(indicator(values), 0.0)) == 2


def test_a_short_or_irregular_series_has_no_band():
    """Thirty samples, or samples written only on change, tell no normal band."""
    sparse = indicator(np.where(np.arange(60) % 20, 0.1, 9.0))
    irregular = Indicator(sparse.subject, np.cumsum(np.geomspace(1, 1e6, 60)), sparse.values, sparse.cited)

    assert episodes(indicator(np.append(noisy(0.1, 29), 5.0)), 0.0) == []
    assert episodes(irregular, 0.0) == []
