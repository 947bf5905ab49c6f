"""Long lists of a summary: each entry is made when it is looked at, so that a batch of any size is written in little
memory. To JSON they are lists like any other.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, overload

Json: TypeAlias = "dict[str, Any]"


@dataclass(frozen=True, slots=True, eq=False)
class Rows(Sequence[Json]):
    """What `make` makes of each key, in their order. A row that is looked at twice is made twice."""

    keys: Sequence[Any]
    make: Callable[[Any], Json]

    def __len__(self) -> int:
        return len(self.keys)

    @overload
    def __getitem__(self, place: int) -> Json: ...

    @overload
    def __getitem__(self, place: slice) -> Sequence[Json]: ...

    def __getitem__(self, place: int | slice) -> Json | Sequence[Json]:
        return Rows(self.keys[place], self.make) if isinstance(place, slice) else self.make(self.keys[place])

    def __iter__(self) -> Iterator[Json]:
        return map(self.make, self.keys)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence) or len(self) != len(other):
            return False
        return all(mine == its for mine, its in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]


def told(summary: Mapping[str, Any], *, indent: int | None = None) -> Iterator[str]:
    """The parts of what `json.dumps` would write of the summary, at most one row of a list in each.

    Raises ValueError for numbers that JSON does not have.
    """
    for number, (name, value) in enumerate(summary.items()):
        yield (
            ("," if number else "{")
            + _gap(indent, 1, " " if number else "")
            + f"{json.dumps(name, ensure_ascii=False)}: "
        )
        if isinstance(value, Rows):
            yield from _list(value, indent)
        else:
            yield _value(value, indent, 1)
    yield (_gap(indent, 0, "") + "}") if summary else "{}"


def _list(rows: Rows, indent: int | None) -> Iterator[str]:
    for number, row in enumerate(rows):
        yield ("," if number else "[") + _gap(indent, 2, " " if number else "") + _value(row, indent, 2)
    yield (_gap(indent, 1, "") + "]") if rows else "[]"


def _value(value: object, indent: int | None, depth: int) -> str:
    text = json.dumps(value, ensure_ascii=False, indent=indent, allow_nan=False)
    return text if indent is None else text.replace("\n", _gap(indent, depth, ""))


def _gap(indent: int | None, depth: int, inline: str) -> str:
    return inline if indent is None else "\n" + " " * (indent * depth)
