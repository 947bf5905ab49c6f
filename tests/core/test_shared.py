"""What a host remembers: each source is read once, as long as there is room to remember it."""

from __future__ import annotations

from actors.tools.shared import Shared


class Sources:
    """Counts how often each is read. A source's value is as many bytes as its name says."""

    def __init__(self) -> None:
        self.reads: list[str] = []

    def read(self, memo: Shared, name: str, size: int = 1) -> bytes:
        def load() -> bytes:
            self.reads.append(name)
            return bytes(size)

        return memo.get(name, load)


def test_the_entry_that_was_looked_at_least_lately_is_forgotten_first() -> None:
    """A thousand services may pass; what neighbours share stays."""
    memo, sources = Shared(entries_max=2), Sources()

    for name in ("a", "b", "a", "c", "a", "b"):
        sources.read(memo, name)

    assert sources.reads == ["a", "b", "c", "b"]


def test_large_values_make_room_by_their_size_and_small_ones_stay_many() -> None:
    """A bound on bytes holds two large files, or hundreds of small ones."""
    memo, sources = Shared(bytes_max=1_000, bytes_of=len), Sources()

    for _ in range(2):
        for number in range(100):
            sources.read(memo, f"small {number}", 10)
    assert len(sources.reads) == 100

    sources.read(memo, "large", 900)
    for number in range(90, 100):
        sources.read(memo, f"small {number}", 10)
    assert sources.reads[100:] == ["large"]

    sources.read(memo, "small 0", 10)
    assert sources.reads[101:] == ["small 0"]


def test_a_value_above_the_bound_is_kept_until_the_next_one() -> None:
    """The session that asked for it asks again and again."""
    memo, sources = Shared(bytes_max=10, bytes_of=len), Sources()

    for name in ("huge", "huge", "other", "huge"):
        sources.read(memo, name, 100)

    assert sources.reads == ["huge", "other", "huge"]
