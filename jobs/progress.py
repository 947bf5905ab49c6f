"""What a person sees while a batch runs: one line on a terminal, a plain line every few seconds elsewhere."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field
from typing import TextIO

from budget import dollars
from orchestrator.driver import Tally

TERMINAL_EVERY_S = 0.2
PLAIN_EVERY_S = 5.0


@dataclass(slots=True)
class Progress:
    """Call it as often as you like; it writes now and then. `runs` is the number planned, where it is known."""

    runs: int | None = None
    tokens_max: int | None = None
    stream: TextIO = field(default_factory=lambda: sys.stderr)
    _began_s: float = field(default_factory=time.monotonic)
    _next_s: float = 0.0
    _shown: bool = False

    def __call__(self, tally: Tally) -> None:
        now_s = time.monotonic()
        if now_s < self._next_s:
            return
        terminal = self.stream.isatty()
        first = self._next_s == 0.0
        self._next_s = now_s + (TERMINAL_EVERY_S if terminal else PLAIN_EVERY_S)
        if terminal:
            self.stream.write(f"\r\x1b[2K{line(tally, self.runs, self.tokens_max, now_s - self._began_s)}")
            self._shown = True
        elif not first:
            self.stream.write(line(tally, self.runs, self.tokens_max, now_s - self._began_s) + "\n")
        self.stream.flush()

    def close(self) -> None:
        """Clear the line for what comes next."""
        if self._shown:
            self.stream.write("\r\x1b[2K")
            self.stream.flush()


def line(tally: Tally, runs: int | None, tokens_max: int | None, elapsed_s: float) -> str:
    """Runs done, sub-agents done and in flight, failures by reason, spend against the ceiling, rate, time left."""
    ended = sum(tally.statuses.values())
    rate = tally.runs_finished / elapsed_s if elapsed_s > 0 else 0.0
    parts = [f"{tally.runs_finished}/{runs if runs is not None else '?'} runs", f"{ended} sub-agents"]
    parts += [f"{tally.tasks_planned - ended} open"]
    parts += [f"{count} {reason}" for reason, count in sorted(tally.statuses.items()) if reason != "ok"]
    ceiling = f" of {tokens_max:,}" if tokens_max is not None else ""
    parts += [f"{tally.spent_tokens:,}{ceiling} tokens", dollars(tally.cost_microusd), f"{rate:.1f} runs/s"]
    if runs is not None and rate > 0 and tally.runs_finished < runs:
        parts += [f"{(runs - tally.runs_finished) / rate:.0f} s left"]
    return " · ".join(parts)
