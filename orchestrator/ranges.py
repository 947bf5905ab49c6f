"""Which numbers a batch can be set to: told in the same words to a program, an option, a variable and a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

MICRO = 1_000_000  # micro-dollars in a dollar
# What a ledger counts ends at 2**62 (`UNLIMITED` in budget/money.py); this is below it, and can be read.
AMOUNT_MAX = 10**18
TOKENS_PER_RUN_MAX = 10**10  # so that a hundred million runs together stay below what a ledger counts
SECONDS_MAX = 10**9  # 31 years; what waits for longer fails on some platforms (threading.TIMEOUT_MAX is 292 years)
# Model calls go into a column of 32 bits, and sub-agents at once into Ray's count of calls at once, which has as many.
COUNT_MAX = 1_000_000
PROCESSES_MAX = 1_000  # hosts of one specialist, and drivers: each is a process on Ray
RUNS_AHEAD_MAX = 10**9  # more than any batch has: all of its runs at once


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """Numbers from `least` to `most`, both among them; with `above`, `least` is not."""

    most: float
    least: float = 1
    whole: bool = True
    above: bool = False

    def __contains__(self, value: object) -> bool:
        if isinstance(value, bool) or not isinstance(value, int if self.whole else int | float):
            return False
        return (self.least < value if self.above else self.least <= value) and value <= self.most

    def __str__(self) -> str:
        kind = "a whole number" if self.whole else "a number"
        if self.above:
            return f"{kind} above {_plain(self.least)}, and at most {_plain(self.most)}"
        return f"{kind} from {_plain(self.least)} to {_plain(self.most)}"


def _plain(number: float) -> str:
    """As people write it: `1,000,000`, `0.000001`."""
    return f"{number:,}" if isinstance(number, int) else f"{number:,.6f}".rstrip("0").rstrip(".")


_COUNT = Range(most=COUNT_MAX)
_PROCESSES = Range(most=PROCESSES_MAX)
_AMOUNT = Range(most=AMOUNT_MAX)
_SECONDS = Range(least=0, most=SECONDS_MAX, whole=False, above=True)

# By the settings' names.
RANGES: Mapping[str, Range] = {
    "sessions_max": _COUNT, "deadline_s": _SECONDS, "turns_max": _COUNT,
    "tokens_per_run": Range(most=TOKENS_PER_RUN_MAX), "grace_s": _SECONDS, "runs_ahead": Range(most=RUNS_AHEAD_MAX),
    "hosts_per_agent": _PROCESSES, "drivers": _PROCESSES, "tokens_max": _AMOUNT, "microusd_max": _AMOUNT,
    "batch_deadline_s": _SECONDS, "run_deadline_s": _SECONDS, "watchdog_turns": _COUNT,
    "min_fraction": Range(least=0, most=1, whole=False),
}  # fmt: skip
PERCENT = Range(most=100)
DOLLARS = Range(least=1 / MICRO, most=AMOUNT_MAX // MICRO, whole=False)
