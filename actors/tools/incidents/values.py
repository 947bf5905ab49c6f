"""The values of a tracker's record, by normalised field names and as plain text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from actors.tools.incidents.times import moment

WRAPPERS = ("fields", "attributes", "incident")  # Jira, JSON:API, webhooks
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
LISTED_MAX = 100
NUMBER_MAX = 10**18  # as an id or a level; a longer one is none


@dataclass(frozen=True, slots=True)
class Fields:
    """A record's values under normalised names: `startedAt`, `Started At` and `started-at` are `started_at`."""

    values: Mapping[str, Any]

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Fields:
        named = {_snake(str(name)): value for name, value in record.items()}
        for wrapper in WRAPPERS:
            inner = named.get(wrapper)
            if isinstance(inner, Mapping):
                named = {_snake(str(name)): value for name, value in inner.items()} | named
        return cls(named)

    def present(self, names: Iterable[str]) -> Iterator[Any]:
        return (self.values[name] for name in names if self.values.get(name) not in (None, "", [], {}))

    def text(self, names: Iterable[str]) -> str:
        return next((found for value in self.present(names) for found in texts(value)), "")

    def texts(self, names: Iterable[str]) -> tuple[str, ...]:
        found = (text for value in self.present(names) for text in texts(value))
        return tuple(dict.fromkeys(found))[:LISTED_MAX]

    def first_time(self, names: Iterable[str]) -> Any:
        return next((value for value in self.present(names) if moment(value) is not None), None)


def texts(value: Any) -> Iterator[str]:
    """The texts of a value: itself, its items, or the one that names it when it is an object."""
    if isinstance(value, bool) or value is None:
        return
    if isinstance(value, str):
        cleaned = clean(value)
        if cleaned:
            yield cleaned
    elif isinstance(value, int | float):
        if abs(value) < NUMBER_MAX:  # neither infinite nor no number
            yield str(int(value)) if value == int(value) else str(value)
    elif isinstance(value, Mapping):
        named = {_snake(str(name)): item for name, item in value.items()}
        for name in ("service", "name", "title", "summary", "value", "id", "description", "text"):
            if isinstance(named.get(name), str | int):
                yield from texts(named[name])
                return
    elif isinstance(value, list | tuple):
        for item in value[:LISTED_MAX]:
            if not isinstance(item, list | tuple):
                yield from texts(item)


def clean(text: str) -> str:
    """Text that every encoder takes: no lone surrogates, no control characters but line ends."""
    if text.isprintable():
        return text.strip()
    whole = text.encode("utf-8", "replace").decode("utf-8")
    return _CONTROL.sub("", whole).strip()


def split_names(text: str) -> tuple[str, ...]:
    return tuple(name for part in re.split(r"[,;\n]", text) if (name := part.strip()))


@lru_cache(maxsize=4_096)  # a tracker has few names and many records
def _snake(name: str) -> str:
    spaced = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name.strip())
    return re.sub(r"[^a-z0-9]+", "_", spaced.lower()).strip("_")
