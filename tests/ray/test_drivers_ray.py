"""Batches that several drivers share, on a simulated cluster: one answer, also when drivers are killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jobs.sample import write_estate
from orchestrator.store import RunDirectory
from support.audits import Ended, muster, stable, summary_of
from support.clusters import simulated_cluster, wait_for_actor

SERVICES = 24
STOPPED_WITHIN_S = 10.0  # 2 s for the batch, and what a busy machine needs to end a process


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with simulated_cluster(1, 2, 2) as found:
        yield found


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("estate") / "sample"
    write_estate(folder, services=SERVICES, seed=5)
    return folder / "catalog-info.yaml"


@pytest.fixture(scope="module")
def calm(manifest: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The summary of one driver that nobody disturbed, in one process."""
    run_dir = tmp_path_factory.mktemp("calm") / "run"
    assert muster("audit", manifest, "--local", "--synthesis", "tree", "--run-dir", run_dir).status == 0
    return summary_of(run_dir)


def begun(manifest: Path, run_dir: Path, address: str, *, segments: int) -> subprocess.Popen[str]:
    """An audit by two drivers that is under way, and has made some outcomes durable."""
    command = [sys.executable, "-m", "jobs", "audit", str(manifest), "--address", address, "--drivers", "2"]
    command += ["--concurrency", "4", "--synthesis", "tree", "--run-dir", str(run_dir)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    while len(list((run_dir / "outcomes").glob("*.arrow"))) < segments:
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    return process


def resumed(run_dir: Path, *more: object) -> Ended:
    return muster("resume", run_dir, *more)


def answer(summary: dict[str, Any]) -> dict[str, Any]:
    """What does not depend on how often something was tried."""
    return {name: value for name, value in stable(summary).items() if name not in ("budget", "models")}


def one_row_per_task(run_dir: Path) -> bool:
    ids = [one for batch in RunDirectory.look(run_dir).outcomes() for one in batch.column("task_id").to_pylist()]
    return len(ids) == len(set(ids))


def test_two_drivers_on_three_nodes_give_the_summary_of_one(
    manifest: Path, calm: dict[str, Any], address: str, tmp_path: Path
) -> None:
    """But for times and ids; the synthesis of the whole batch included. One Parquet file has every task once."""
    ended = muster(
        "audit", manifest, "--address", address, "--drivers", 2, "--concurrency", 16, "--synthesis", "tree",
        "--run-dir", tmp_path / "run",
    )  # fmt: skip

    assert ended.status == 0, ended.stderr
    assert stable(summary_of(tmp_path / "run")) == stable(calm)
    assert summary_of(tmp_path / "run")["mode"] == "cluster"
    assert one_row_per_task(tmp_path / "run")
    assert len(list((tmp_path / "run" / "outcomes").iterdir())) == 1
    assert "Traceback" not in ended.stderr


def test_a_driver_that_is_killed_is_replaced_and_the_answer_is_the_same(
    manifest: Path, calm: dict[str, Any], address: str, tmp_path: Path
) -> None:
    """`kill -9`: another takes its shard over, with what is durable; the bill has what the dead one had under way."""
    process = begun(manifest, tmp_path / "run", address, segments=3)
    os.kill(wait_for_actor("DriverActor"), signal.SIGKILL)
    _, said = process.communicate(timeout=300)
    budget = summary_of(tmp_path / "run")["budget"]

    assert process.returncode == 0, said
    assert "driver lost" in said
    assert answer(summary_of(tmp_path / "run")) == answer(calm)
    assert budget["spent_tokens"] >= calm["budget"]["spent_tokens"]
    assert one_row_per_task(tmp_path / "run")


def test_a_signal_stops_all_drivers_and_any_number_of_them_goes_on(
    manifest: Path, calm: dict[str, Any], address: str, tmp_path: Path
) -> None:
    """What was interrupted under two drivers is gone on with by three, in one process, or as it was."""
    process = begun(manifest, tmp_path / "run", address, segments=6)
    stopped_s = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    took_s = time.monotonic() - stopped_s
    interrupted = summary_of(tmp_path / "run")
    kept = RunDirectory.look(tmp_path / "run").effective().num_rows

    ended = resumed(tmp_path / "run", "--drivers", 3, "--concurrency", 16)

    assert process.returncode == 130, said
    assert took_s < STOPPED_WITHIN_S
    assert interrupted["coverage"]["services"]["total"] == SERVICES
    assert kept > 0
    assert ended.status == 0, ended.stderr
    assert answer(summary_of(tmp_path / "run")) == answer(calm)
    assert one_row_per_task(tmp_path / "run")


def test_a_coordinator_that_is_killed_is_gone_on_with_in_one_process(
    manifest: Path, calm: dict[str, Any], address: str, tmp_path: Path
) -> None:
    """Its drivers end with it. Nothing that was durable is done again, and `show` sees it as one run before that."""
    process = begun(manifest, tmp_path / "run", address, segments=6)
    process.kill()
    process.communicate()
    shown = muster("show", tmp_path / "run")

    ended = resumed(tmp_path / "run", "--local")

    assert "died" in shown.stdout
    assert ended.status == 0, ended.stderr
    assert answer(summary_of(tmp_path / "run")) == answer(calm)


def test_drivers_need_ray(manifest: Path, tmp_path: Path) -> None:
    """One process has one event loop."""
    ended = muster("audit", manifest, "--local", "--drivers", 2, "--run-dir", tmp_path / "run")

    assert ended.status == 2
    assert "drivers is 2, and this batch runs in its own process: leave --drivers or --local out" in ended.stderr
