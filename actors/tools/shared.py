"""What a host reads once for all of its sessions: a repository's log, an incident file, a server's series list."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from concurrent.futures import Future
from typing import Any, TypeVar, cast

from actors.foreign import trace

log = logging.getLogger("muster.host")

CLOSE_S = 5.0  # what is not released by then goes with the process

T = TypeVar("T")


class Shared:
    """A bounded memo, safe between threads. The first caller loads, the others wait for it.

    A loader that raises is remembered too: a broken source is looked at once, not once per session. What was not
    looked at for longest is forgotten first, beyond `entries_max` values or, where `bytes_of` tells how large each is,
    beyond `bytes_max` of them all.
    """

    def __init__(
        self, *, entries_max: int = 1024, bytes_max: int = 0, bytes_of: Callable[[Any], int] | None = None
    ) -> None:
        self._entries_max = entries_max
        self._bytes_max = bytes_max
        self._bytes_of = bytes_of
        self._bytes: dict[Hashable, int] = {}
        self._entries: OrderedDict[Hashable, Future[Any]] = OrderedDict()
        self._lock = threading.Lock()
        self._loading: set[asyncio.Task[None]] = set()
        self._closers: list[Callable[[], Awaitable[None]]] = []

    def get(self, key: Hashable, load: Callable[[], T]) -> T:
        """The value under `key`; `load()` makes it the first time. Raises what the loader raised."""
        entry, first = self._entry(key)
        if first:
            try:
                entry.set_result(self._weighed(key, load()))
            except BaseException as error:
                entry.set_exception(error)
        return cast(T, entry.result())

    async def get_async(self, key: Hashable, load: Callable[[], Awaitable[T]]) -> T:
        """As `get`, for a loader that awaits. It outlives a caller that is cancelled: others wait for it as well."""
        entry, first = self._entry(key)
        if first:
            task = asyncio.ensure_future(_fill(entry, load))
            self._loading.add(task)
            task.add_done_callback(self._loading.discard)
        loaded = asyncio.wrap_future(entry)
        loaded.add_done_callback(_seen)  # also when nobody waits any more
        return cast(T, await asyncio.shield(loaded))

    def on_close(self, closer: Callable[[], Awaitable[None]]) -> None:
        """Have `closer` awaited when the host ends, the last one first."""
        self._closers.append(closer)

    async def close(self) -> None:
        """Stop what is still loading and release what was opened. Called once, in the host's loop; raises nothing."""
        loading = list(self._loading)
        for task in loading:
            task.cancel()
        await asyncio.gather(*loading, return_exceptions=True)
        while self._closers:
            await _release(self._closers.pop())

    def _entry(self, key: Hashable) -> tuple[Future[Any], bool]:
        """The entry under `key`, and whether this caller has to fill it."""
        with self._lock:
            known = self._entries.get(key)
            entry: Future[Any] = known if known is not None else Future()
            self._entries[key] = entry
            self._entries.move_to_end(key)
            while len(self._entries) > self._entries_max:
                self._forget()
        return entry, known is None

    def _weighed(self, key: Hashable, value: T) -> T:
        """`value`, for which older ones make room. The one that was loaded last stays, however large."""
        if self._bytes_of is not None:
            size = self._bytes_of(value)
            with self._lock:
                if key in self._entries:
                    self._entries.move_to_end(key)
                    self._bytes[key] = size
                while sum(self._bytes.values()) > self._bytes_max and len(self._entries) > 1:
                    self._forget()
        return value

    def _forget(self) -> None:
        key, _ = self._entries.popitem(last=False)
        self._bytes.pop(key, None)


async def _release(closer: Callable[[], Awaitable[None]]) -> None:
    """Whatever comes of it: the outcomes that are there must not be lost with it."""
    try:
        async with asyncio.timeout(CLOSE_S):
            await closer()
    except asyncio.CancelledError:
        raise
    except BaseException as error:
        log.warning("not closed\n%s", trace(error))


async def _fill(entry: Future[Any], load: Callable[[], Awaitable[Any]]) -> None:
    try:
        entry.set_result(await load())
    except asyncio.CancelledError:
        entry.cancel()
        raise
    except BaseException as error:
        entry.set_exception(error)


def _seen(loaded: asyncio.Future[Any]) -> None:
    """An error that a cancelled caller no longer waits for is no news: others get it from the entry."""
    if not loaded.cancelled():
        loaded.exception()
