"""Hosts that hang, die or never come: who is to blame, what replaces them, and when the batch cannot go on."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from orchestrator.fleets import Fleet

log = logging.getLogger("muster.driver")

STILLBORN_MAX = 5  # hosts of an agent that die, one after the other, before any of them is ready


@dataclass(slots=True)
class Losses:
    """What became of a fleet's hosts."""

    fleet: Fleet
    _ready: set[str] = field(default_factory=set)
    _stillborn: Counter[str] = field(default_factory=Counter)  # by agent: hosts that died before they were ready
    _there: set[str] = field(default_factory=set)  # agents that have had a host that was ready
    _warned: set[str] = field(default_factory=set)  # agents whose hosts found no place

    def ready(self, host: str, agent: str) -> None:
        self._ready.add(host)
        self._stillborn[agent] = 0
        self._there.add(agent)

    def died(self, host: str, message: str) -> str:
        """A host died. Gives why the batch is to end, when there is no use in starting another."""
        log.warning("host lost host=%s error=%s", host, message)
        agent = host.rpartition("-")[0]
        self._stillborn[agent] += host not in self._ready
        if self._stillborn[agent] < STILLBORN_MAX:
            return ""
        return f"{STILLBORN_MAX} hosts of {agent!r} died before they were ready, the last one of: {message}"

    async def blamed(self, hosts: Sequence[str]) -> list[str | None]:
        """For each host that hangs the task that holds its event loop, where that can be known."""
        blamed = await asyncio.gather(*map(self.fleet.blame, hosts))
        for host, task in zip(hosts, blamed, strict=True):
            log.warning("host hangs, and is replaced host=%s held_by=%s", host, task or "nobody knows")
        return blamed

    def not_ready(self, host: str) -> str:
        """A host is not ready after a while: says so, once an agent. Gives why the batch is to end, if it never is.

        An agent's second host may wait for room: the first one works.
        """
        agent = host.rpartition("-")[0]
        why = self.fleet.unplaced(host)
        if why is None or agent in self._warned or (agent in self._there and not why.never):
            return ""
        self._warned.add(agent)
        log.warning("%s", why.message)
        return why.message if why.never else ""
