"""One timer for all sessions of a host: thousands of deadlines cost no more than the next one."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush

ENDED_KEPT_MAX = 1_024  # deadlines of sessions that are over, beside as many as are under way


@dataclass(slots=True)
class Deadlines:
    """Cancels sessions whose time is up. Only for tasks of one event loop."""

    _due: list[tuple[float, int, str]] = field(default_factory=list)
    _sessions: dict[str, tuple[int, asyncio.Task[object]]] = field(default_factory=dict)
    _expired: set[str] = field(default_factory=set)
    _timer: asyncio.TimerHandle | None = None
    _count: int = 0
    _loop: asyncio.AbstractEventLoop | None = None

    def begin(self, key: str, deadline_s: float) -> None:
        """The current task is cancelled in `deadline_s` seconds, unless it says `end` before."""
        loop = self._loop = self._loop or asyncio.get_running_loop()
        session = asyncio.current_task(loop)
        assert session is not None
        self._count += 1
        self._sessions[key] = (self._count, session)
        heappush(self._due, (loop.time() + deadline_s, self._count, key))
        if self._due[0][1] == self._count:
            self._wait()

    def end(self, key: str) -> bool:
        """The session is over. Whether its time was up."""
        self._sessions.pop(key, None)
        if len(self._due) > ENDED_KEPT_MAX + 2 * len(self._sessions):
            self._due = [due for due in self._due if self._sessions.get(due[2], (0,))[0] == due[1]]
            heapify(self._due)
        expired = key in self._expired
        self._expired.discard(key)
        return expired

    def _wait(self) -> None:
        """Set the timer for the next deadline that still matters."""
        while self._due and self._sessions.get(self._due[0][2], (0,))[0] != self._due[0][1]:
            heappop(self._due)
        if self._timer is not None:
            self._timer.cancel()
        loop = asyncio.get_running_loop()
        self._timer = loop.call_at(self._due[0][0], self._ring) if self._due else None

    def _ring(self) -> None:
        now_s = asyncio.get_running_loop().time()
        while self._due and self._due[0][0] <= now_s:
            _, number, key = heappop(self._due)
            known = self._sessions.get(key)
            if known is not None and known[0] == number:
                self._expired.add(key)
                known[1].cancel()
        self._timer = None
        self._wait()
