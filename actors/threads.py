"""Threads for what blocks. Nobody waits for them at the end: a tool that hangs must not keep the program."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

BLOCKING_TOOLS_MAX = 16  # threads of a host, for tools that block

_lock = threading.Lock()
_busy = 0


class Threads(ThreadPoolExecutor):
    """A pool whose shutdown waits for nobody."""

    def __init__(self, threads_max: int = BLOCKING_TOOLS_MAX, *, name: str = "tool") -> None:
        super().__init__(threads_max, thread_name_prefix=name)

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        return super().submit(_counted, function, *arguments, **named)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = True) -> None:  # noqa: ARG002
        super().shutdown(wait=False, cancel_futures=cancel_futures)


def busy() -> int:
    """How many threads of all pools are at work: the interpreter would wait for them at its end."""
    return _busy


def _counted(function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    global _busy
    with _lock:
        _busy += 1
    try:
        return function(*arguments, **named)
    finally:
        with _lock:
            _busy -= 1
