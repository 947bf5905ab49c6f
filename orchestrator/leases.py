"""Who works on a run directory in an object store: leases, an object each, which their holders renew.

No store is asked for more than that a listing shows what was written before it (S3 promises that since 2020). Whoever
wants the directory writes a lease and then lists: of two who come at once at least one sees the other, so never do both
find themselves alone. Ages are told by the store's own times, so that clocks of machines need not agree.
"""

from __future__ import annotations

import json
import os
import threading
import time
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from actors.threads import Threads

LAPSE_S = 120.0  # a lease that was not renewed for so long is nobody's
RENEW_S = 20.0
SURE_S = 90.0  # after a renewal its holder may write without asking: less than LAPSE_S by a slow request
TURN_S = 3.0  # two who come at once settle who waits within this time


class Lease(NamedTuple):
    """Somebody's lease, as the store has it. `at_s` is when it was renewed, on the store's clock."""

    token: str
    at_s: float
    said: Mapping[str, Any]


class Shelf(Protocol):
    """Where leases lie. Errors of the store pass as OSError."""

    def write_lease(self, token: str, said: bytes) -> None: ...

    def leases(self) -> list[Lease]: ...

    def remove_lease(self, token: str) -> None: ...


@dataclass(slots=True)
class Leasing:
    """This process's lease on one directory."""

    shelf: Shelf
    token: str = field(default_factory=lambda: uuid.uuid4().hex)
    lost: bool = False
    _renewed_s: float = 0.0  # on a clock that goes on while this machine sleeps; 0: not held
    _turn: threading.Lock = field(default_factory=threading.Lock)
    _over: threading.Event = field(default_factory=threading.Event)

    def take(self) -> bool:
        """Whether the directory is this process's now."""
        self._write(held=False)
        give_up_s = _now_s() + TURN_S
        while others := self._others():
            first = min(one.token for one in others) > self.token and not any(one.said.get("held") for one in others)
            if not first or _now_s() > give_up_s:
                self.shelf.remove_lease(self.token)
                return False
            time.sleep(0.1)  # whoever came at the same moment, and is not the first of us, goes
        self._write(held=True)
        self._renewed_s = _now_s()
        self._over.clear()
        threading.Thread(target=self._keep, name="muster-lease", daemon=True).start()
        return True

    def taken(self) -> bool:
        """Whether another process has the directory, as far as a look tells."""
        return any(one.token != self.token and not _gone(one, time.time()) for one in self.shelf.leases())

    def check(self) -> None:
        """Before each write of the holder. Raises OSError when the directory may be another's by now."""
        if self._renewed_s and _now_s() - self._renewed_s > SURE_S:
            self._renew()
        if self.lost:
            raise OSError("another process has taken it over")

    def release(self, *, silently: bool = False) -> None:
        """Let others have the directory; `silently`: without a word to the store."""
        self._over.set()
        if silently:
            return
        with self._turn:
            if self._renewed_s and not self.lost:
                self.shelf.remove_lease(self.token)
            self._renewed_s = 0.0

    def _keep(self) -> None:
        """Renew until it is over. A request that is under way then is one that the process does not wait for."""
        pool = Threads(1, name="muster-lease")
        while not self._over.wait(RENEW_S):
            with suppress(OSError, RuntimeError):  # whoever writes next is told, if it lasts; or Python is ending
                pool.submit(self._renew).result()

    def _renew(self) -> None:
        with self._turn:
            if not self._renewed_s or self.lost:
                return
            lapsed = _now_s() - self._renewed_s > SURE_S
            self._write(held=not lapsed)
            if lapsed and self._others():
                self.lost = True
                self.shelf.remove_lease(self.token)
                return
            self._renewed_s = _now_s()

    def _write(self, *, held: bool) -> None:
        self.shelf.write_lease(self.token, json.dumps({**_here(), "held": held}).encode())

    def _others(self) -> list[Lease]:
        """Leases of others that count; those of processes that are gone are removed."""
        found = self.shelf.leases()
        own_s = next((one.at_s for one in found if one.token == self.token), time.time())
        others = [one for one in found if one.token != self.token]
        gone = [one for one in others if _gone(one, own_s)]
        for one in gone:
            self.shelf.remove_lease(one.token)
        return [one for one in others if one not in gone]


def _gone(lease: Lease, now_s: float) -> bool:
    """Whether its holder is: it has not been heard of for long, or was a process of this machine and is none now."""
    here = _here()
    if lease.said.get("machine") == here["machine"] and here["machine"]:
        return _started(lease.said.get("pid")) != lease.said.get("started")
    return now_s - lease.at_s > LAPSE_S


def _here() -> dict[str, Any]:
    return {"machine": _machine(), "pid": os.getpid(), "started": _started(os.getpid())}


def _machine() -> str:
    """This boot of this machine, and its container's processes: within it a process is known by number and start."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip() + os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""


def _started(pid: object) -> str | None:
    """When a process of this machine began, in the kernel's ticks; None for one that has ended."""
    try:
        told = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if told[0] == "Z" else told[19]


def _now_s() -> float:
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))
