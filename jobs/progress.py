"""What a person sees while a batch runs: one line on a terminal, a plain line every few seconds elsewhere."""

from __future__ import annotations

import os
import sys
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TextIO

from budget import dollars
from orchestrator.tally import Tally

TERMINAL_EVERY_S = 0.2
PLAIN_EVERY_S = 5.0
RATE_OVER_S = 30.0  # a batch that slows down shows it within half a minute
COLUMNS_DEFAULT = 100
CLEAR = "\r\x1b[2K"  # what stands in the row, so that a line of the log or the next state replaces it


@dataclass(frozen=True, slots=True, kw_only=True)
class Ceilings:
    """What a batch may come to; None is not known, or no limit."""

    runs: int | None = None
    tokens: int | None = None
    microusd: int | None = None


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
        said = line(tally, self.ceilings, self._rate.at(now_s, tally.runs_finished))
        if terminal:
            self.stream.write(CLEAR + fitting(said, self._columns()))
            self._shown = True
        elif not first:  # a batch that is over within seconds needs no line
            self.stream.write(said + "\n")
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


def line(tally: Tally, ceilings: Ceilings, runs_per_s: float) -> str:
    """Runs done, sub-agents done and in flight, failures by reason, spend against the ceilings, rate, time left."""
    ended = sum(tally.statuses.values())
    runs = "?" if ceilings.runs is None else f"{ceilings.runs:,}"
    failed = [f"{count:,} {reason}" for reason, count in sorted(tally.statuses.items()) if reason != "ok"]
    parts = [
        f"{tally.runs_finished:,}/{runs} runs",
        f"{ended:,} sub-agents, {tally.tasks_in_flight:,} in flight",
        *([f"failed: {', '.join(failed)}"] if failed else []),
        f"{tally.spent_tokens:,}{'' if ceilings.tokens is None else f' of {ceilings.tokens:,}'} tokens",
        dollars(tally.cost_microusd) + ("" if ceilings.microusd is None else f" of {dollars(ceilings.microusd)}"),
        f"{runs_per_s:,.1f} runs/s",
    ]
    if ceilings.runs is not None and runs_per_s > 0 and tally.runs_finished < ceilings.runs:
        parts.append(f"{duration((ceilings.runs - tally.runs_finished) / runs_per_s)} left")
    return " · ".join(parts)


def duration(seconds: float) -> str:
    """`45 s`, `12 min`, `3 h 20 min`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def fitting(said: str, columns: int) -> str:
    """A line that does not wrap: a terminal clears one row, not two."""
    return said if len(said) < columns else f"{said[: max(0, columns - 2)]}…"
