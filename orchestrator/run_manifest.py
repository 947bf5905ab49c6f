"""A run directory's manifest as it is read: what was asked, in the kinds that were written, or what is wrong."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from math import isfinite
from typing import cast

from actors.contracts import JsonValue

AT_MAX_S = 253_402_300_800.0  # Unix seconds: the year 10000, which no calendar here can show
# What entries are, where there are any. Programs that plan for themselves leave most of them out.
KINDS: Mapping[str, type | tuple[type, ...]] = {
    "run_id": str, "job": str, "source": str, "question": str, "schema": str, "began_s": (int, float),
    "runs_total": int, "settings": dict, "access": dict, "specialists": dict, "versions": dict, "resumed": list,
}  # fmt: skip


def read_manifest(data: bytes) -> dict[str, JsonValue]:
    """What was asked. Raises ValueError, with a few words, when it is none of ours or of other kinds by now."""
    try:
        found = json.loads(data)
        if any("\0" in text or _is_torn(text) for text in _texts(found)):
            raise ValueError("it holds characters that no text has")
    except RecursionError:
        raise ValueError("it nests without end") from None
    if not isinstance(found, dict):
        raise ValueError("it holds no JSON object")
    wrong = [name for name, kind in KINDS.items() if name in found and not _is(found[name], kind)]
    if wrong:
        raise ValueError(f"its {wrong[0]!r} is none")
    if not all(isinstance(value, str) for value in found.get("access", {}).values()):
        raise ValueError("its 'access' is none")
    if not 0 <= found.get("began_s", 0) < AT_MAX_S:
        raise ValueError("its 'began_s' is no time")
    return cast(dict[str, JsonValue], found)


def _is(value: object, kind: type | tuple[type, ...]) -> bool:
    if isinstance(value, bool) or (isinstance(value, float) and not isfinite(value)):
        return False
    return isinstance(value, kind)


def _texts(value: JsonValue) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, one in value.items():
            yield name
            yield from _texts(one)
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one)


def _is_torn(text: str) -> bool:
    """Whether half of a surrogate pair is in it."""
    return not text.isascii() and any("\ud800" <= one <= "\udfff" for one in text)
