"""Which processes outlive the one that started them."""

from __future__ import annotations

import time

from orchestrator.reaper import processes

MOMENT_S = 5.0  # many times what the reaper takes


def left_of(ours: dict[int, str]) -> list[int]:
    """Those of `ours` (process ids and start times) that are still there after a moment."""
    give_up_s = time.monotonic() + MOMENT_S
    while True:
        known = processes()
        left = [pid for pid, began in ours.items() if pid in known and known[pid][1] == began]
        if not left or time.monotonic() > give_up_s:
            return left
        time.sleep(0.05)
