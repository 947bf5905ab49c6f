"""Server-sent events, whatever their lines end in and however their bytes are cut."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.models.sse import EventStream

TEXT = 'event: a\ndata: {"x": 1}\n\n: a comment\n\ndata:one\ndata: two\n\nevent: ping\ndata:\n\n'
TEXT += "id: 7\nretry: 9\nodd\n\ndata: é\n\n"
EVENTS = [b'{"x": 1}', b"one\ntwo", "é".encode()]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@given(cuts=st.lists(st.integers(0, 150), max_size=20))
def test_events_do_not_depend_on_how_the_bytes_arrive(end: str, cuts: list[int]) -> None:
    """Cut anywhere, also between CR and LF and inside of a letter."""
    raw, stream = TEXT.replace("\n", end).encode(), EventStream()
    places = [0, *sorted(cuts), len(raw)]

    found = [data for start, stop in pairwise(places) for data in stream.feed(raw[start:stop])]

    assert found == EVENTS


def test_ends_of_lines_may_be_mixed_and_a_mark_may_stand_first() -> None:
    """An event that is not ended is none yet."""
    stream = EventStream()

    assert list(stream.feed(b"\xef\xbb\xbfdata: 1\n\r\ndata: 2\r\n\ndata: 3\r\rdata: 4\n")) == [b"1", b"2", b"3"]
    assert list(stream.feed(b"\n")) == [b"4"]
