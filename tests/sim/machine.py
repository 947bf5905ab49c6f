"""The whole machine in one process and on a virtual clock, with everything that can go wrong drawn from one seed.

The driver, the hosts, their sessions, the budget's client, desk, ledger and journal, and the run directory are the
real ones. Virtual are the clock, the disk, the network between them and the model. An auditor that shares no code
with them watches: what was durable stays, what is finished is not done again, and the bill stays below the ceiling.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
from sim.hosts import BudgetPlace, Finding, SimFleet
from sim.virtual_disk import Died, VirtualDisk
from sim.virtual_time import VirtualLoop

from actors.contracts import Task
from actors.models.offline import OfflineModel
from actors.specialists.base import Resources, Specialist
from budget import Limit
from budget.client import Budget
from orchestrator.batch import Batch
from orchestrator.batch_account import open_account
from orchestrator.driver import Driver
from orchestrator.known_outcomes import Earlier, Known
from orchestrator.patterns import FanOut
from orchestrator.runs import Pattern, Run, State
from orchestrator.settings import Settings
from orchestrator.store import RunDirectory
from orchestrator.telemetry import Telemetry
from support.two_stages import TwoStages

BATCH = "batch"
INTERRUPTIONS_MAX = 4
INCARNATION_S_MAX = 4 * 3600.0
CALL_S, BRISK_CALL_S = (0.05, 8.0), (0.0005, 0.005)  # what a provider takes for a reply
FATES = ("answers", "refused", "cut", "hangs", "invalid")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """What is to be done, and what goes wrong on the way. All of it follows from the seed."""

    seed: int
    agents: tuple[str, ...]
    hosts_per_agent: int
    sessions: int
    runs: tuple[Run, ...]
    settings: Settings
    fates: tuple[float, ...]  # weights of FATES
    faults_per_s: float
    poison: frozenset[str]
    interruptions: int
    call_s: tuple[float, float] = CALL_S

    @property
    def tasks(self) -> list[Task]:
        return [task for run in self.runs for task in _tasks_of(run.pattern)]


def _tasks_of(pattern: Pattern) -> tuple[Task, ...]:
    if isinstance(pattern, TwoStages):
        return (*pattern.first, pattern.then)
    assert isinstance(pattern, FanOut)
    return pattern.tasks


def scenario(seed: int, *, runs: int | None = None, hosts: int | None = None, brisk: bool = False) -> Scenario:
    """A small batch under fire; `runs` and `hosts` make it a large one.

    `brisk`: more tasks, whose sessions are shorter than the ledger's way, so that holds are asked for ahead of them.
    """
    dice = Random(seed)
    agents = tuple(f"agent{n}" for n in range(dice.randint(1, 3)))
    count = runs or dice.randint(1, 10) * (6 if brisk else 1)
    made = tuple(_run(dice, number, agents) for number in range(count))
    tokens = sum(task.tokens_max for run in made for task in _tasks_of(run.pattern))
    ceiling = dice.choice((None, 3 * tokens, tokens, max(1, tokens // 3)))
    hosts_per_agent = hosts or dice.randint(1, 3)
    settings = Settings(
        model="sim",
        sessions_max=dice.choice((1, 4, 16)) if hosts is None else 4 * hosts * len(agents),
        hosts_per_agent=hosts_per_agent,
        tokens_max=ceiling,
        on_exhausted=dice.choice(("wait", "wait", "skip")),
        grace_s=5.0,
        run_deadline_s=dice.choice((None, None, None, 60.0)),
        batch_deadline_s=dice.choice((None, None, None, 300.0)),
        runs_ahead=dice.choice((1, 4, 256)) if runs is None else 256,
        spans=False,
    )
    ids = [task.id for run in made for task in _tasks_of(run.pattern)]
    return Scenario(
        seed=seed,
        agents=agents,
        hosts_per_agent=hosts_per_agent,
        sessions=settings.sessions_max,
        runs=made,
        settings=settings,
        fates=(20.0, *(dice.choice((0.0, 1.0, 4.0)) for _ in FATES[1:])),
        faults_per_s=dice.choice((0.0, 0.02, 0.1, 0.3)),
        poison=frozenset(dice.sample(ids, min(len(ids), dice.choice((0, 0, 0, 1, 2))))),
        interruptions=dice.randint(0, INTERRUPTIONS_MAX),
        call_s=BRISK_CALL_S if brisk else CALL_S,
    )


def _run(dice: Random, number: int, agents: tuple[str, ...]) -> Run:
    name = f"run{number}"

    def task(place: int) -> Task:
        task_id = f"{name}/t{place}"
        return Task(
            id=task_id,
            run_id=name,
            agent=dice.choice((*agents * 10, "nobody")),
            objective=task_id,
            output_schema="Finding",
            tokens_max=dice.choice((6_000, 12_000)),
            deadline_s=dice.choice((5.0, 20.0)),
            turns_max=3,
            idempotency_key=task_id,
            required=place == 0 or dice.random() < 0.85,
            priority=number,
        )

    tasks = tuple(task(place) for place in range(dice.randint(1, 6)))
    two_stages = len(tasks) > 2 and dice.random() < 0.4
    pattern: Pattern = TwoStages(tasks[1:], tasks[0]) if two_stages else FanOut(tasks)
    ceiling = sum(task.tokens_max for task in tasks)
    return Run(id=name, pattern=pattern, limit=Limit(ceiling, None) if dice.random() < 0.7 else None)


class WatchedDirectory(RunDirectory):
    """Tells the auditor what became durable."""

    machine: Machine

    def append_outcomes(self, batches: Any) -> None:
        kept: list[pa.RecordBatch] = list(batches)
        super().append_outcomes(kept)
        self.machine.became_durable(kept)


class CheckedDriver(Driver):
    """The driver, with every invariant checked after each of its rounds."""

    async def _turn(self) -> None:
        await super()._turn()
        self.check()


@dataclass(slots=True)
class Machine:
    """One seed, from its first process to the one that comes to an end."""

    scenario: Scenario
    folder: Path
    dice: Random = field(init=False)
    disk: VirtualDisk = field(init=False)
    simulated_s: float = 0.0
    events: int = 0
    finished_tasks: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    billed_tokens: int = 0
    calls: Counter[str] = field(default_factory=Counter)
    poison: frozenset[str] = frozenset()
    _hash: Any = field(default_factory=lambda: blake2b(digest_size=16))
    _calm: bool = False
    _full: bool = False
    _error: BaseException | None = None
    _loop: VirtualLoop | None = None

    def __post_init__(self) -> None:
        self.dice = Random(self.scenario.seed * 7_919 + 1)
        self.disk = VirtualDisk(self.dice, dies=self._dies, full=lambda: self._full)
        self.poison = self.scenario.poison

    @property
    def trace_hash(self) -> str:
        return str(self._hash.hexdigest())

    def run(self) -> None:
        """Processes begin, die and resume, until one of them, left in peace, comes to the end."""
        for number in range(self.scenario.interruptions):
            if self._process(number, calm=False) == "finished":
                break
        else:
            assert self._process(self.scenario.interruptions, calm=True) == "finished"
        self._calm, self._full = True, False
        self._audit_the_end()

    # What the parts of the machine say and ask

    def trace(self, *said: object) -> None:
        now_s = self._loop.time() if self._loop else 0.0
        self.events += 1
        self._hash.update(f"{now_s:.6f} {said!r}\n".encode())

    def broke(self, error: BaseException | None) -> None:
        self._error = self._error or error

    def happens(self, chance: float) -> bool:
        return not self._calm and self.dice.random() < chance

    def fate(self) -> str:
        return "answers" if self._calm else self.dice.choices(FATES, self.scenario.fates)[0]

    def called(self, task_id: str, host: str) -> None:
        self.trace("call", task_id, host)
        self.calls[task_id] += 1
        assert task_id not in self.finished_tasks, f"{task_id} runs again, and was finished"

    def billed(self, task_id: str, tokens: int) -> None:
        self.billed_tokens += tokens
        limit = self.scenario.settings.tokens_max
        assert limit is None or self.billed_tokens <= limit, f"{task_id} passes the ceiling at the provider's meter"

    def became_durable(self, batches: list[pa.RecordBatch]) -> None:
        for task_id, row in _rows(batches):
            self.trace("durable", task_id, row)
            if row[1] != "cancelled":
                assert task_id not in self.finished_tasks, f"{task_id} has two outcomes"
                self.finished_tasks[task_id] = row

    def _dies(self, at: str) -> bool:
        if self.happens(0.01):
            self.trace("machine dies", at)
            return True
        return False

    # One process

    def _process(self, number: int, *, calm: bool) -> str:
        self._calm, self._full, loop = calm, False, VirtualLoop()
        self._loop = loop
        asyncio.set_event_loop(loop)
        self.trace("process", number)
        place: list[BudgetPlace] = []
        dies_at_s = None if calm or self.dice.random() < 0.3 else self.dice.expovariate(1 / 40.0)
        try:
            main = loop.create_task(self._main(number, place))
            loop.run_until_complete(asyncio.wait([main], timeout=dies_at_s or INCARNATION_S_MAX))
            if self._error:
                raise self._error
            if main.done():
                ended = "died" if isinstance(main.exception(), Died) else main.result()
            else:
                assert dies_at_s is not None, f"stuck: not at an end after {INCARNATION_S_MAX:g} s"
                ended = "died"
        finally:
            self.simulated_s += loop.time()
            for one in place:
                one.release()
            loop.abandon()
            asyncio.set_event_loop(None)
        self.trace(ended)
        if self.dice.random() < 0.5:
            self.disk.machine_dies()
        else:
            self.disk.process_dies()
        return ended

    async def _main(self, number: int, places: list[BudgetPlace]) -> str:
        place = BudgetPlace(self.folder / "ledger", self.dice, lossy=not self._calm)
        places.append(place)
        directory, earlier = self._directory()
        fleet, budget, scenario = SimFleet(self, place), Budget(place), self.scenario
        agents = [_specialist(name, scenario.sessions) for name in scenario.agents]
        batch = Batch(id=BATCH, specialists=agents, model=_no_model, settings=scenario.settings)
        await open_account(budget, batch, earlier)
        driver = CheckedDriver(
            fleet=fleet,
            budget=budget,
            directory=directory,
            settings=scenario.settings if number == 0 else self._longer(scenario.settings),
            account=BATCH,
            finished=lambda run, state: self._run_finished(run, state, driver),
            telemetry=Telemetry(BATCH),
            clock=asyncio.get_running_loop().time,
            known=earlier.known if earlier else Known(),
            resumed=earlier is not None,
        )
        faults = asyncio.ensure_future(self._faults(fleet, place, driver))
        await driver.run(iter(scenario.runs), batch.host_specs(agents))
        faults.cancel()
        await fleet.close()
        await self._audit_money(budget, place, bool(driver.stopped))
        return "stopped" if driver.stopped else "finished"

    def _longer(self, settings: Settings) -> Settings:
        """A calm process has all the time that it needs."""
        from dataclasses import replace

        return replace(settings, batch_deadline_s=None, run_deadline_s=None) if self._calm else settings

    def _directory(self) -> tuple[RunDirectory, Earlier | None]:
        if "manifest.json" not in self.disk.names(""):
            directory = WatchedDirectory.create(self.disk, manifest={})
            known = None
        else:
            directory = WatchedDirectory.reopen(self.disk)
            self._audit_the_disk(directory)
            limit = Limit(self.scenario.settings.tokens_max, None)
            known = Earlier(Known.of(directory.outcomes()), limit)
        assert isinstance(directory, WatchedDirectory)
        directory.machine = self
        return directory, known

    async def _faults(self, fleet: SimFleet, place: BudgetPlace, driver: Driver) -> None:
        rate, dice = self.scenario.faults_per_s, self.dice
        while not self._calm and rate:
            await asyncio.sleep(dice.expovariate(rate))
            kind = dice.choice(("kill", "kill", "silent death", "stop", "budget", "budget", "disk", "signal"))
            self.trace("fault", kind)
            if kind == "budget":
                place.kill()
            elif kind == "disk" and dice.random() < 0.1:
                self._full = True
            elif kind == "signal" and dice.random() < 0.2:
                driver.stop("interrupted")
                asyncio.get_running_loop().call_later(60.0, self._must_have_stopped, driver)
            elif fleet.living:
                host = dice.choice(fleet.living)
                if kind == "stop":
                    fleet.stop_for(host, dice.uniform(0.1, 60.0))
                elif kind in ("kill", "silent death"):
                    fleet.kill(host, silently=kind != "kill")

    def _must_have_stopped(self, driver: Driver) -> None:
        self.broke(AssertionError(f"the batch was stopped ({driver.stopped}) and goes on"))

    def _run_finished(self, run: Run, state: State, driver: Driver) -> None:
        self.trace("finished", run.id)
        missing = [task.id for task in state.planned.values() if task.required and state.outcome(task.id) is None]
        assert not missing or driver.broken, f"{run.id} finished without {missing}"

    # The auditor

    def _audit_the_disk(self, directory: RunDirectory) -> None:
        """Nothing that was durable is missing or another, and each task has one row that counts."""
        found = dict(_rows(directory.effective().to_batches()))
        for task_id, row in self.finished_tasks.items():
            assert found.get(task_id) == row, f"{task_id} was durable and is {found.get(task_id)}"
        self.finished_tasks |= {task_id: row for task_id, row in found.items() if row[1] != "cancelled"}

    async def _audit_money(self, budget: Budget, place: BudgetPlace, stopped: bool) -> None:
        standing = (await budget.standing(BATCH)).of(BATCH)
        assert standing is not None
        place.desk._ledger.check()
        limit = standing.limit.tokens
        assert limit is None or standing.spent.tokens <= limit, f"{standing.spent} of {limit}"
        # Who stops in a hurry does not wait for a budget that restarts: the next process charges what is held.
        held = standing.held.tokens
        assert held == 0 or stopped, f"{held} tokens are still held at the end"
        assert self.billed_tokens <= standing.spent.tokens + held, f"{self.billed_tokens} billed, {standing} counted"

    def _audit_the_end(self) -> None:
        directory = RunDirectory.look(self.disk)
        self._audit_the_disk(directory)
        rows = dict(_rows(directory.effective().to_batches()))
        tasks = {task.id: task for task in self.scenario.tasks}
        assert rows.keys() <= tasks.keys()
        assert directory.effective().num_rows == len(rows)
        open_ids = [task_id for task_id in tasks if task_id not in rows]
        assert not open_ids, f"no outcome of {open_ids}"
        lost = {task_id for task_id, row in rows.items() if row[1] == "host_lost"}
        assert self.scenario.faults_per_s or lost <= self.poison, f"{lost - self.poison} were lost beside poison"
        directory.compact()
        assert dict(_rows(directory.effective().to_batches())) == rows, "Parquet says something else"


def _rows(batches: list[pa.RecordBatch]) -> Iterator[tuple[str, tuple[Any, ...]]]:
    for batch in batches:
        names = ("attempt", "status", "answer", "spent_tokens")
        columns = (batch.column(name).to_pylist() for name in names)
        yield from zip(batch.column("task_id").to_pylist(), zip(*columns, strict=True), strict=True)


def _specialist(name: str, sessions: int) -> Specialist:
    return Specialist(
        name=name,
        purpose="Finds.",
        prompt="Find.",
        output=Finding,
        resources=Resources(sessions_max=sessions),
        output_tokens_max=500,
    )


def _no_model(specialist: Specialist) -> OfflineModel:
    return OfflineModel(specialist.analyst)
