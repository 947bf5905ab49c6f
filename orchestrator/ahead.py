"""An embedded Ray, begun before it is needed: it takes seconds to start, and the input can be read meanwhile.

A process has one at a time, as Ray itself.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from orchestrator.reaper import Reaper, children

SWITCH_S = 0.000_5  # what starts Ray waits often and works little: it shall not wait for the interpreter as well


@dataclass(slots=True)
class Ahead:
    """Ray on its way up, in a thread that lives as long: what Ray starts ends with the thread that started it."""

    start: Callable[[], Reaper]
    _switch_s: float = field(default_factory=sys.getswitchinterval)
    _before: frozenset[int] = field(default_factory=children)
    _decided: threading.Event = field(default_factory=threading.Event)
    _over: threading.Event = field(default_factory=threading.Event)
    _reaper: Reaper | None = None
    _failed: BaseException | None = None

    def begin(self) -> None:
        sys.setswitchinterval(SWITCH_S)
        threading.Thread(target=self._live, name="ray", daemon=True).start()

    def ready(self) -> Reaper:
        """Waits until Ray is there. Gives who ends its processes; raises what Ray raised."""
        self._decided.wait()
        sys.setswitchinterval(self._switch_s)
        if self._reaper is None:
            self._over.set()
            assert self._failed is not None
            raise self._failed
        return self._reaper

    def end(self) -> None:
        """Ray is down, and the thread may end."""
        self._over.set()

    def abandon(self) -> None:
        """Kill what has been started until now. Ray cannot be used in this process any more, which is about to end."""
        Reaper(children() - self._before).close()

    def _live(self) -> None:
        try:
            self._reaper = self.start()
        except BaseException as error:
            self._failed = error
        self._decided.set()
        self._over.wait()


_begun: Ahead | None = None


def begin(start: Callable[[], Reaper]) -> None:
    """Begin to start Ray by `start`, which gives who ends what it started."""
    global _begun
    assert _begun is None, "a process has one Ray"
    _begun = Ahead(start)
    _begun.begin()


def taken() -> Ahead:
    """The Ray that was begun. Whoever takes it ends it."""
    global _begun
    assert _begun is not None, "begin comes first"
    ahead, _begun = _begun, None
    return ahead


def waiting() -> Ahead | None:
    """The Ray that was begun and that nobody has taken."""
    return _begun
