"""A store that does not answer is left alone for a while: every request waits out its tries, and ending takes many."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

SILENT_S = 2.0  # an error that took so long to come is no answer: one that is refused comes at once
REST_S = 20.0  # for which nothing is asked then: a batch that ends because of it has ended by that time


@dataclass(slots=True)
class Silence:
    """Whether a store answers. Ask it inside `asked`."""

    clock: Callable[[], float] = time.monotonic
    _said: str = ""  # what the request came to that nobody answered
    _rests_until_s: float = 0.0

    @property
    def lasts(self) -> bool:
        return bool(self._said) and self.clock() < self._rests_until_s

    @contextmanager
    def asked(self) -> Iterator[None]:
        """Around a request. Raises OSError without making it, while the store is left alone."""
        if self.lasts:
            raise OSError(self._said)
        began_s = self.clock()
        try:
            yield
        except OSError as error:
            ended_s = self.clock()
            if ended_s - began_s >= SILENT_S:
                self._said, self._rests_until_s = str(error) or "no answer", ended_s + REST_S
            raise
        self._said = ""
