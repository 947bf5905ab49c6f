"""Which model each specialist works with: by name, by tier, from what is there."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from actors.overseer import Overseer
from actors.specialists.registry import CODE, LEAD
from budget.errors import PriceError, SettingsError
from jobs.models import ModelChoice, choose_model

KEY = {"ANTHROPIC_API_KEY": "sk-for-tests-12345678"}


def chosen(model: str = "", tiers: str = "", *, priced: bool = False, key: bool = True, **given: Any) -> ModelChoice:
    return choose_model(
        model,
        base_url="",
        key_file="",
        prices=None,
        priced=priced,
        tiers=tiers,
        environment=KEY if key else {},
        **given,
    )


def assigned(choice: ModelChoice) -> list[tuple[str, str | None]]:
    """Model and effort of a worker and of the lead."""
    return [(one.model, one.effort) for one in map(choice.assigned, (CODE, LEAD))]


@pytest.mark.parametrize(
    ("model", "tiers", "expected"),
    [
        ("", "", [("claude-sonnet-5-5", None), ("claude-opus-5-5", None)]),
        ("m", "", [("m", None), ("m", None)]),
        ("m:high", "", [("m", "high"), ("m", "high")]),
        ("llama3:8b", "", [("llama3:8b", None), ("llama3:8b", None)]),
        ("m", "lead=n:max", [("m", None), ("n", "max")]),
        ("", "work=n", [("n", None), ("claude-opus-5-5", None)]),
    ],
)
def test_with_a_key_models_come_from_the_option_the_tiers_and_the_defaults(model, tiers, expected):
    """What is not named comes from --model, or else from the defaults."""
    choice = chosen(model, tiers)

    assert assigned(choice) == expected
    assert choice.name == expected[0][0]


@pytest.mark.parametrize(("model", "tiers"), [("", ""), ("m:high", ""), ("m", "lead=n:max"), ("", "work=n")])
def test_what_the_run_directory_keeps_gives_the_same_models_again(model, tiers):
    """A resumed run works with what it was begun with."""
    first = chosen(model, tiers)
    again = chosen(first.name, first.tiers)

    assert assigned(again) == assigned(first)
    assert (again.name, again.tiers) == (first.name, first.tiers)


def test_without_a_key_everything_is_offline():
    """And says so by its name."""
    choice = chosen(key=False)

    assert assigned(choice) == [("offline", None), ("offline", None)]
    assert (choice.name, choice.tiers) == ("offline", "")


def test_each_specialist_has_the_price_of_its_own_model():
    """A dollar ceiling knows what each call may cost."""
    choice = chosen("", "work=claude-haiku-4-5")
    worker, lead = choice.assigned(CODE), choice.assigned(LEAD)

    assert worker.price is not None
    assert lead.price is not None
    assert lead.price.worst_case(1_000) > worker.price.worst_case(1_000)


@pytest.mark.parametrize(
    ("model", "tiers", "error"),
    [
        ("m", "", PriceError),
        ("claude-sonnet-5-5", "lead=m", PriceError),
        ("offline", "work=m", SettingsError),
        ("m", "n", SettingsError),
        ("m", "work=n:enormous", SettingsError),
    ],
)
def test_a_model_without_a_price_or_a_tier_that_there_is_not_is_refused(model, tiers, error):
    """Before anything is spent."""
    with pytest.raises(error):
        chosen(model, tiers, priced=True)


def test_each_specialist_knows_the_prices_of_all_that_may_be_asked_in_its_sessions():
    """Those that stand in for its model, and the small one that looks on."""
    choice = chosen("", fallback="claude-opus-5-5, claude-haiku-4-5,offline", watchdog="claude-haiku-5-5")
    worker, lead = choice.assigned(CODE), choice.assigned(LEAD)

    assert choice.fallbacks == ("claude-opus-5-5", "claude-haiku-4-5", "offline")
    assert list(worker.others) == ["claude-opus-5-5", "claude-haiku-4-5", "offline", "claude-haiku-5-5"]
    assert list(lead.others) == ["claude-haiku-4-5", "offline", "claude-haiku-5-5"]
    assert all(price is not None for price in worker.others.values())
    assert worker.overseer == Overseer(model="claude-haiku-5-5")


def test_a_model_that_is_a_fallback_itself_goes_on_with_those_after_it():
    """Nobody stands in for himself, and the turn ends."""
    choice = chosen("", "work=a,lead=b,route=c", fallback="b,c,offline")

    assert isinstance(choice.factory, partial)
    assert choice.factory.args[0].fallbacks == {"a": "b", "b": "c"}


def test_each_who_stands_in_has_an_even_part_of_a_sub_agents_time():
    """The models, and the rules behind them; where nobody stands in, a model has all of it."""
    rules, models, alone = (chosen("a", fallback=named, deadline_s=30.0) for named in ("b,offline", "b", ""))

    told = [(one.factory.args[0].patience_s, one.factory.args[0].rules_follow) for one in (rules, models, alone)]
    assert told == [(10.0, True), (15.0, False), (None, False)]


@pytest.mark.parametrize(
    ("model", "given", "error"),
    [
        ("offline", {"fallback": "m"}, SettingsError),
        ("offline", {"watchdog": "m"}, SettingsError),
        ("m", {"fallback": "offline,n"}, SettingsError),
        ("m", {"fallback": "n,n"}, SettingsError),
        ("m", {"fallback": "n,"}, SettingsError),
        ("claude-sonnet-5-5", {"fallback": "n", "priced": True}, PriceError),
        ("claude-sonnet-5-5", {"watchdog": "n", "priced": True}, PriceError),
        ("claude-sonnet-5-5", {"watchdog": "n", "watchdog_turns": 0}, SettingsError),
    ],
)
def test_a_fallback_or_a_watchdog_that_cannot_be_is_refused(model, given, error):
    """Before anything is spent."""
    with pytest.raises(error):
        chosen(model, **given)


def test_rules_for_one_tier_beside_a_model_for_another_are_refused() -> None:
    """They would answer for both, and the model be billed."""
    with pytest.raises(SettingsError, match="'offline' beside claude-haiku-4-5"):
        chosen(tiers="route=offline,work=offline,lead=claude-haiku-4-5")
