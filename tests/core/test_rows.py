"""Long lists of a summary, made entry by entry: to programs and to JSON they are lists like any other."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.rows import Rows, told

TEXTS = st.text(max_size=8)
ENTRIES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
LISTS = st.lists(st.dictionaries(TEXTS, ENTRIES, max_size=3), max_size=4)


def rows(entries: list[Any]) -> Rows:
    """The same entries, each made when it is looked at."""
    return Rows(range(len(entries)), entries.__getitem__)


@given(st.dictionaries(TEXTS, ENTRIES, max_size=4), LISTS, st.sampled_from([None, 1, 2]))
def test_what_is_told_in_parts_is_what_json_writes_whole(head: dict[str, Any], entries: list[Any], indent: Any) -> None:
    """Byte for byte, with rows and without, in one line and indented."""
    whole = json.dumps({**head, "services": entries}, ensure_ascii=False, indent=indent)

    assert "".join(told({**head, "services": rows(entries)}, indent=indent)) == whole
    assert "".join(told(head, indent=indent)) == json.dumps(head, ensure_ascii=False, indent=indent)


def test_rows_are_counted_sliced_and_compared_like_a_list() -> None:
    """A report takes the first of them; a slice makes nothing that is not looked at."""
    made: list[int] = []

    def make(number: int) -> dict[str, Any]:
        made.append(number)
        return {"n": number}

    some = Rows(range(1_000), make)

    assert len(some) == 1_000
    assert some[:2] == [{"n": 0}, {"n": 1}]
    assert some[-1] == {"n": 999}
    assert made == [0, 1, 999]
    assert rows([]) == []
    assert some != [{"n": 0}]


def test_a_number_that_json_does_not_have_is_refused() -> None:
    """Programs could not read it."""
    with pytest.raises(ValueError, match="not JSON compliant"):
        list(told({"services": rows([{"score": float("nan")}])}))
