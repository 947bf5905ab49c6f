"""The whole machine under seeded faults. A seed that fails is replayed by `MUSTER_SIM_SEED=<seed>`."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sim.machine import Machine, scenario

SEEDS = [int(os.environ["MUSTER_SIM_SEED"])] if "MUSTER_SIM_SEED" in os.environ else range(50)
BRISK_SEEDS = SEEDS[:10]
SLOW_SEEDS = range(1_000, 3_000)
FOUND = {
    "a segment seen after a crash between rename and sync vanished in the next power loss": 24,
    "a manifest that was seen after such a crash vanished in the same way": 2054,
    "the driver's own record of a task that it gave up counted as what the task had spent": 1270,
    "who was alone with an optional task that held its host's loop, and was cancelled, counted as the culprit": 21775,
}


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Thousands of lost hosts are thousands of log lines."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def simulated(seed: int, folder: Path, *, brisk: bool = False) -> Machine:
    machine = Machine(scenario(seed, brisk=brisk), folder / f"seed-{seed}-{brisk}")
    try:
        machine.run()
    except BaseException as error:
        error.add_note(f"seed {seed}, {brisk=}")
        raise
    return machine


@pytest.mark.parametrize(
    ("seed", "brisk"), [*((seed, False) for seed in SEEDS), *((seed, True) for seed in BRISK_SEEDS)]
)
def test_whatever_dies_nothing_durable_is_lost_and_nothing_finished_is_done_again(
    seed: int, brisk: bool, tmp_path: Path
) -> None:
    """Processes die and resume; the auditor sees one row per task, and a bill below the ceiling."""
    machine = simulated(seed, tmp_path, brisk=brisk)

    assert machine.events > 0


@pytest.mark.parametrize("seed", FOUND.values(), ids=FOUND.keys())
def test_what_was_found_before_does_not_come_back(seed: int, tmp_path: Path) -> None:
    """Each of these seeds broke a promise once."""
    simulated(seed, tmp_path)


def test_the_same_seed_gives_the_same_trace(tmp_path: Path) -> None:
    """A failure can be looked at as often as needed."""
    first, second = simulated(11, tmp_path / "a"), simulated(11, tmp_path / "b")

    assert first.trace_hash == second.trace_hash
    assert first.simulated_s == second.simulated_s


@pytest.mark.slow
def test_two_thousand_seeds(tmp_path: Path) -> None:
    """More of the same: prints how many hours of operation pass in a second."""
    began_s, simulated_s = time.monotonic(), 0.0

    for seed in SLOW_SEEDS:
        simulated_s += simulated(seed, tmp_path, brisk=seed % 8 == 0).simulated_s

    print(f"{simulated_s / 3600 / (time.monotonic() - began_s):.1f} simulated hours per second")
