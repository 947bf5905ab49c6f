"""What tokens cost: exact below the micro-dollar, rounded up above it, unknown where nobody said."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from budget import PriceList, load_prices, price_of
from budget.errors import PriceError
from budget.price import Price
from budget.price_rows import parsed

OWN = """
rows:
  - models: [mine, claude-opus-5-5]
    input: 1.5
    output: 3
    cache_read: 0.5
    batch: 0.25
    source: my contract
    read: 2026-11-01
"""


def cost_of(model: str, **tokens: int) -> int:
    price = price_of(model)
    assert price is not None
    return price.cost(**{"input_tokens": 0, "output_tokens": 0, **tokens})


# USD per million tokens; the price list names its sources.
@pytest.mark.parametrize(
    ("model", "input_usd", "output_usd"),
    [
        ("offline", 0, 0),
        ("scripted", 0, 0),
        ("claude-fable-5-1", 10, 50),
        ("claude-mythos-5-1", 10, 50),
        ("claude-opus-5-5", 4, 20),
        ("claude-opus-4-5", 5, 25),
        ("claude-opus-5", 5, 25),
        ("claude-sonnet-5-5", 2, 10),
        ("claude-sonnet-5", 2, 10),
        ("claude-sonnet-4-6", 3, 15),
        ("claude-haiku-4-5", 1, 5),
        ("claude-haiku-5-5", 0.10, 0.50),
    ],
)
def test_every_price_is_the_one_that_was_read(model: str, input_usd: float, output_usd: float) -> None:
    """Two prompts of 50,000 tokens, and 100,000 tokens out."""
    assert 2 * cost_of(model, input_tokens=50_000) == round(input_usd * 100_000)
    assert cost_of(model, output_tokens=100_000) == round(output_usd * 100_000)


def test_every_row_names_its_source_and_its_date() -> None:
    """A figure without one cannot be checked."""
    text = Path(__file__).parents[2].joinpath("budget", "prices.yaml").read_text()

    prices = parsed(text, where="prices.yaml")

    assert prices
    assert all(price.source for price in prices)
    assert all(price.read >= "2026-11-20" for price in prices)
    assert len({price.model for price in prices}) == len(prices)


@pytest.mark.parametrize(
    ("tokens", "microusd"),
    [
        ({"input_tokens": 1}, 4),
        ({"input_tokens": 1000, "output_tokens": 100}, 4000 + 2000),
        ({"input_tokens": 1000, "cache_read_tokens": 1000}, 200),
        ({"input_tokens": 1000, "cache_write_tokens": 1000}, 5000),
        ({"input_tokens": 1000, "cache_write_tokens": 1000, "cache_write_1h_tokens": 1000}, 8000),
        ({"input_tokens": 1000, "cache_read_tokens": 300, "cache_write_tokens": 200}, 2000 + 60 + 1000),
        ({"input_tokens": 1, "cache_read_tokens": 1}, 1),
        ({"input_tokens": 1000, "output_tokens": 100, "batch": True}, 3000),
    ],
)
def test_caches_and_batches_have_their_own_prices(tokens: dict[str, int], microusd: int) -> None:
    """Opus 5.5 at 4 and 20 dollars; reads at 0.05 of it, writes at 1.25 and for an hour at 2, batches at 0.5."""
    assert cost_of("claude-opus-5-5", **tokens) == microusd


def test_a_long_prompt_costs_more_from_its_first_token_on() -> None:
    """Haiku 5.5: up to 100,000 tokens 0.10 and 0.50 dollars, above it 0.50 and 2.50 for the whole request."""
    at_most = cost_of("claude-haiku-5-5", input_tokens=100_000, output_tokens=1000)
    above = cost_of("claude-haiku-5-5", input_tokens=100_001, output_tokens=1000)

    assert (at_most, above) == (10_500, 52_501)


@pytest.mark.parametrize("name", ["claude-opus-4-5-20251101", "claude-haiku-4-5-20251001", "claude-opus-4-5@20251101"])
def test_a_dated_name_has_the_price_of_the_name_without_its_date(name: str) -> None:
    """Providers sell the same model under both."""
    assert price_of(name) == price_of(name[:-9])


@pytest.mark.parametrize("name", ["claude-opus-9", "claude-opus-5-5-turbo", "claude", "", "claude-opus-5-5-2026"])
def test_an_unknown_model_has_no_price(name: str) -> None:
    """Nothing is guessed from a similar name: unknown is None without a ceiling, and an error under one."""
    assert price_of(name) is None
    with pytest.raises(PriceError, match=r"no known price.*--prices FILE"):
        load_prices().required(name)


def price(model: str) -> Price:
    found = price_of(model)
    assert found is not None
    return found


@given(data=st.data(), model=st.sampled_from(["claude-haiku-5-5", "claude-opus-5-5", "claude-sonnet-4-5", "offline"]))
def test_no_split_of_the_tokens_costs_more_than_the_worst_case(data: st.DataObject, model: str) -> None:
    """However a task divides its ceiling among calls, inputs, caches and outputs, its hold covers it."""
    tokens = data.draw(st.integers(1, 400_000))
    left, spent = tokens, 0
    for _ in range(data.draw(st.integers(1, 8))):
        input_tokens = data.draw(st.integers(0, left))
        output_tokens = data.draw(st.integers(0, left - input_tokens))
        written = data.draw(st.integers(0, input_tokens))
        spent += price(model).cost(
            input_tokens=input_tokens,
            output_tokens=output_tokens,
            cache_write_tokens=written,
            cache_write_1h_tokens=data.draw(st.integers(0, written)),
            cache_read_tokens=data.draw(st.integers(0, input_tokens - written)),
        )
        left -= input_tokens + output_tokens

    assert spent <= price(model).worst_case(tokens)


def test_the_worst_case_is_no_larger_than_it_must_be() -> None:
    """All of it output, or all of it written to a cache for an hour; nothing where nothing is billed."""
    assert price("claude-opus-5-5").worst_case(50_000) == 1_000_000
    assert price("claude-haiku-5-5").worst_case(100_000, calls_max=1) == 50_000
    assert price("claude-haiku-5-5").worst_case(100_001, calls_max=1) == 250_003
    assert price("offline").worst_case(10**9) == 0


def test_own_prices_go_over_those_that_come_along(tmp_path: Path) -> None:
    """A contract's price replaces the list's; what the file does not name stays."""
    path = tmp_path / "own.yaml"
    path.write_text(OWN)

    prices = load_prices(path)

    mine, theirs = prices.price_of("claude-opus-5-5"), prices.price_of("claude-haiku-4-5")
    assert mine is not None
    assert mine.cost(input_tokens=1000, output_tokens=1000) == 4500
    assert mine.cost(input_tokens=1000, output_tokens=0, cache_read_tokens=1000) == 750
    assert mine.cost(input_tokens=1000, output_tokens=1000, batch=True) == 1125
    assert theirs == price_of("claude-haiku-4-5")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("rows: [", "own.yaml is not YAML"),
        ("- 1", "own.yaml has no list `rows`"),
        ("rows: []", "own.yaml has no list `rows`"),
        ("rows: [5]", "own.yaml, row 1 is 5"),
        ("rows: [{models: [a], input: 1, output: 2}, {models: a}]", "own.yaml, row 2 has models 'a'"),
        ("rows: [{models: [a], input: 1}]", "own.yaml, row 1 has output None"),
        ("rows: [{models: [a], input: -1, output: 1}]", "row 1 has input -1"),
        ("rows: [{models: [a], input: .nan, output: 1}]", "row 1 has input nan"),
        ("rows: [{models: [a], input: true, output: 1}]", "row 1 has input True"),
        ("rows: [{models: [a], input: 1, output: cheap}]", "row 1 has output 'cheap'"),
        ("rows: [{models: [a], input: 1, output: 1, cached: 1}]", "row 1 has an unknown field 'cached'"),
        ("rows: [{models: [a], input: 1, output: 1, read: soon}]", "row 1 was read 'soon'"),
        ("rows: [{models: [a], input: 1, output: 1, long_prompt: {input: 2}}]", "row 1, long_prompt is"),
        (
            "rows: [{models: [a], input: 1, output: 1, long_prompt: {above_tokens: 0, input: 2, output: 2}}]",
            "has above_tokens 0",
        ),
    ],
)
def test_a_price_list_that_does_not_parse_names_the_row_and_the_field(tmp_path: Path, text: str, said: str) -> None:
    """Before anything is spent."""
    path = tmp_path / "own.yaml"
    path.write_text(text)

    with pytest.raises(PriceError, match=r"own\.yaml") as error:
        load_prices(path)

    assert said in str(error.value)


def test_a_price_list_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """A missing file, and one that is no text."""
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    for path in (tmp_path / "missing.yaml", tmp_path / "binary"):
        with pytest.raises(PriceError, match=path.name):
            load_prices(path)


def test_prices_travel() -> None:
    """A host gets its price with its specification."""
    assert pickle.loads(pickle.dumps(price("claude-haiku-5-5"))) == price("claude-haiku-5-5")
    assert isinstance(load_prices(), PriceList)


def test_the_price_list_in_the_docs_is_one() -> None:
    """Its example can be copied as it stands."""
    page = Path(__file__).parents[2].joinpath("docs", "budget.md").read_text()
    example = page.split("```yaml\n")[1].split("```")[0]

    prices = parsed(example, where="docs/budget.md")

    assert [price.model for price in prices] == ["my-model"]
