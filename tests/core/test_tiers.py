"""Which model does what, and what one model for all would have cost."""

from __future__ import annotations

import pytest

from actors.contracts import Usage
from actors.models.tiers import DEFAULTS, TIERS, Billed, Choice, TierMap, saving
from budget.errors import SettingsError
from budget.prices import price_of


def test_every_default_model_has_a_known_price():
    """A dollar ceiling holds from the first run on."""
    assert [price_of(DEFAULTS[tier].model) is not None for tier in TIERS] == [True, True, True]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("m", {"route": Choice("m"), "work": Choice("m"), "lead": Choice("m")}),
        ("m:high", {"route": Choice("m", "high"), "work": Choice("m", "high"), "lead": Choice("m", "high")}),
        ("work=m, lead=n:max", {**DEFAULTS, "work": Choice("m"), "lead": Choice("n", "max")}),
    ],
)
def test_a_tier_map_is_one_model_or_pairs_over_the_defaults(text, expected):
    """What is not named keeps its default."""
    assert TierMap.parsed(text).choices == expected


@pytest.mark.parametrize("text", ["boss=m", "work=", "work=m:enormous", ""])
def test_a_tier_or_effort_that_there_is_not_is_the_callers_mistake(text):
    """Said before anything is spent."""
    with pytest.raises(SettingsError):
        TierMap.parsed(text)


def test_a_specialists_own_effort_outweighs_its_tiers():
    """The tier is the default, the specialist knows better."""
    tiers = TierMap.parsed("work=m:low")

    assert (tiers.of("work"), tiers.of("work", "high")) == (Choice("m", "low"), Choice("m", "high"))


def test_the_saving_compares_the_same_tokens_at_two_prices():
    """A million in and out on the working model at 2/10, on the leading one at 4/20: half is saved."""
    found = saving([Billed(Usage(1_000_000, 1_000_000), 0, 12_000_000)], price_of)

    assert (found.cost_microusd, found.one_model_microusd) == (12_000_000, 24_000_000)
    assert found.share == pytest.approx(0.5)


def test_what_may_have_been_billed_unseen_is_compared_as_well():
    """It was charged at its dearest, and would have been at the other model's."""
    found = saving([Billed(Usage(), 1_000_000, 10_000_000)], price_of)

    assert (found.cost_microusd, found.one_model_microusd) == (10_000_000, 20_000_000)


def test_an_unknown_price_makes_an_unknown_saving():
    """Unknown is not nothing."""
    found = saving([Billed(Usage(1, 1), 0, None)], price_of)

    assert (found.cost_microusd, found.share) == (None, None)
