"""The asyncio edge of the brake: who may not call yet waits here, first come first served."""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from collections.abc import Callable

from actors.models.brake import Brake, Heard, Permit, Signal


class Gate:
    """One gate per model in one process, shared by all sessions there. Not safe between threads."""

    def __init__(
        self,
        brake: Brake,
        *,
        clock: Callable[[], float] = time.monotonic,
        random01: Callable[[], float] = random.random,
    ) -> None:
        self.brake = brake
        self._clock = clock
        self._random01 = random01
        self._waiters: deque[asyncio.Future[Permit]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def waiting(self) -> int:
        return sum(1 for waiter in self._waiters if not waiter.done())

    async def enter(self) -> Permit:
        """Leave to make one attempt; waits for it as long as it takes. Cancelling gives the place up at once."""
        if not self._waiters:
            permit = self.brake.ask(self._clock())
            if isinstance(permit, Permit):
                return permit
        waiter: asyncio.Future[Permit] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        self._admit()
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():  # admitted and cancelled in the same turn of the loop
                self.leave(waiter.result(), Heard(signal=Signal.NOTHING))
            else:
                waiter.cancel()
                self._admit()
            raise

    def leave(self, permit: Permit, heard: Heard) -> None:
        """Hand a permit back, with what came of the attempt."""
        self.brake.answered(permit, self._clock(), heard)
        if self._waiters:
            self._admit()

    def _admit(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._waiters:
            if self._waiters[0].done():
                self._waiters.popleft()
                continue
            permit = self.brake.ask(self._clock())
            if not isinstance(permit, Permit):
                self._wake_in(permit)
                return
            self._waiters.popleft().set_result(permit)

    def _wake_in(self, wait_s: float) -> None:
        """Look again after `wait_s`, and up to a tenth later: hosts that were stopped as one shall not start as one."""
        if wait_s != float("inf"):
            jittered_s = wait_s * (1 + 0.1 * self._random01())
            self._timer = asyncio.get_running_loop().call_later(jittered_s, self._admit)
