"""The ceiling at the provider's own meter, while hosts and the budget actor are killed at random moments."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import ray
from ray.exceptions import RayActorError

from budget import AccountStanding, Amount, Budget, Limit
from budget.actor import connect, start_budget
from support.provider_meter import provider_meter
from support.small_ray import kill_holder, small_ray

TASK_TOKENS, CALL_TOKENS = 400, 100
TASKS, SHARE = 60, 15  # of them at once on one host: what a killed one is charged at most
CEILING = 14_000  # a task bills about 200: with what the killed are charged, not all of them fit


@pytest.fixture(scope="module")
def meter() -> Iterator[str]:
    """The URL of the provider, with a cluster beside it."""
    with small_ray(), provider_meter() as url:
        yield url


class MeteredHost:
    """Sessions that call the provider until they have enough, and never beyond their hold."""

    def __init__(self, name: str, actor: Any, url: str, seed: int) -> None:
        self._name, self._actor, self._url = name, actor, url
        self._random = random.Random(f"{seed} {name}")

    async def process_id(self) -> int:
        return os.getpid()

    async def run(self, holds: list[str]) -> list[bool]:
        """Whether each was let in, run and reconciled."""
        budget = connect(self._actor)
        async with aiohttp.ClientSession() as http:
            return list(await asyncio.gather(*(self._session(budget, http, hold_id) for hold_id in holds)))

    async def _session(self, budget: Budget, http: aiohttp.ClientSession, hold_id: str) -> bool:
        answer = await budget.reserve(hold_id, "batch", Amount(TASK_TOKENS, None), owner=self._name)
        if not answer.held:
            return False
        spent = 0
        for _ in range(self._random.randint(2, 6)):
            if spent + CALL_TOKENS <= TASK_TOKENS:
                spent += await self._call(http)
        await budget.reconcile(hold_id, Amount(spent, None))
        return True

    async def _call(self, http: aiohttp.ClientSession) -> int:
        """What a call cost, or may have cost: a lost reply is counted as the most that it can have been."""
        try:
            async with http.post(f"{self._url}/calls", json={"tokens_max": CALL_TOKENS}) as reply:
                return (await reply.json())["tokens"] if reply.status == 200 else 0
        except aiohttp.ClientError:
            return CALL_TOKENS


@dataclass
class Story:
    """One seed: tasks over two hosts that are killed and replaced, under one ledger that is killed too."""

    seed: int
    url: str
    folder: Path
    actor: Any = None
    finished: set[str] = field(default_factory=set)
    refused: set[str] = field(default_factory=set)
    hosts: int = 0
    billed_tokens: int = 0
    attempts: int = 0

    async def play(self) -> tuple[dict[str, int], AccountStanding]:
        self.random = random.Random(self.seed)
        await self._post("reset", {"seed": self.seed})
        self.actor = start_budget(self.folder)
        self.budget = connect(self.actor)
        await self.budget.open("batch", limit=Limit(CEILING))
        tasks = [f"task-{n}" for n in range(TASKS)]
        killer = asyncio.create_task(self._kill_the_ledger())
        await asyncio.gather(self._work_off(tasks[::2]), self._work_off(tasks[1::2]))
        await killer
        standing = (await self.budget.standing("batch")).of("batch")
        billed = await self._post("billed")
        await self.budget.aclose()
        ray.kill(self.actor)
        assert standing is not None
        return billed, standing

    async def _work_off(self, tasks: list[str]) -> None:
        """One host after the other, until every task is finished or refused. Each attempt has a hold of its own."""
        open_tasks = list(tasks)
        while open_tasks:
            share = open_tasks[:SHARE]
            self.hosts += 1
            self.attempts += 1
            name, attempt = f"host-{self.hosts}", self.attempts
            host = ray.remote(num_cpus=0)(MeteredHost).remote(name, self.actor, self.url, self.seed)
            process_id = await host.process_id.remote()
            answers = host.run.remote([f"{task}#{attempt}" for task in share])
            doomed = self.random.random() < 0.5
            if doomed:
                await asyncio.sleep(self.random.random() * 0.3)
                os.kill(process_id, signal.SIGKILL)
            try:
                for task, held in zip(share, await answers, strict=True):
                    (self.finished if held else self.refused).add(task)
                del open_tasks[: len(share)]
            except RayActorError:
                await self.budget.expire(owner=name)
            ray.kill(host)

    async def _kill_the_ledger(self) -> None:
        for _ in range(self.random.randint(0, 2)):
            await asyncio.sleep(self.random.random())
            await asyncio.to_thread(kill_holder, self.folder / "lock")

    async def _post(self, what: str, body: dict[str, int] | None = None) -> dict[str, int]:
        async with aiohttp.ClientSession() as http:
            call = http.get(f"{self.url}/{what}") if body is None else http.post(f"{self.url}/{what}", json=body)
            async with call as reply:
                found: dict[str, int] = await reply.json()
                return found


def assert_the_ceiling_held(seed: int, url: str, folder: Path) -> Story:
    story = Story(seed, url, folder)

    billed, standing = asyncio.run(asyncio.wait_for(story.play(), 300))
    story.billed_tokens = billed["tokens"]

    assert billed["tokens"] <= standing.spent.tokens <= CEILING, (seed, billed, standing)
    assert standing.held.tokens == 0, (seed, standing)
    assert not standing.overrun
    assert len(story.finished) + len(story.refused) == TASKS
    assert not story.refused or standing.spent.tokens > CEILING - TASK_TOKENS, (seed, standing)
    return story


@pytest.mark.parametrize("seed", range(3))
def test_the_providers_meter_never_passes_the_ceiling(meter: str, tmp_path: Path, seed: int) -> None:
    """Billed <= spent, with what was charged unseen, <= ceiling; nobody is refused while there is room for a hold."""
    assert_the_ceiling_held(seed, meter, tmp_path)


@pytest.mark.slow
def test_the_providers_meter_never_passes_the_ceiling_over_fifty_seeds(meter: str, tmp_path: Path) -> None:
    """The same, with other moments to die; hosts and ledgers did die."""
    stories = [assert_the_ceiling_held(seed, meter, tmp_path / str(seed)) for seed in range(100, 150)]

    assert sum(story.hosts for story in stories) > 4 * len(stories)  # four hosts would do, if none died
    assert sum(story.billed_tokens for story in stories) > CEILING // 4 * len(stories)
