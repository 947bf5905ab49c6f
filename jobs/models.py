"""Which model a batch uses, as something that travels to its hosts, and what it costs."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from actors.assembly import ModelFactory
from actors.models.base import ModelClient
from actors.models.key import KEY_VARIABLE
from actors.models.offline import OFFLINE, OfflineModel
from actors.specialists.base import Specialist
from budget import Price, load_prices

if TYPE_CHECKING:
    from actors.models.anthropic import AnthropicConfig

DEFAULT_MODEL = "claude-sonnet-5-5"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelChoice:
    """A model by name, how each host makes its client, and the price (None: unknown)."""

    name: str
    factory: ModelFactory
    price: Price | None


def choose_model(
    asked: str,
    *,
    base_url: str,
    key_file: str,
    prices: Path | None,
    priced: bool,
    environment: Mapping[str, str] = os.environ,
) -> ModelChoice:
    """The model asked for; without one, offline where there is no key.

    `priced`: a dollar ceiling needs a price. Raises PriceError for a model without one, SettingsError for a key or
    an address that cannot be used.
    """
    name = asked or (DEFAULT_MODEL if key_file or environment.get(KEY_VARIABLE) else OFFLINE)
    known = load_prices(prices)
    price = known.required(name) if priced else known.price_of(name)
    if name == OFFLINE:
        return ModelChoice(name=name, factory=_offline, price=price)
    from actors.models.anthropic import AnthropicConfig  # the SDK takes a second to import: only where it is used

    config = AnthropicConfig.of_environment(environment, base_url=base_url, key_file=key_file or None)
    config.client(environment)  # a missing key is the caller's mistake now, not each host's later
    return ModelChoice(name=name, factory=partial(_anthropic, config), price=price)


def _offline(specialist: Specialist) -> ModelClient:
    return OfflineModel(specialist.analyst)


def _anthropic(config: AnthropicConfig, specialist: Specialist) -> ModelClient:  # noqa: ARG001  (one client for any)
    return config.client()
