"""A price list's text into prices: every row checked, every mistake named with its row and field."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

import yaml

from budget.errors import PriceError
from budget.price import PICO_PER_MICRO, Price, Rates
from budget.safe_yaml import LOADER

CACHE_READ, CACHE_WRITE, CACHE_WRITE_1H, BATCH = Decimal(1), Decimal("1.25"), Decimal(2), Decimal("0.5")
"""Where a row does not state its own, in multiples of the plain input price, BATCH of everything. Writes and batches:
the same for all models on the provider's price page (docs/budget.md); reads: no reduction, so never too low."""

_FIELDS = {
    "models",
    "input",
    "output",
    "cache_read",
    "cache_write",
    "cache_write_1h",
    "batch",
    "long_prompt",
    "source",
    "read",
}


def parsed(text: str, *, where: str) -> list[Price]:
    """The prices in a YAML list. Raises: PriceError naming `where`, the row and the field."""
    try:
        document = yaml.load(text, Loader=LOADER)
    except yaml.YAMLError as error:
        raise PriceError(f"{where} is not YAML: {error}") from error
    rows = document.get("rows") if isinstance(document, dict) else None
    if not isinstance(rows, list) or not rows:
        raise PriceError(f"{where} has no list `rows` of prices: see prices.yaml of this package for the format")
    return [price for number, row in enumerate(rows, 1) for price in _row(row, f"{where}, row {number}")]


def _row(row: object, where: str) -> list[Price]:
    if not isinstance(row, Mapping):
        raise PriceError(f"{where} is {row!r}, and must be a mapping with models, input and output")
    unknown = set(row) - _FIELDS
    if unknown:
        named, known = ", ".join(sorted(map(str, unknown))), ", ".join(sorted(_FIELDS))
        raise PriceError(f"{where} has an unknown field {named!r}; known are {known}")
    models = row.get("models")
    if not isinstance(models, list) or not models or not all(isinstance(model, str) and model for model in models):
        raise PriceError(f"{where} has models {models!r}, and must name at least one in a list")
    batch = _number(row, "batch", where, BATCH)
    rates = _rates(row, row, where, Decimal(1))
    batch_rates = _rates(row, row, where, batch)
    above, long, batch_long = _long(row, where, batch)
    return [
        Price(
            model=model,
            rates=rates,
            batch_rates=batch_rates,
            long=long,
            batch_long=batch_long,
            long_above_tokens=above,
            source=str(row.get("source", "")),
            read=_date(row, where),
        )
        for model in models
    ]


def _long(row: Mapping[str, Any], where: str, batch: Decimal) -> tuple[int, Rates | None, Rates | None]:
    long = row.get("long_prompt")
    if long is None:
        return 0, None, None
    where = f"{where}, long_prompt"
    if not isinstance(long, Mapping) or set(long) != {"above_tokens", "input", "output"}:
        raise PriceError(f"{where} is {long!r}, and must have above_tokens, input and output")
    above = long["above_tokens"]
    if type(above) is not int or above < 1:
        raise PriceError(f"{where} has above_tokens {above!r}, and must have a whole number above 0")
    return above, _rates(long, row, where, Decimal(1)), _rates(long, row, where, batch)


def _rates(base: Mapping[str, Any], row: Mapping[str, Any], where: str, factor: Decimal) -> Rates:
    input_price = _number(base, "input", where) * factor
    output_price = _number(base, "output", where) * factor
    return Rates(
        input=_pico(input_price),
        output=_pico(output_price),
        cache_read=_pico(input_price * _number(row, "cache_read", where, CACHE_READ)),
        cache_write=_pico(input_price * _number(row, "cache_write", where, CACHE_WRITE)),
        cache_write_1h=_pico(input_price * _number(row, "cache_write_1h", where, CACHE_WRITE_1H)),
    )


def _number(row: Mapping[str, Any], field: str, where: str, default: Decimal | None = None) -> Decimal:
    value = row.get(field, default)
    try:
        number = Decimal("nan") if isinstance(value, bool) else Decimal(str(value))
    except InvalidOperation:
        number = Decimal("nan")
    if not number.is_finite() or not 0 <= number <= 1_000_000:
        raise PriceError(f"{where} has {field} {value!r}, and must have a number from 0 to 1,000,000")
    return number


def _date(row: Mapping[str, Any], where: str) -> str:
    value = row.get("read", "")
    if value and not isinstance(value, datetime.date):
        raise PriceError(f"{where} was read {value!r}, and must have a date such as 2026-11-20")
    return str(value)


def _pico(dollars_per_million: Decimal) -> int:
    """US dollars per million tokens are as many micro-dollars for one. Rounded up below a pico-dollar."""
    return int((dollars_per_million * PICO_PER_MICRO).to_integral_value(rounding="ROUND_CEILING"))
