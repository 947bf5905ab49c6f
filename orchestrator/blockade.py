"""For a batch in one process: a thread that notices when the event loop is blocked for good, and has the last word.

Where hosts share the driver's process, one that blocks can be neither asked nor killed. The thread sees that a task
holds the loop, waits for as long as a host on Ray would be waited for at most, and then keeps what can be kept: what
sessions have finished, and that task as lost. What to do with the process is its caller's affair.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from orchestrator.clockwork import STOP_GRACE_S
from orchestrator.driver import Driver
from orchestrator.local import LocalFleet

log = logging.getLogger("muster.driver")

PAUSE_S = 0.25  # between two looks, and between two turns of the loop


@contextmanager
def guarded(
    driver: Driver, fleet: LocalFleet, *, interrupted: Callable[[], bool], blocked: Callable[[str], None]
) -> Iterator[None]:
    """For the time of the block a loop that is blocked for longer than deadline and grace is found out.

    `blocked` is then called from a thread, once, with a sentence; it may end the process. `interrupted` says that
    somebody wants the batch to end: then a blocked loop is not waited for.
    """
    loop = _Loop(asyncio.get_running_loop())
    thread = threading.Thread(target=_watch, args=(loop, driver, fleet, interrupted, blocked), daemon=True)
    thread.start()
    try:
        yield
    finally:
        loop.over.set()
        thread.join()


@dataclass(slots=True)
class _Loop:
    """An event loop that counts its turns."""

    loop: asyncio.AbstractEventLoop
    turns: int = 0
    over: threading.Event = field(default_factory=threading.Event)
    thread: int = field(default_factory=threading.get_ident)

    def __post_init__(self) -> None:
        self._turn()

    def _turn(self) -> None:
        self.turns += 1
        if not self.over.is_set():
            self.loop.call_later(PAUSE_S, self._turn)

    @property
    def is_traced(self) -> bool:
        """Whether somebody steps through it in a debugger."""
        frame = sys._current_frames().get(self.thread)
        while frame is not None:
            if frame.f_trace is not None:
                return True
            frame = frame.f_back
        return False


def _watch(
    loop: _Loop,
    driver: Driver,
    fleet: LocalFleet,
    interrupted: Callable[[], bool],
    blocked: Callable[[str], None],
) -> None:
    silent_s, turns = 0.0, 0
    began_s = time.monotonic()
    while not loop.over.wait(PAUSE_S):
        # A process that was stopped and goes on has not been silent for all that time.
        silent_s += min(time.monotonic() - began_s, 2 * PAUSE_S)
        began_s = time.monotonic()
        if loop.turns != turns or loop.is_traced:
            silent_s, turns = 0.0, loop.turns
            continue
        patience_s = STOP_GRACE_S if interrupted() else driver.patience_s
        if silent_s > patience_s and (interrupted() or fleet.at_work()):  # our own long work ends by itself
            blocked(_last_words(driver, fleet, silent_s, cancelled=interrupted()))
            return


def _last_words(driver: Driver, fleet: LocalFleet, silent_s: float, *, cancelled: bool) -> str:
    """Keep what can be kept, and say what has happened. A task that somebody wanted to end is not counted as lost."""
    held_by = fleet.at_work()
    why = f"held the event loop of the only process for {silent_s:.0f} s (longest deadline and grace)"
    try:
        driver.last_words(fleet.finished(), None if cancelled else held_by, why)
    except Exception as error:
        log.error("what sessions had finished is not kept: %s: %s", type(error).__name__, error)
    who = f"task {held_by!r}" if held_by else "something that is no task"
    return (
        f"{who} has held the event loop for {silent_s:.0f} s, and nothing else can go on in this process: "
        f"go on with `muster resume {driver.directory.shown}`, without --local, where a host that hangs is replaced"
    )
