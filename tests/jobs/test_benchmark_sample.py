"""The benchmark's own sums: a wrong measure would hide a wrong ranking."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

FILE = Path(__file__).parents[2] / "benchmarks" / "sample.py"


@pytest.fixture(scope="module")
def benchmark_sample() -> ModuleType:
    spec = importlib.util.spec_from_file_location("benchmark_sample", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


TRUTH: dict[str, dict[str, Any]] = {
    "a": {"planted": ["churn"], "decoy": None, "symptom_of": None},
    "b": {"planted": ["churn", "creep"], "decoy": None, "symptom_of": None},
    "c": {"planted": [], "decoy": "noisy", "symptom_of": None},
    "d": {"planted": [], "decoy": None, "symptom_of": "a"},
    "e": {"planted": [], "decoy": None, "symptom_of": None},
}


@pytest.mark.parametrize(
    ("ranking", "precision", "average", "decoys", "symptoms"),
    [
        ("abcde", 1.0, 1.0, 0, 0),
        ("bacde", 1.0, 1.0, 0, 0),
        ("acbde", 0.5, (1 + 2 / 3) / 2, 1, 0),
        ("cdeab", 0.0, (1 / 4 + 2 / 5) / 2, 2, 1),
    ],
)
def test_the_measures_of_a_ranking_are_what_their_names_say(
    benchmark_sample: ModuleType, ranking: str, precision: float, average: float, decoys: int, symptoms: int
) -> None:
    """Worked by hand for two planted services, one decoy and one symptom."""
    measured = benchmark_sample.measure(1, list(ranking), TRUTH)

    assert measured.precision_at_k == precision
    assert measured.average_precision == pytest.approx(average)
    assert (measured.decoys_above_planted, measured.symptoms_above_cause) == (decoys, symptoms)


def test_over_seeds_shares_are_means_and_pairs_are_sums(benchmark_sample: ModuleType) -> None:
    """The mean rank of a kind is over all services that have it."""
    measured = [benchmark_sample.measure(seed, list(order), TRUTH) for seed, order in ((1, "abcde"), (2, "cdeab"))]

    found = benchmark_sample.overall(measured)

    assert (found["seeds"], found["precision_at_k"], found["decoys_above_planted"]) == (2, 0.5, 2)
    assert found["mean_rank"] == {"churn": 3.0, "creep": 3.5}
