"""What SIGINT and SIGTERM do to a batch."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)
INTERRUPTED = 130  # exit status, as of a shell's Ctrl-C


@dataclass(slots=True, repr=False)  # the signal module writes a handler out to compare it
class Signals:
    """SIGINT and SIGTERM end the batch in good order; a second one ends the process at once.

    They are caught outside of the event loop, so that a second one also ends a process whose loop is blocked.
    """

    stop: Callable[[str], None]
    caught: str = ""
    _before: dict[int, Any] = field(default_factory=dict)
    _loop: asyncio.AbstractEventLoop = field(init=False)

    def __enter__(self) -> Signals:
        self._loop = asyncio.get_running_loop()
        if threading.current_thread() is threading.main_thread():  # others may not handle signals
            self._before = {number: signal.signal(number, self._caught) for number in SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            if not self.caught:  # what follows an interruption is short, and may be cut short
                signal.signal(number, handler)

    def _caught(self, number: int, _: object) -> None:
        if self.caught:
            os._exit(INTERRUPTED)
        self.caught = signal.Signals(number).name
        self._loop.call_soon_threadsafe(self.stop, f"interrupted by {self.caught}")
