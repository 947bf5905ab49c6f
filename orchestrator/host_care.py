"""Hosts come, hang and die: those that are gone are replaced, and charged for before their tasks go again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from orchestrator import clockwork, moves
from orchestrator.books import Books
from orchestrator.clockwork import Clockwork
from orchestrator.endings import Endings
from orchestrator.fleets import Lost, Ready
from orchestrator.hands import Hands
from orchestrator.losses import Losses
from orchestrator.runs import Runs

PREFETCH = 4  # a host may hold this many times the tasks that it runs at once, and
PREFETCH_MAX = 1_024  # so many more than those, at most: the others are for hosts that are not ready yet
CAPACITY_MIN = 16


@dataclass(slots=True)
class HostCare:
    """The hosts of one batch."""

    hands: Hands
    clockwork: Clockwork
    books: Books
    endings: Endings
    runs: Runs
    losses: Losses
    clock: Callable[[], float]

    def ready(self, ready: Ready, now_s: float) -> None:
        """A host can take tasks."""
        self.losses.ready(ready.host, ready.agent)
        self.clockwork.step(clockwork.HostIsReady(ready.host))
        said = moves.HostReady(
            host=ready.host,
            agent=ready.agent,
            capacity=capacity_of(ready.sessions_max),
            sessions_max=ready.sessions_max,
            now_s=now_s,
        )
        self.hands.step(said)

    def is_late(self, host: str) -> None:
        """A host is not ready after a while: if it never will be, the batch ends."""
        self.endings.stop_if(self.losses.not_ready(host))

    async def replace(self, lost: Sequence[Lost], now_s: float) -> None:
        """Those that died, and those that say nothing any more."""
        for one in lost:
            self.endings.stop_if(self.losses.died(one.host, one.message))
            await self._replace([one.host])
            self.hands.step(moves.HostLost(one.host))
        await self._replace_hung(self.hands.dispatch.step(moves.Tick(now_s)))

    async def _replace_hung(self, instructions: Sequence[moves.Instruction]) -> None:
        hung = [instruction.host for instruction in instructions if isinstance(instruction, moves.Replace)]
        self.hands.carry_out([one for one in instructions if not isinstance(one, moves.Replace)])
        if not hung:
            return
        blamed = await self.losses.blamed(hung)
        await self._replace(hung)
        for host, task_id in zip(hung, blamed, strict=True):
            self.hands.step(moves.HostLost(host, silent=True, blamed=task_id))

    async def _replace(self, hosts: Sequence[str]) -> None:
        for host in hosts:
            self.clockwork.step(clockwork.HostStarted(self.hands.fleet.replace(host), self.clock()))
            self.clockwork.step(clockwork.HostGone(host, self.clock()))
        await self.books.charge(hosts, self.runs, hurry=lambda: bool(self.endings.stopped))


def capacity_of(sessions_max: int) -> int:
    """How many unanswered tasks a host may hold that runs so many at once."""
    return max(CAPACITY_MIN, sessions_max + min(PREFETCH_MAX, (PREFETCH - 1) * sessions_max))
