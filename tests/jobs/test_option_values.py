"""A number that cannot be is refused as it was written, with where that stands and what it must be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from budget.errors import SettingsError
from jobs.options import batch_options, microusd_of, settings_of
from support.audits import muster

TOO_MANY = "99999999999999999999999"


@click.command("try")
@batch_options
def tried(**options: Any) -> None:
    """What a command makes of its options."""
    said = settings_of(options, model="offline")
    click.echo(f"turns {said.turns_max} concurrency {said.sessions_max} dollars {said.microusd_max}")


def said_to(*arguments: str, **environment: str) -> str:
    """What is printed, or what is wrong."""
    ended = CliRunner().invoke(tried, ["--local", *arguments], env=environment)
    return str(ended.exception) if isinstance(ended.exception, SettingsError) else ended.output


@pytest.mark.parametrize(
    ("option", "value", "must"),
    [
        ("--budget-tokens", TOO_MANY, "a whole number from 1 to 1,000,000,000,000,000,000"),
        ("--budget-tokens", "0", "a whole number from 1 to"),
        ("--budget-tokens", "9" * 5_000, "a whole number from 1 to"),
        ("--tokens-per-run", "99999999999999999999", "a whole number from 1 to 10,000,000,000"),
        ("--budget-dollars", "1e300", "a number from 0.000001 to 1,000,000,000,000"),
        ("--budget-dollars", "-1", "a number from 0.000001 to"),
        ("--budget-dollars", "0.0000001", "a number from 0.000001 to"),
        ("--alert-at", "101", "a whole number from 1 to 100"),
        ("--concurrency", TOO_MANY, "a whole number from 1 to 1,000,000"),
        ("--hosts", TOO_MANY, "a whole number from 1 to 1,000"),
        ("--drivers", TOO_MANY, "a whole number from 1 to 1,000"),
        ("--turns", "3000000000", "a whole number from 1 to 1,000,000"),
        ("--watchdog-turns", "0", "a whole number from 1 to 1,000,000"),
        ("--timeout", "1e300", "a number above 0, and at most 1,000,000,000"),
        ("--deadline", "inf", "a number above 0, and at most"),
        ("--run-deadline", "0", "a number above 0, and at most"),
        ("--min-fraction", "1.5", "a number from 0 to 1"),
    ],
)
def test_a_number_out_of_range_is_refused_by_its_option(option: str, value: str, must: str) -> None:
    """The option, the value as it was written (its first figures, where they are many), the limit, what to do."""
    said = said_to(option, value)

    assert said.startswith(f"{option} is ")
    assert value[:50] in said
    assert f", and must be {must}" in said
    assert said.endswith(": change it, or leave it out")
    assert len(said) < 250


@pytest.mark.parametrize("value", ["many", "12.5", ""])
def test_what_is_no_number_is_shown_in_quotes(value: str) -> None:
    """So that an empty one can be seen."""
    assert said_to("--turns", value).startswith(f"--turns is {value!r}, and must be a whole number")


def test_a_wrong_value_is_told_from_where_it_came(tmp_path: Path) -> None:
    """The variable, or the file and its key as it is written there; not the one that would have been asked as well."""
    file = tmp_path / "given.yaml"
    file.write_text("budget_tokens: many\n")

    assert said_to(MUSTER_TURNS="0").startswith("MUSTER_TURNS in the environment is 0, and must be")
    assert said_to("--config", str(file)).startswith(f"'budget_tokens' of --config {str(file)!r} is 'many', and must")
    assert said_to("--turns", "0", MUSTER_TURNS="5").startswith("--turns is 0")


def test_a_choice_that_there_is_not_is_told_from_where_it_came(tmp_path: Path) -> None:
    """As numbers are."""
    file = tmp_path / "given.yaml"
    file.write_text("transcripts: sometimes\n")

    assert f"'transcripts' of --config {str(file)!r}" in said_to("--config", str(file))
    assert "MUSTER_TRANSCRIPTS in the environment" in said_to(MUSTER_TRANSCRIPTS="sometimes")
    assert "MUSTER_TRANSCRIPTS" not in said_to("--transcripts", "sometimes")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- a\n", "holds a list, and no options: write each as `name: value`"),
        ("[]\n", "holds a list, and no options"),
        ("words\n", "holds a str, and no options"),
        ("no-such: 1\n", "'no-such' is no option of 'try': leave it out, or see `muster try --help`"),
        ("turns: true\n", "is 'True', and must be a whole number"),
        ("turns: 12.5\n", "is '12.5', and must be a whole number"),
        ("alert-at: [90, 300]\n", "is 300, and must be a whole number from 1 to 100"),
    ],
)
def test_a_file_that_holds_no_such_option_is_refused_in_a_sentence(text: str, said: str, tmp_path: Path) -> None:
    """Its name, and what is in it that cannot be."""
    file = tmp_path / "given.yaml"
    file.write_text(text)

    assert said in said_to("--config", str(file))
    assert str(file) in said_to("--config", str(file))


@pytest.mark.parametrize("text", ["", "turns:\nconcurrency: 3\n"])
def test_a_key_without_a_value_leaves_the_default(text: str, tmp_path: Path) -> None:
    """As if it were not there."""
    file = tmp_path / "given.yaml"
    file.write_text(text)

    assert said_to("--config", str(file)) == f"turns 12 concurrency {3 if text else 4} dollars None\n"


def test_the_largest_and_the_smallest_are_taken() -> None:
    """The limit that a message names is one that can be set."""
    assert said_to("--budget-dollars", "0.000001") == "turns 12 concurrency 4 dollars 1\n"
    assert said_to("--budget-dollars", "1e12", "--turns", "1000000", "--concurrency", "1") == (
        "turns 1000000 concurrency 1 dollars 1000000000000000000\n"
    )


@pytest.mark.parametrize("dollars", [-1.0, 1e300, float("nan"), float("inf")])
def test_a_ceiling_in_dollars_that_cannot_be_counted_is_refused(dollars: float) -> None:
    """Also of a shared budget, which may be 0: then nothing may be spent."""
    assert microusd_of(0.0, "--dollars") == 0
    with pytest.raises(
        SettingsError, match=f"--dollars is {dollars}, and must be a number from 0 to".replace("+", ".")
    ):
        microusd_of(dollars, "--dollars")


@pytest.mark.parametrize("option", ["--budget-tokens", "--tokens-per-run"])
def test_a_run_directory_is_not_begun_under_a_ceiling_that_cannot_be(option: str, tmp_path: Path) -> None:
    """So that the same command can be said again, with another number."""
    muster("sample", tmp_path / "estate", "--services", "2", "--seed", "3")
    command = ("audit", tmp_path / "estate" / "catalog-info.yaml", "--local", "--run-dir", tmp_path / "run")

    refused = muster(*command, option, TOO_MANY)
    begun = (tmp_path / "run").exists()
    ended = muster(*command, option, "300000")

    assert (refused.status, begun, ended.status) == (2, False, 0)
    assert refused.stderr.startswith(f"muster: {option} is {TOO_MANY}, and must be a whole number")
