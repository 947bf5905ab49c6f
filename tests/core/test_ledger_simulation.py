"""Many commands by seed: a crowd of hosts that crash, repeat themselves and report late, audited throughout."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import pytest

from budget.commands import (
    Answer,
    Close,
    Command,
    ExpireOwner,
    Extend,
    Open,
    Reconcile,
    Reserve,
    Verdict,
    Withdraw,
)
from budget.ledger import BudgetLedger
from budget.snapshot import restored, snapshot

TOKENS, MICROUSD = 400_000, 900_000


@dataclass
class Crowd:
    """Runs open, their tasks reserve, spend and reconcile, hosts die, calls arrive twice or late. All by one seed.

    `billed` is what a provider would have counted by itself: it never asks the ledger.
    """

    seed: int
    ledger: BudgetLedger = field(default_factory=BudgetLedger)
    billed_tokens: int = 0
    billed_microusd: int = 0
    commands: int = 0
    runs: int = 0
    tasks: int = 0
    deaths: int = 0
    hosts: list[str] = field(default_factory=lambda: [f"host-{n}" for n in range(8)])
    open_runs: list[str] = field(default_factory=list)
    running: dict[str, tuple[str, int, int]] = field(default_factory=dict)  # hold -> owner, what it may still bill
    names: list[str] = field(default_factory=list)
    spent: dict[str, tuple[int, int]] = field(default_factory=dict)
    late: list[Command] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.say(Open("shared", None, TOKENS, MICROUSD))
        self.say(Open("batch", "shared", TOKENS * 9 // 10, None))

    def say(self, command: Command) -> Answer:
        self.commands += 1
        answer = self.ledger.apply(command)
        for hold_id, decision in answer.decided:
            self._decided(hold_id, decision.verdict)
        if self.random.random() < 0.05:
            self.late.append(command)
        return answer

    def step(self) -> None:
        kind = self.random.random()
        if kind < 0.08 or not self.open_runs:
            self._open_run()
        elif kind < 0.45:
            self._reserve()
        elif kind < 0.50 and self.late:
            self.say(self.late.pop(self.random.randrange(len(self.late))))
        elif kind < 0.505:
            self._host_dies()
        elif kind < 0.53:
            self._end_run()
        elif self.running:
            self._go_on(self._somebody())

    def _somebody(self) -> str:
        """Any of those who run or wait. The list also has some who have ended; they are dropped when met."""
        while True:
            place = self.random.randrange(len(self.names))
            self.names[place], self.names[-1] = self.names[-1], self.names[place]
            if self.names[-1] in self.running:
                return self.names[-1]
            self.names.pop()

    def _open_run(self) -> None:
        self.runs += 1
        limit = self.random.choice([None, 2000])
        self.say(Open(f"run-{self.runs}", "batch", limit, None, ()))
        self.open_runs.append(f"run-{self.runs}")

    def _end_run(self) -> None:
        self.say(Close(self.open_runs.pop(self.random.randrange(len(self.open_runs)))))

    def _reserve(self) -> None:
        self.tasks += 1
        run = self.random.choice(self.open_runs)
        tokens, microusd = self.random.randint(0, 900), self.random.randint(0, 1500)
        owner = self.random.choice(self.hosts)
        hold_id, waits = f"t{self.tasks}", self.random.random() < 0.8
        self.running[hold_id] = (owner, -1, -1)
        self.names.append(hold_id)
        said = Reserve(hold_id, run, tokens, microusd, owner, int(run.split("-")[1]), waits)
        self._decided(hold_id, self.say(said).verdict)

    def _decided(self, hold_id: str, verdict: Verdict) -> None:
        if verdict is Verdict.HELD and hold_id in self.running and self.running[hold_id][1] < 0:
            hold = self.ledger.holds[hold_id]
            self.running[hold_id] = (hold.owner, hold.tokens, hold.microusd)
            self.spent[hold_id] = (0, 0)
        elif verdict is not Verdict.WAITING and verdict is not Verdict.HELD:
            self.running.pop(hold_id, None)

    def _go_on(self, hold_id: str) -> None:
        """A running task bills a little, asks for more, or ends; one that waits may lose patience."""
        _, tokens, microusd = self.running[hold_id]
        if tokens < 0:
            if self.random.random() < 0.05:
                del self.running[hold_id]
                self.say(Withdraw(hold_id))
        elif self.random.random() < 0.4:
            self._bill(hold_id, self.random.randint(0, tokens), self.random.randint(0, microusd))
        elif self.random.random() < 0.1:
            hold = self.ledger.holds[hold_id]
            if self.say(Extend(hold_id, hold.tokens + 50, hold.microusd)).verdict is Verdict.HELD:
                self.running[hold_id] = (self.running[hold_id][0], tokens + 50, microusd)
        else:
            del self.running[hold_id]
            self.say(Reconcile(hold_id, *self.spent[hold_id]))

    def _bill(self, hold_id: str, tokens: int, microusd: int) -> None:
        owner, left_tokens, left_microusd = self.running[hold_id]
        self.running[hold_id] = (owner, left_tokens - tokens, left_microusd - microusd)
        spent = self.spent[hold_id]
        self.spent[hold_id] = (spent[0] + tokens, spent[1] + microusd)
        self.billed_tokens += tokens
        self.billed_microusd += microusd

    def _host_dies(self) -> None:
        """Its tasks bill no more, and only some of its reconciliations come through, after the charge."""
        self.deaths += 1
        owner = self.hosts.pop(self.random.randrange(len(self.hosts)))
        self.hosts.append(f"host-{8 + self.deaths}")
        lost = [hold_id for hold_id, running in self.running.items() if running[0] == owner]
        for hold_id in lost:
            running = self.running.pop(hold_id)
            if running[1] >= 0 and self.random.random() < 0.3:
                self.late.append(Reconcile(hold_id, *self.spent[hold_id]))
        self.say(ExpireOwner(owner))

    def is_spent(self) -> bool:
        """Nothing runs, and next to nothing could."""
        return self.ledger.accounts["batch"].free_tokens < 1000 and not self.running

    def audit(self) -> None:
        """The provider's meter against the ledger: billed <= spent and held, and that within every limit."""
        self.ledger.check()
        shared = self.ledger.accounts["shared"]
        assert not shared.overrun
        assert self.billed_tokens <= shared.spent_tokens + shared.held_tokens <= TOKENS
        assert self.billed_microusd <= shared.spent_microusd + shared.held_microusd <= MICROUSD
        again = restored(snapshot(self.ledger))
        again.check()
        assert snapshot(again) == snapshot(self.ledger)


