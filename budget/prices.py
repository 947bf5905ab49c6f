"""The known prices, by model: the list that comes with this package (prices.yaml), and a list of one's own over it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import resources
from pathlib import Path

from budget.errors import PriceError
from budget.price import Price, Rates
from budget.price_rows import parsed

_DATED = re.compile(r"[-@]\d{8}$")


class PriceList:
    """The known prices, by model."""

    def __init__(self, prices: Iterable[Price]) -> None:
        self._prices = {price.model: price for price in prices}

    @property
    def known(self) -> Mapping[str, Price]:
        return self._prices

    def price_of(self, model: str) -> Price | None:
        """A model's price by its exact name, or by that name without a date at its end. None: unknown."""
        return self._prices.get(model) or self._prices.get(_DATED.sub("", model))

    def required(self, model: str) -> Price:
        """The same, for a run under a dollar ceiling. Raises: PriceError."""
        price = self.price_of(model)
        if price is None:
            known = ", ".join(sorted(self._prices))
            raise PriceError(
                f"model {model!r} has no known price, so no dollar ceiling can hold for it: "
                f"give its price with --prices FILE, or limit tokens instead (known: {known})"
            )
        return price

    def with_own(self, text: str, *, where: str) -> PriceList:
        """This list with the rows of another over it. Raises: PriceError naming `where`, the row and the field."""
        return PriceList([*self._prices.values(), *parsed(text, where=where)])


def load_prices(own: Path | None = None) -> PriceList:
    """The list that comes with this package, and a file of one's own in the same format over it.

    Raises: PriceError, when the file cannot be read or does not parse.
    """
    prices = _own_list()
    if own is None:
        return prices
    try:
        text = own.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = f"byte {error.start} is not UTF-8" if isinstance(error, UnicodeDecodeError) else error.strerror
        raise PriceError(f"--prices {str(own)!r} cannot be read ({why}): name a YAML file of prices") from None
    return prices.with_own(text, where=str(own))


def price_of(model: str) -> Price | None:
    """A model's price in the list that comes with this package."""
    return _own_list().price_of(model)


@cache
def _own_list() -> PriceList:
    name = "prices.yaml"
    return PriceList(parsed(resources.files("budget").joinpath(name).read_text("utf-8"), where=name))


__all__ = ["Price", "PriceList", "Rates", "load_prices", "price_of"]
