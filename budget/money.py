"""Amounts and limits: tokens and whole micro-dollars, side by side."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, TypeAlias

from budget.errors import BudgetError

UNLIMITED = 1 << 62  # stands for "no limit" inside the sums; above any bill in tokens or micro-dollars


@dataclass(frozen=True, slots=True)
class Amount:
    """What something costs, or may cost. `microusd` is None when the cost is unknown: unknown, not nothing.

    Raises: BudgetError, when a number is negative or not whole.
    """

    tokens: int
    microusd: int | None

    def __post_init__(self) -> None:
        if type(self.tokens) is not int or not 0 <= self.tokens < UNLIMITED:
            raise _not_whole("tokens", self.tokens)
        if self.microusd is not None and (type(self.microusd) is not int or not 0 <= self.microusd < UNLIMITED):
            raise _not_whole("microusd", self.microusd)

    def __add__(self, other: Amount) -> Amount:
        """The sum; its cost is unknown as soon as one part's is."""
        unknown = self.microusd is None or other.microusd is None
        return Amount(self.tokens + other.tokens, None if unknown else (self.microusd or 0) + (other.microusd or 0))


NOTHING = Amount(0, 0)


@dataclass(frozen=True, slots=True)
class Limit:
    """A ceiling; None in a unit leaves that unit unlimited.

    Raises: BudgetError, when a number is negative or not whole.
    """

    tokens: int | None = None
    microusd: int | None = None

    def __post_init__(self) -> None:
        for unit, value in (("tokens", self.tokens), ("microusd", self.microusd)):
            if value is not None and (type(value) is not int or not 0 <= value < UNLIMITED):
                raise _not_whole(unit, value)


def dollars(microusd: int | None) -> str:
    """Micro-dollars as people read them: `$1.25`, `$0.000350`, `unknown`."""
    if microusd is None:
        return "unknown"
    decimals = 2 if microusd % 10_000 == 0 else 6
    return f"${microusd / 1_000_000:,.{decimals}f}"


def _not_whole(unit: str, value: object) -> BudgetError:
    return BudgetError(f"{unit} is {value!r:.60}, and must be a whole number from 0 to {UNLIMITED - 1:,}")


Period: TypeAlias = Literal["day", "month"]


def period_label(unix_s: float, period: Period) -> str:
    """The period that a time lies in, in UTC: `2026-11-20` or `2026-11`."""
    moment = datetime.fromtimestamp(unix_s, UTC)
    return moment.strftime("%Y-%m-%d" if period == "day" else "%Y-%m")
