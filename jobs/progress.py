"""What a person sees while a batch runs: one line on a terminal, a plain line every few seconds elsewhere."""

from __future__ import annotations

import os
import sys
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TextIO

from jobs.progress_line import Ceilings, line, row
from orchestrator.tally import Tally

TERMINAL_EVERY_S = 0.2
PLAIN_EVERY_S = 5.0
RATE_OVER_S = 30.0  # a batch that slows down shows it within half a minute
COLUMNS_DEFAULT = 80  # of a terminal that does not say
CLEAR = "\r\x1b[2K"  # what stands in the row, so that a line of the log or the next state replaces it


@dataclass(slots=True)
class Rate:
    """Runs a second over the last `RATE_OVER_S`, from at most a few hundred samples."""

    _samples: deque[tuple[float, int]] = field(default_factory=deque)

    def at(self, now_s: float, runs_finished: int) -> float:
        self._samples.append((now_s, runs_finished))
        while now_s - self._samples[0][0] > RATE_OVER_S and len(self._samples) > 2:
            self._samples.popleft()
        began_s, before = self._samples[0]
        return (runs_finished - before) / (now_s - began_s) if now_s > began_s else 0.0


@dataclass(slots=True)
class Progress:
    """Call it as often as you like; it writes now and then, and costs a look at the clock otherwise."""

    ceilings: Ceilings = field(default_factory=Ceilings)
    stream: TextIO = field(default_factory=lambda: sys.stderr)
    clock: Callable[[], float] = time.monotonic
    kind: str = field(default_factory=lambda: os.environ.get("TERM", ""))  # of terminal
    _rate: Rate = field(default_factory=Rate)
    _next_s: float | None = None
    _shown: bool = False

    def __call__(self, tally: Tally) -> None:
        now_s = self.clock()
        if self._next_s is not None and now_s < self._next_s:
            return
        terminal, first = rewritable(self.stream, self.kind), self._next_s is None
        self._next_s = now_s + (TERMINAL_EVERY_S if terminal else PLAIN_EVERY_S)
        runs_per_s = self._rate.at(now_s, tally.runs_finished)
        if terminal:
            self.stream.write(CLEAR + row(tally, self.ceilings, runs_per_s, self._columns()))
            self._shown = True
        elif not first:  # a batch that is over within seconds needs no line
            self.stream.write(line(tally, self.ceilings, runs_per_s) + "\n")
        self.stream.flush()

    def close(self) -> None:
        """Clear the line for what comes next."""
        if self._shown:
            self.stream.write(CLEAR)
            self.stream.flush()

    def _columns(self) -> int:
        try:
            return os.get_terminal_size(self.stream.fileno()).columns or COLUMNS_DEFAULT
        except (OSError, ValueError):
            return COLUMNS_DEFAULT


def rewritable(stream: TextIO, kind: str) -> bool:
    """Whether it is a terminal on which a row can be cleared. `kind` is what TERM says."""
    return stream.isatty() and kind not in ("", "dumb")
