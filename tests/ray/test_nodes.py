"""Nodes that vanish, come late, or run out of memory, on a cluster of several raylets on this machine."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import ray
from pydantic import BaseModel
from ray.cluster_utils import Cluster

from actors import ModelReply, ModelRequest, Reason, Specialist
from actors.models.scripted import says
from actors.specialists.base import Resources
from budget.actor import shared_budget
from budget.errors import BudgetUnreachableError
from orchestrator import Settings, dispatch
from orchestrator.plan_report import Report
from orchestrator.store import RunDirectory

TOKENS_MAX = 50_000


class Count(BaseModel):
    words: int


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """A head that has the driver and the budget, and no room for hosts; workers import what the tests import."""
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    try:
        ray.init(address=made.address, log_to_driver=False, logging_level="ERROR")
        yield made
    finally:
        ray.shutdown()
        made.shutdown()
        os.environ.pop("PYTHONPATH")
        if before is not None:
            os.environ["PYTHONPATH"] = before


@dataclass(frozen=True)
class Slow:
    """A model that says on which node it was asked, and takes its time."""

    folder: Path
    seconds: float

    def __call__(self, _: Specialist) -> Slow:
        return self

    async def reply(self, request: ModelRequest) -> ModelReply:  # noqa: ARG002
        (self.folder / ray.get_runtime_context().get_node_id()).touch()
        await asyncio.sleep(self.seconds)
        return says('{"words": 1}')


def carried_out(
    specialist: Specialist,
    model: Any,
    meanwhile: Callable[[], None],
    *,
    tasks: int = 6,
    run_dir: Path | None = None,
    purse: str = "",
) -> Report:
    """A plan on the cluster, and what happens beside it: in this thread, where alone nodes can be started."""
    settings = Settings(mode="cluster", address="auto", model="scripted", sessions_max=tasks, shared_budget=purse)
    plan = [specialist.task(f"task-{n}", "x", deadline_s=30.0, tokens_max=TOKENS_MAX) for n in range(tasks)]
    with ThreadPoolExecutor(1) as pool:
        report = pool.submit(dispatch, plan, specialists=[specialist], model=model, settings=settings, run_dir=run_dir)
        meanwhile()
        return report.result()


def first_of(folder: Path) -> str:
    """The node of the first host that was asked something."""
    give_up_s = time.monotonic() + 60.0
    while not (names := os.listdir(folder)):
        assert time.monotonic() < give_up_s, "no host was asked"
        time.sleep(0.05)
    return names[0]


def test_a_node_that_vanishes_costs_attempts_and_no_answer(cluster: Cluster, tmp_path: Path) -> None:
    """Its hosts' tasks go again on the other node; what those hosts had set aside is charged in full."""
    nodes = [cluster.add_node(num_cpus=1), cluster.add_node(num_cpus=1)]
    counter = Specialist(name="counter", purpose="Counts.", prompt="Count.", output=Count)

    def vanish() -> None:
        name = first_of(tmp_path)
        (node,) = (node for node in nodes if node.node_id == name)
        cluster.remove_node(node, allow_graceful=False)

    report = carried_out(counter, Slow(tmp_path, 2.0), vanish)

    assert len(report.results) == 6
    assert {result.attempt for result in report.results} == {2}
    assert len(os.listdir(tmp_path)) == 2
    assert report.spent_tokens >= 6 * TOKENS_MAX


def test_a_host_that_waits_for_a_node_is_said_and_works_when_it_comes(
    cluster: Cluster, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A cluster may grow, so nothing is given up: a warning names the agent and what it asks for."""
    counter = Specialist(
        name="counter", purpose="Counts.", prompt="Count.", output=Count, resources=Resources(custom={"tape": 1.0})
    )

    def come() -> None:
        give_up_s = time.monotonic() + 60.0
        while not caplog.records:
            assert time.monotonic() < give_up_s, "nobody was warned"
            time.sleep(0.1)
        cluster.add_node(num_cpus=1, resources={"tape": 1.0})

    with caplog.at_level(logging.WARNING, logger="muster.driver"):
        report = carried_out(counter, Slow(tmp_path, 0.1), come)

    assert len(report.results) == 6
    assert "'counter': it asks for" in caplog.text
    assert "1 tape" in caplog.text


def test_a_shared_budget_whose_node_vanishes_ends_the_batch_and_no_task(cluster: Cluster, tmp_path: Path) -> None:
    """Its journal went with the node: nothing more may be spent. One clear error, and all tasks go again on resume."""
    calls = tmp_path / "calls"
    calls.mkdir()
    cluster.add_node(num_cpus=1)
    bank = cluster.add_node(num_cpus=0, resources={"bank": 1.0})
    counter = Specialist(name="counter", purpose="Counts.", prompt="Count.", output=Count)

    @ray.remote(resources={"bank": 1.0}, num_cpus=0)
    def open_budget() -> None:
        asyncio.run(shared_budget("night", tmp_path / "ledger"))

    def vanish() -> None:
        first_of(calls)
        cluster.remove_node(bank, allow_graceful=False)

    ray.get(open_budget.remote())
    with pytest.raises(BudgetUnreachableError, match="gone for good"):
        carried_out(counter, Slow(calls, 3.0), vanish, run_dir=tmp_path / "run", purse="night")

    statuses = RunDirectory.look(tmp_path / "run").effective()["status"].to_pylist()
    assert set(statuses) <= {"ok", Reason.CANCELLED}
