"""What a service did hour by hour: traffic, errors, latency and saturation as arrays, before any metric's name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from jobs.sample.estate import AS_OF_S, DAY_S, HOUR_S, WINDOW_S, Service, stream
from jobs.sample.kinds import Decoy, Planted

Floats: TypeAlias = NDArray[np.float64]
Counts: TypeAlias = NDArray[np.int64]

STEP_S = HOUR_S  # 1,465 samples a series keep 5,000 services near a gigabyte
METRICS_DAYS = 61  # two windows, and a day to start from


@dataclass(frozen=True, slots=True, kw_only=True)
class Signals:
    """One value a step in every array, for the step that ends at `times_s` (Unix seconds, evenly spaced).

    `requests`, `rejected` and `errors` are counts of the step; `errors` are the service's fault, `rejected` are not.
    `median_s` is the middle latency. `saturation` and `cpu` are shares of what there is, 0 to 1.
    `scraped` is False where the sample is missing; at `restarts` (indexes) counters begin anew.
    """

    times_s: Counts
    requests: Counts
    rejected: Counts
    errors: Counts
    median_s: Floats
    saturation: Floats
    cpu: Floats
    scraped: NDArray[np.bool_]
    restarts: tuple[int, ...]


def signals_of(service: Service, seed: int) -> Signals:
    """The last `METRICS_DAYS` days of `service`, ending at most one step before the estate's now."""
    rng = np.random.default_rng(stream(seed, service.name, "metrics").getrandbits(64))
    steps = METRICS_DAYS * DAY_S // STEP_S + 1
    times_s = AS_OF_S - int(rng.integers(STEP_S)) - STEP_S * np.arange(steps - 1, -1, -1, dtype=np.int64)
    load = _load(service, times_s, rng)
    requests = rng.poisson(10 ** rng.uniform(-0.3, 1.8) * STEP_S * load)
    return Signals(
        times_s=times_s,
        requests=requests,
        rejected=rng.binomial(requests, rng.uniform(0.005, 0.03)),
        errors=rng.binomial(requests, _error_share(service, times_s, rng)),
        median_s=_median_s(service, times_s, load, rng),
        saturation=_saturation(service, times_s, load, rng),
        cpu=np.clip(rng.uniform(0.15, 0.35) + 0.12 * load + rng.normal(0, 0.015, steps), 0, 1),
        scraped=rng.random(steps) > 0.001,
        restarts=_restarts(service, times_s, rng),
    )


def _load(service: Service, times_s: Counts, rng: np.random.Generator) -> Floats:
    """Traffic relative to its mean: by the hour, by the weekday, a slow drift, and noise; bursts where planted."""
    bursty = service.part.decoy is Decoy.TRAFFIC_BURSTS
    daily, weekend = (0.85, 0.5) if bursty else (rng.uniform(0.25, 0.55), rng.uniform(0.05, 0.3))
    peak_s = rng.uniform(10, 18) * HOUR_S
    day = 1 + daily * np.cos(2 * np.pi * (times_s - peak_s) / DAY_S)
    week = np.where((times_s // DAY_S + 3) % 7 >= 5, 1 - weekend, 1.0)
    load = day * week * _wander(times_s, 0.04, rng) * rng.lognormal(0, 0.05, len(times_s))
    if bursty:
        for start in rng.integers(len(times_s), size=10):
            load[start : start + int(rng.integers(2, 6))] *= rng.uniform(2.5, 4)
    return np.asarray(load, dtype=np.float64)


def _error_share(service: Service, times_s: Counts, rng: np.random.Generator) -> Floats:
    """A tenth of a per cent or so, rarely a bad hour; more after a bad deployment and in a fault's episodes."""
    share = 10 ** rng.uniform(-3.3, -2.6) * _wander(times_s, 0.1, rng) * rng.lognormal(0, 0.15, len(times_s))
    share[rng.integers(len(times_s), size=rng.integers(0, 3))] *= rng.uniform(3, 5)
    if service.plants(Planted.ERRORS_STEPPED_UP_AFTER_DEPLOY):
        share += rng.uniform(0.025, 0.06) * np.clip((times_s - service.onset_s) / STEP_S, 0, 1)
    worst = rng.uniform(0.1, 0.2) if service.part.symptom_of else rng.uniform(0.3, 0.5)
    return np.clip(share + worst * _failing(service, times_s), 0, 1)


def _failing(service: Service, times_s: Counts) -> Floats:
    """The share of each step in which an episode of the dependency's fault was under way."""
    shares = np.zeros(len(times_s))
    for start_s, end_s in service.faults:
        overlap_s = np.minimum(times_s, end_s) - np.maximum(times_s - STEP_S, start_s)
        shares += np.clip(overlap_s / STEP_S, 0, 1)
    return shares


def _median_s(service: Service, times_s: Counts, load: Floats, rng: np.random.Generator) -> Floats:
    """A little slower under load; creeping up over the window, or slow for a few hours once, where planted."""
    usual_s = 10 ** rng.uniform(-1.7, -0.7)
    median_s = usual_s * (1 + 0.1 * (load - 1)) * _wander(times_s, 0.03, rng) * rng.lognormal(0, 0.05, len(times_s))
    if service.plants(Planted.LATENCY_CREEP):
        median_s *= 1 + rng.uniform(1.2, 2.0) * _ramp(times_s)
    if service.part.decoy is Decoy.LATENCY_SPIKE:
        start = len(times_s) - int(rng.integers(4 * DAY_S, 25 * DAY_S)) // STEP_S
        median_s[start : start + int(rng.integers(3, 6))] *= rng.uniform(4, 7)
    slowed = rng.uniform(0.2, 0.4) if service.part.symptom_of else rng.uniform(1.0, 2.0)
    return np.asarray(np.maximum(median_s * (1 + slowed * _failing(service, times_s)), 0.001), dtype=np.float64)


def _saturation(service: Service, times_s: Counts, load: Floats, rng: np.random.Generator) -> Floats:
    """Between a third and two thirds; rising to the limit over the window, or high and flat, where planted."""
    usual, per_load = rng.uniform(0.35, 0.6), 0.06
    if service.part.decoy is Decoy.HIGH_FLAT_UTILISATION:
        usual, per_load = rng.uniform(0.8, 0.85), 0.01
    share = usual + per_load * (load - 1) + rng.normal(0, 0.01, len(times_s))
    if service.plants(Planted.SATURATION):
        share += (rng.uniform(0.95, 0.99) - usual) * _ramp(times_s)
    return np.clip(share, 0, 0.998)


def _ramp(times_s: Counts) -> Floats:
    """From 0 at the window's start to 1 two days before its end, and level from there."""
    return np.asarray(np.clip((times_s - (AS_OF_S - WINDOW_S)) / (WINDOW_S - 2 * DAY_S), 0, 1), dtype=np.float64)


def _wander(times_s: Counts, size: float, rng: np.random.Generator) -> Floats:
    """Around 1: slow waves of nine and of seventeen days, so that no level is quite level."""
    days = times_s / DAY_S
    waves = sum(np.sin(2 * np.pi * (days / period + rng.random())) for period in (9, 17))
    return np.asarray(1 + size / 2 * waves, dtype=np.float64)


def _restarts(service: Service, times_s: Counts, rng: np.random.Generator) -> tuple[int, ...]:
    restarts = {int(index) for index in rng.integers(1, len(times_s), size=rng.integers(3, 7))}
    if service.plants(Planted.ERRORS_STEPPED_UP_AFTER_DEPLOY):
        restarts.add(int(np.searchsorted(times_s, service.onset_s)))
    return tuple(sorted(restarts))
