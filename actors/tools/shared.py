"""What a host reads once for all of its sessions: a repository's log, an incident file, a server's series list."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Any, TypeVar, cast

T = TypeVar("T")


class Shared:
    """A bounded memo, safe between threads. The first caller loads, the others wait for it.

    A loader that raises is remembered too: a broken source is looked at once, not once per session.
    """

    def __init__(self, *, entries_max: int = 1024) -> None:
        self._entries_max = entries_max
        self._entries: OrderedDict[Hashable, Future[Any]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable, load: Callable[[], T]) -> T:
        """The value under `key`; `load()` makes it the first time. Raises what the loader raised."""
        with self._lock:
            known = self._entries.get(key)
            entry: Future[Any] = known if known is not None else Future()
            self._entries[key] = entry
            self._entries.move_to_end(key)
            while len(self._entries) > self._entries_max:
                self._entries.popitem(last=False)
        if known is None:
            try:
                entry.set_result(load())
            except BaseException as error:
                entry.set_exception(error)
        return cast(T, entry.result())
