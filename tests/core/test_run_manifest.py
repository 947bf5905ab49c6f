"""A run's manifest, changed by hand: it is refused in a few words, never believed and never a traceback."""

from __future__ import annotations

import json
from typing import Any

import pytest

from orchestrator.run_manifest import KINDS, read_manifest

GOOD: dict[str, Any] = {
    "run_id": "r", "job": "audit", "source": "/a", "question": "Größe?", "schema": "muster.run/1", "began_s": 1.5e9,
    "runs_total": 3, "settings": {}, "access": {}, "specialists": {}, "versions": {}, "resumed": [],
}  # fmt: skip


def test_what_was_written_is_read_and_what_is_unknown_stays() -> None:
    """A newer version may have more to say, and a program less."""
    assert read_manifest(json.dumps({**GOOD, "more": [1]}).encode()) == {**GOOD, "more": [1]}
    assert read_manifest(b"{}") == {}


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("value", [None, True, [{}], {"a": 1}, "x\0", "\ud800", float("inf"), float("nan"), 1e300])
def test_an_entry_of_another_kind_is_refused_by_its_name(name: str, value: object) -> None:
    """But for what it is: an object is one whatever it holds, until it is looked at."""
    if isinstance(value, KINDS[name]) and isinstance(value, dict | list):
        return

    with pytest.raises(ValueError, match=rf"its '{name}' is no|characters"):
        read_manifest(json.dumps({**GOOD, name: value}).encode())


def test_ways_to_a_model_are_texts() -> None:
    """Addresses and names of files."""
    with pytest.raises(ValueError, match="its 'access' is none"):
        read_manifest(json.dumps({**GOOD, "access": {"prices": 5}}).encode())


@pytest.mark.parametrize("data", [b"", b"null", b"[1]", b"\xff\xfe{}", b"\0" * 9, b"[" * 200_000, b'{"a":"\\u0000"}'])
def test_what_is_no_manifest_is_refused(data: bytes) -> None:
    """Whatever bytes lie there."""
    with pytest.raises(ValueError, match=r"[a-z]"):
        read_manifest(data)
