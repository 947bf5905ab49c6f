"""Steps and trends: what changed for good, when, and what only moves about."""

from __future__ import annotations

import numpy as np
import pytest

from actors.sources import Window
from actors.tools.metrics.indicators import Indicator, Subject
from actors.tools.metrics.series import DAY_S, HOUR_S, Series
from actors.tools.metrics.shifts import change
from actors.tools.metrics.signals import Scope, Signal

WINDOW = Window(60 * DAY_S, 30 * DAY_S)
HOURS = HOUR_S * np.arange(1, 60 * 24 + 1)


def indicator(values: np.ndarray, signal: Signal, unit: str, times: np.ndarray = HOURS) -> Indicator:
    return Indicator(Subject(signal, Scope.OWN, "it", "", unit), times, values, Series("it", {}, times, values))


def noise(size: int = HOURS.size, spread: float = 0.15, seed: int = 5) -> np.ndarray:
    return np.random.default_rng(seed).lognormal(0, spread, size)


def test_a_step_in_the_error_rate_is_found_with_its_time():
    """From 0.1 % to 4 % ten days ago, compared with the window before."""
    values = np.where(HOURS < 50 * DAY_S, 0.001, 0.04) * noise()

    made = change(indicator(values, Signal.ERRORS, "share"), WINDOW)

    assert made is not None
    assert made.kind == "step"
    assert made.at_s == pytest.approx(50 * DAY_S, abs=2 * HOUR_S)
    assert (made.before, made.after) == (pytest.approx(0.001, abs=0.001), pytest.approx(0.04, rel=0.1))


def test_a_creep_is_a_trend_and_not_a_step():
    """Latency that doubles over the window, flat before it."""
    values = 0.1 * (1 + np.clip((HOURS - WINDOW.start_s) / WINDOW.length_s, 0, 1)) * noise()

    made = change(indicator(values, Signal.LATENCY, "seconds"), WINDOW)

    assert made is not None
    assert (made.kind, made.growth > 0.5) == ("trend", True)
    assert made.after == pytest.approx(0.2, rel=0.15)


@pytest.mark.parametrize(
    ("signal", "unit", "values"),
    [
        (Signal.LATENCY, "seconds", 0.1 * noise(spread=0.4)),
        (Signal.ERRORS, "share", np.where(HOURS < 45 * DAY_S, 0.001, 0.002) * noise()),
        (Signal.SATURATION, "share", 0.85 + 0.02 * np.cos(2 * np.pi * HOURS / DAY_S)),
        (Signal.TRAFFIC, "", 50 * (1 + 0.6 * np.cos(2 * np.pi * HOURS / DAY_S)) * noise()),
        (Signal.LATENCY, "seconds", np.where(HOURS < 20 * DAY_S, 0.1, 0.3) * noise()),
    ],
    ids=["noise", "0.1 to 0.2 %", "high and flat", "daily cycle", "a step before the window"],
)
def test_what_did_not_change_for_the_worse_in_the_window_is_no_change(signal: Signal, unit: str, values: np.ndarray):
    """Decoys: noise, trifles, high levels, cycles, and what was so before the window began."""
    assert change(indicator(values, signal, unit), WINDOW) is None


def test_noise_of_many_series_makes_no_change():
    """A slow wander of each of a hundred series is no trend and no step."""
    found = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        wander = 1 + 0.05 * np.sin(2 * np.pi * (HOURS / DAY_S / rng.uniform(7, 40) + rng.random()))
        found += change(indicator(0.1 * wander * noise(seed=seed), Signal.LATENCY, "seconds"), WINDOW) is not None

    assert found == 0


def test_short_data_is_compared_with_the_rest_of_the_same_window():
    """Two days in all, and a step in the middle of the second."""
    times = 60.0 * np.arange(1, 2 * 1440 + 1)
    values = np.where(times < 1.6 * DAY_S, 0.05, 0.5) * noise(times.size)

    made = change(indicator(values, Signal.LATENCY, "seconds", times), Window(2 * DAY_S, 2 * DAY_S))

    assert made is not None
    assert made.at_s == pytest.approx(1.6 * DAY_S, abs=600)


def test_nobody_saw_a_step_inside_a_long_hole():
    """Two stretches at two levels, a day of silence between them: there is no saying when, or whether at once."""
    times = np.concatenate((60.0 * np.arange(1, 361), DAY_S + 60.0 * np.arange(1, 361)))
    values = np.where(times < DAY_S, 0.05, 0.2) * noise(times.size)

    assert change(indicator(values, Signal.LATENCY, "seconds", times), Window(2 * DAY_S, 2 * DAY_S)) is None
