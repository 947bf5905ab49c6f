"""Ctrl-C outside of a batch, which has its own way with it: one line and status 130, whenever it comes."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

STATUS = 130  # as of a shell's Ctrl-C
SAID = "muster: interrupted"


def end_at_once() -> None:
    """From here on it ends the process: nothing is held, and an import that it broke into might not let it through."""
    _handle(_end)


@contextmanager
def unwinding() -> Iterator[None]:
    """Within, it is a KeyboardInterrupt, and what is held is released."""
    _handle(signal.default_int_handler)
    try:
        yield
    finally:
        end_at_once()


def _handle(handler: Callable[[int, FrameType | None], Any]) -> None:
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:  # as a shell has it for what runs in the background
        signal.signal(signal.SIGINT, handler)


def _end(*_: object) -> None:
    with suppress(OSError):
        os.write(2, f"{SAID}\n".encode())
    os._exit(STATUS)