def simulate(seed: int, commands: int, *, audit_every: int) -> list[Crowd]:
    """Crowds, one after the other: a ceiling that is used up tests little, so a new crowd begins under a new one."""
    seeds = random.Random(seed)
    crowds = [Crowd(seeds.randrange(2**32))]
    while sum(crowd.commands for crowd in crowds) < commands:
        crowd = crowds[-1]
        crowd.step()
        if crowd.commands % audit_every == 0:
            crowd.audit()
        if crowd.is_spent():
            crowd.audit()
            crowds.append(Crowd(seeds.randrange(2**32)))
    crowds[-1].audit()
    return crowds


@pytest.mark.parametrize("seed", range(3))
def test_a_crowd_of_hosts_never_passes_the_ceiling(seed: int) -> None:
    """10,000 commands a seed; the seed replays them."""
    crowds = simulate(seed, 10_000, audit_every=500)

    assert sum(crowd.tasks for crowd in crowds) > 1000
    assert any(crowd.deaths for crowd in crowds)


def test_the_same_seed_gives_the_same_ledger() -> None:
    """No clock, no chance and no order of memory is in it."""
    first, second = (snapshot(simulate(7, 3000, audit_every=3000)[-1].ledger) for _ in range(2))

    assert first == second


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 110))
def test_a_million_commands_over_ten_seeds_never_pass_the_ceiling(seed: int) -> None:
    """100,000 a seed."""
    crowds = simulate(seed, 100_000, audit_every=2000)

    assert sum(crowd.commands for crowd in crowds) >= 100_000
