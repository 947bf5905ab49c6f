"""Amounts, limits and periods: whole numbers, and an unknown that stays one."""

from __future__ import annotations

import pickle

import pytest

from budget import Amount, Limit, dollars
from budget.errors import BudgetError
from budget.money import NOTHING, period_label


@pytest.mark.parametrize("tokens", [-1, 1.5, True, "5", None, 2**62])
def test_an_amount_is_a_whole_number_of_tokens(tokens: object) -> None:
    """Anything else is the caller's mistake, and says so."""
    with pytest.raises(BudgetError, match="must be a whole number"):
        Amount(tokens, 0)  # type: ignore[arg-type]


@pytest.mark.parametrize("microusd", [-1, 0.5, False, "5", 2**62])
def test_money_is_whole_micro_dollars_in_amounts_and_limits(microusd: object) -> None:
    """None is allowed, and means unknown in an amount and unlimited in a limit."""
    for kind in (Amount, Limit):
        with pytest.raises(BudgetError, match="microusd is"):
            kind(0, microusd)  # type: ignore[arg-type]


def test_a_sum_with_an_unknown_cost_is_unknown() -> None:
    """Not the sum of what is known."""
    assert sum([Amount(1, 2), Amount(3, 4)], start=NOTHING) == Amount(4, 6)
    assert Amount(1, 2) + Amount(3, None) == Amount(4, None)


@pytest.mark.parametrize(
    ("microusd", "text"),
    [(None, "unknown"), (0, "$0.00"), (350, "$0.000350"), (1_250_000, "$1.25"), (12_345_670_000, "$12,345.67")],
)
def test_dollars_read_as_people_write_them(microusd: int | None, text: str) -> None:
    """Whole cents where it is whole cents, else all that is known."""
    assert dollars(microusd) == text


def test_periods_are_in_utc() -> None:
    """One second before and after midnight."""
    midnight_s = 1_796_083_200.0

    labels = [period_label(midnight_s + offset_s, period) for period in ("day", "month") for offset_s in (-1, 0)]

    assert labels == ["2026-11-30", "2026-12-01", "2026-11", "2026-12"]


def test_amounts_and_errors_travel() -> None:
    """Between processes, fields and all."""
    for value in (Amount(1, None), Limit(None, 2)):
        assert pickle.loads(pickle.dumps(value)) == value
    assert str(pickle.loads(pickle.dumps(BudgetError("so much")))) == "so much"
