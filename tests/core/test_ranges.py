"""Which numbers a batch can be set to, for programs."""

from __future__ import annotations

import pytest

from budget.errors import SettingsError
from budget.money import Limit
from orchestrator.ranges import AMOUNT_MAX, RANGES, TOKENS_PER_RUN_MAX, Range
from orchestrator.settings import Settings


@pytest.mark.parametrize(
    ("within", "inside", "outside"),
    [
        (Range(most=5), [1, 5], [0, 6, 1.0, True, None, "1"]),
        (Range(least=0, most=5, whole=False), [0, 0.5, 5.0], [-1, 5.1, float("nan"), float("inf"), False]),
        (Range(least=0, most=5, whole=False, above=True), [1e-300, 5], [0, 0.0, -0.0, 6]),
    ],
)
def test_a_range_holds_its_ends_and_what_lies_between(
    within: Range, inside: list[object], outside: list[object]
) -> None:
    """Of its kind; True is no number."""
    assert [value for value in [*inside, *outside] if value in within] == inside


@pytest.mark.parametrize(
    ("within", "said"),
    [
        (Range(most=1_000_000), "a whole number from 1 to 1,000,000"),
        (Range(least=1e-6, most=10**12, whole=False), "a number from 0.000001 to 1,000,000,000,000"),
        (Range(least=0, most=60, whole=False, above=True), "a number above 0, and at most 60"),
    ],
)
def test_a_range_is_said_as_people_write_numbers(within: Range, said: str) -> None:
    """No powers, no exponents."""
    assert str(within) == said


@pytest.mark.parametrize(
    ("named", "value"),
    [
        *((named, within.most + 1) for named, within in RANGES.items()),
        ("runs_ahead", 0),
        ("turns_max", None),
        ("turns_max", True),
        ("tokens_max", 10**4_000),
    ],
)
def test_a_program_is_told_which_setting_cannot_be(named: str, value: object) -> None:
    """By the name that it has there, not by an option's."""
    with pytest.raises(SettingsError) as refused:
        Settings(**{named: value})  # type: ignore[arg-type]

    said = str(refused.value)
    assert said.startswith(f"{named} is {value!r:.60}, and must be {RANGES[named]}")
    assert said.endswith(f": change it in Settings({named}=…)")
    assert "--" not in said


@pytest.mark.parametrize("percents", [(101,), (50, 0), ("50",)])
def test_a_share_that_no_ceiling_has_is_refused(percents: tuple[int, ...]) -> None:
    """Before an alert could be made of it."""
    with pytest.raises(SettingsError, match=r"alert_percents holds .*, and each must be a whole number from 1 to 100"):
        Settings(alert_percents=percents)


def test_a_ledger_can_count_whatever_can_be_set() -> None:
    """The runs' ceilings together, too, where they stand in for the batch's."""
    assert Limit(AMOUNT_MAX, AMOUNT_MAX)
    assert TOKENS_PER_RUN_MAX * 10**8 <= AMOUNT_MAX
