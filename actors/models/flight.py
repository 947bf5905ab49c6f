"""Calls under way, and which of them still count: one that hangs must not keep others from going. Pure.

Who hangs is told from who is slow as TCP tells lost segments: by a running mean of round trips and of their spread
(RFC 6298), and by an answer to something that was sent later (RFC 8985). Silence alone makes no call count less: where
nobody is answered, one more may go now and then, and the first answer to such a call sets all others' places free.
"""

from __future__ import annotations

from math import log2
from typing import Protocol

SPREADS = 4.0  # this and the two shares: RFC 6298
MEAN_SHARE = 1 / 8
SPREAD_SHARE = 1 / 4


class Sent(Protocol):
    """A call under way. Compared by identity."""

    sent_at_s: float


class Flight:
    """All calls of one model in one process that have not ended yet.

    `patience_min_s` also holds until a round trip was measured.
    """

    def __init__(self, patience_min_s: float) -> None:
        self._patience_min_s = patience_min_s
        self._counted: dict[Sent, None] = {}  # in the order in which they were sent
        self._passed_over: set[Sent] = set()
        self._silent_since_s = float("-inf")
        self._spread_s = 0.0
        self.latency_s: float | None = None  # a running mean

    @property
    def counted(self) -> int:
        """Calls under way without those that hang: what a limit is compared with."""
        return len(self._counted)

    @property
    def all(self) -> int:
        return len(self._counted) + len(self._passed_over)

    @property
    def patience_s(self) -> float:
        """How long a call may take before it is held to hang, once one that was sent after it has been answered."""
        if self.latency_s is None:
            return self._patience_min_s
        return max(self._patience_min_s, self.latency_s + SPREADS * self._spread_s)

    def until_probe_s(self, now_s: float, *, doubling: bool) -> float:
        """Seconds until silence has lasted so long that one more call may go to end it.

        Doubling, twice as many are under way after one patience; else one more.
        """
        gap = log2((self.counted + 1) / max(1, self.counted)) if doubling else 1.0
        return self._silent_since_s + gap * self.patience_s - now_s

    def sent(self, call: Sent, *, probe: bool) -> None:
        if probe or not self._counted:
            self._silent_since_s = call.sent_at_s
        self._counted[call] = None

    def spoke(self, now_s: float) -> None:
        """The provider said something, be it a refusal."""
        self._silent_since_s = now_s

    def answered(self, call: Sent, now_s: float) -> None:
        """`call`, still under way until now, has its reply."""
        self._learn(now_s - call.sent_at_s)
        overtaken = []
        for earlier in self._counted:
            if earlier.sent_at_s >= call.sent_at_s or now_s - earlier.sent_at_s <= self.patience_s:
                break
            overtaken.append(earlier)
        for earlier in overtaken:
            del self._counted[earlier]
        self._passed_over.update(overtaken)

    def ended(self, call: Sent) -> None:
        """`call` is under way no more, whatever came of it."""
        assert call in self._counted or call in self._passed_over, "a permit was handed back twice"
        self._counted.pop(call, None)
        self._passed_over.discard(call)

    def _learn(self, took_s: float) -> None:
        if self.latency_s is None:
            self.latency_s, self._spread_s = took_s, took_s / 2
            return
        self._spread_s += SPREAD_SHARE * (abs(took_s - self.latency_s) - self._spread_s)
        self.latency_s += MEAN_SHARE * (took_s - self.latency_s)

    def check(self) -> None:
        """The invariants that every test asserts on the way out."""
        sent = [call.sent_at_s for call in self._counted]
        assert sent == sorted(sent)
        assert self._counted.keys().isdisjoint(self._passed_over)
        assert self.patience_s >= self._patience_min_s
