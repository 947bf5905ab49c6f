"""How well the audit finds what was planted: `python benchmarks/sample.py --json`.

Writes sample estates with ten seeds, audits each with the offline model (`muster audit … --local`), and compares the
ranking with `truth.json`, which the audit never reads.

precision_at_k         the share of planted services among the first k, where k is how many were planted
average_precision      the mean, over the planted services, of the precision at each one's rank: 1 when all are on top
decoys_above_planted   pairs of a healthy but noisy decoy and a planted service in which the decoy ranks higher
symptoms_above_cause   services that show another one's problem and rank above it
mean_rank              for each planted kind, the mean rank of the services that have it

Figures are means over the seeds, but for the counts of pairs, which are sums.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

USABLE = (0, 3)  # the exit statuses with an answer: its quorum met, or below it
SECONDS_MAX = 1_800  # for one command


@dataclass(frozen=True, slots=True)
class Measured:
    """One estate: its seed, how many services were planted (k), and how the ranking did."""

    seed: int
    planted: int
    precision_at_k: float
    average_precision: float
    decoys_above_planted: int
    symptoms_above_cause: int
    ranks: Mapping[str, Sequence[int]]  # of each planted kind


def measure(seed: int, ranking: Sequence[str], truth: Mapping[str, Mapping[str, Any]]) -> Measured:
    """Compare a ranking (names, worst first) with the truth about each service."""
    rank = {name: place for place, name in enumerate(ranking, 1)}
    planted = sorted((name for name, told in truth.items() if told["planted"]), key=lambda name: rank[name])
    decoys = [name for name, told in truth.items() if told["decoy"]]
    symptoms = {name: told["symptom_of"] for name, told in truth.items() if told["symptom_of"]}
    kinds = sorted({kind for name in planted for kind in truth[name]["planted"]})
    count = len(planted)
    return Measured(
        seed=seed,
        planted=count,
        precision_at_k=sum(rank[name] <= count for name in planted) / max(1, count),
        average_precision=sum(n / rank[name] for n, name in enumerate(planted, 1)) / max(1, count),
        decoys_above_planted=sum(rank[decoy] < rank[name] for decoy in decoys for name in planted),
        symptoms_above_cause=sum(rank[name] < rank[cause] for name, cause in symptoms.items()),
        ranks={kind: [rank[name] for name in planted if kind in truth[name]["planted"]] for kind in kinds},
    )


def overall(measured: Sequence[Measured]) -> dict[str, Any]:
    """All seeds together, and each by itself."""
    ranks: dict[str, list[int]] = {}
    for one in measured:
        for kind, places in one.ranks.items():
            ranks.setdefault(kind, []).extend(places)
    return {
        "seeds": len(measured),
        "precision_at_k": round(fmean(one.precision_at_k for one in measured), 4),
        "average_precision": round(fmean(one.average_precision for one in measured), 4),
        "decoys_above_planted": sum(one.decoys_above_planted for one in measured),
        "symptoms_above_cause": sum(one.symptoms_above_cause for one in measured),
        "mean_rank": {kind: round(fmean(places), 2) for kind, places in sorted(ranks.items())},
        "by_seed": [{key: value for key, value in asdict(one).items() if key != "ranks"} for one in measured],
    }


def audited(folder: Path, *, seed: int, services: int) -> Measured:
    """Write one estate below `folder`, audit it, and measure. Exits when either command fails."""
    estate, run = folder / f"estate-{seed}", folder / f"run-{seed}"
    _muster("sample", str(estate), "--services", str(services), "--seed", str(seed))
    _muster("audit", str(estate / "catalog-info.yaml"), "--run-dir", str(run), "--local")
    summary = json.loads((run / "summary.json").read_text(encoding="utf-8"))
    truth = json.loads((estate / "truth.json").read_text(encoding="utf-8"))
    return measure(seed, [service["name"] for service in summary["services"]], truth["services"])


def _muster(*arguments: str) -> None:
    command = [sys.executable, "-m", "jobs", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS_MAX, check=False)
    if done.returncode not in USABLE:
        sys.exit(f"muster {' '.join(arguments)} ended with {done.returncode}:\n{done.stderr[-2_000:]}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    parser.add_argument("--seeds", type=int, default=10, help="how many estates (default 10)")
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--services", type=int, default=40, help="in each estate (default 40)")
    parser.add_argument("--keep", type=Path, help="write estates and runs here and leave them")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.keep or Path(scratch)
        seeds = range(options.first_seed, options.first_seed + options.seeds)
        measured = [audited(folder, seed=seed, services=options.services) for seed in seeds]
    found = overall(measured)
    print(json.dumps(found, indent=1) if options.json else _table(found))


def _table(found: Mapping[str, Any]) -> str:
    lines = [f"{key:<24}{found[key]}" for key in found if key not in ("mean_rank", "by_seed")]
    return "\n".join([*lines, *(f"  rank of {kind:<31} {rank}" for kind, rank in found["mean_rank"].items())])


if __name__ == "__main__":
    main()
