"""The names of accounts gone by, in few bytes."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable
from hashlib import blake2b


class ClosedIds:
    """Names that must not be used again, at 8 bytes each.

    Two names may share a digest: with a million names, once in 10^13 new ones, which then are taken for closed.
    """

    _RECENT_MAX = 4096

    def __init__(self, digests: Iterable[int] = ()) -> None:
        self._sorted = array("Q", sorted(digests))
        self._recent: set[int] = set()

    def __contains__(self, name: str) -> bool:
        if not self._recent and not self._sorted:
            return False
        digest = _digest(name)
        if digest in self._recent:
            return True
        place = bisect_left(self._sorted, digest)
        return place < len(self._sorted) and self._sorted[place] == digest

    def __len__(self) -> int:
        return len(self._sorted) + len(self._recent)

    def add(self, name: str) -> None:
        self._recent.add(_digest(name))
        if len(self._recent) > self._RECENT_MAX:
            self._sorted = array("Q", self.digests())
            self._recent = set()

    def digests(self) -> list[int]:
        return sorted([*self._sorted, *self._recent])


def _digest(name: str) -> int:
    return int.from_bytes(blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")
