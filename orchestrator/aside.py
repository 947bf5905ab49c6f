"""A coroutine in an event loop of its own, in a thread, for who has a loop already."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any, TypeAlias, TypeVar

T = TypeVar("T")

_Begun: TypeAlias = "Future[tuple[asyncio.AbstractEventLoop, asyncio.Task[Any]]]"


async def aside(work: Coroutine[Any, Any, T]) -> T:
    """What `work` comes to. Cancelling who awaits it cancels `work`, and waits until that has ended."""
    begun: _Begun = Future()
    ended: Future[T] = Future()
    context = contextvars.copy_context()
    threading.Thread(target=context.run, args=(_run, work, begun, ended), name="muster", daemon=True).start()
    awaited = asyncio.wrap_future(ended)
    try:
        return await asyncio.shield(awaited)
    except asyncio.CancelledError:
        if not ended.done():
            loop, task = await asyncio.wrap_future(begun)
            loop.call_soon_threadsafe(task.cancel)
            await asyncio.gather(awaited, return_exceptions=True)
        raise


def _run(work: Coroutine[Any, Any, T], begun: _Begun, ended: Future[T]) -> None:
    async def main() -> T:
        task = asyncio.current_task()
        assert task is not None
        begun.set_result((asyncio.get_running_loop(), task))
        return await work

    try:
        ended.set_result(asyncio.run(main()))
    except BaseException as error:
        ended.set_exception(error)
