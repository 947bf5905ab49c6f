"""How fast one process may call one model: concurrency that adapts, and a pace learnt from what the provider says.

Two things limit calls. The *limit* on calls in flight begins at one, since nothing is known of the provider yet, and
doubles each round trip until the first sign of trouble; after it, it grows by one per round trip, and is cut by a
factor when the provider is overloaded. Calls that hang are not counted (`flight.py`), and where nothing at all is
heard, a few go beyond the limit: refusals come at once, replies may take their time. The *pace* follows the provider's
own token buckets: what `anthropic-ratelimit-*` says remains, less what was sent since, plus what has flowed in. Where a
429 names no bucket, the pace is guessed from the rate at which calls last succeeded.

No clock and no randomness: `now_s` and `random01` come in. `actors/models/gate.py` is the asyncio edge around it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from actors.models.flight import Flight
from actors.models.guess import Guesses
from actors.models.pace import Mark, Pace, Told


class Signal(StrEnum):
    """What an attempt told about the provider's load."""

    FINE = "fine"
    RATE_LIMITED = "rate_limited"  # 429
    OVERLOADED = "overloaded"  # 529, and another 5xx that asks to wait
    NOTHING = "nothing"  # cancelled, a bad request, a lost connection, any other 5xx: says nothing about load


@dataclass(frozen=True, slots=True, kw_only=True)
class BrakeLimits:
    """Sources: 20 at first and 4 at least are those of Inspect's adaptive connections; the rest was measured with
    benchmarks/rate_limit.py."""

    in_flight_first: int = 20  # up to here calls double without any reply: models take their time
    patience_min_s: float = 1.0  # RFC 6298
    in_flight_min: int = 4
    in_flight_max: int = 512
    cut: float = 0.7  # multiplicative decrease
    overloaded_share: float = 0.25  # of the last `window` answers: one 529 among many is not our doing
    window: int = 20
    pause_max_s: float = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What came back from one attempt. `told` is by axis (`requests`, `input-tokens`, ...); tokens are those counted
    against a rate limit, that is without cache reads."""

    signal: Signal
    told: Mapping[str, Told] = field(default_factory=dict)
    retry_after_s: float | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    random01: float = 0.0


@dataclass(slots=True, eq=False)
class Permit:
    """Leave to make one attempt. Handed back exactly once, by `Brake.answered`."""

    sent_at_s: float
    marks: dict[str, Mark]  # per axis: how it stood then


class Brake:
    """The state for one model in one process, of `sharers` that draw on the same limits."""

    def __init__(self, limits: BrakeLimits | None = None, *, sharers: int = 1) -> None:
        self._limits = limits or BrakeLimits()
        self._sharers = sharers
        self._flight = Flight(self._limits.patience_min_s)
        self._limit = 1.0
        self._slow_start = True
        self._cut_at_s = float("-inf")
        self._paused_until_s = float("-inf")
        self._paces: dict[str, Pace] = {}
        self._guesses = Guesses()
        self._cost = {"input-tokens": 0.0, "output-tokens": 0.0, "tokens": 0.0}  # of one call: a running mean
        self._overloaded: deque[bool] = deque(maxlen=self._limits.window)

    @property
    def in_flight(self) -> int:
        """Calls under way, those that hang among them."""
        return self._flight.all

    @property
    def limit(self) -> int:
        return int(self._limit)

    def ask(self, now_s: float) -> Permit | float:
        """A permit, or in how many seconds asking again is worthwhile, unless a call ends before that."""
        if now_s < self._paused_until_s:
            return self._paused_until_s - now_s
        full = self._flight.counted >= int(self._limit)
        wait_s = self._until_probe_s(now_s) if full else 0.0
        if wait_s <= 0:
            wait_s = self._paced_s(now_s)
        if wait_s > 0:
            return wait_s
        # From here on nothing can refuse.
        if full and self._slow_start:  # no refusal in all that time: so many are borne
            self._limit = min(float(self._limits.in_flight_max), self._limit + 1.0)
        self._guesses.take(now_s)
        permit = Permit(now_s, {axis: pace.take(now_s, self._cost_of(axis)) for axis, pace in self._paces.items()})
        self._flight.sent(permit, probe=full)
        return permit

    def _until_probe_s(self, now_s: float) -> float:
        """Seconds until one more call may go although the limit is reached, as nothing has been heard for long."""
        doubling = self._slow_start and self._flight.counted < self._limits.in_flight_first
        return self._flight.until_probe_s(now_s, doubling=doubling)

    def _paced_s(self, now_s: float) -> float:
        """Seconds until the provider's buckets, as far as they are known, or the guess hold one more call."""
        waits_s = [pace.wait_s(now_s, self._cost_of(axis)) for axis, pace in self._paces.items()]
        return max([*waits_s, self._guesses.wait_s(now_s)])

    def _cost_of(self, axis: str) -> float:
        return self._cost.get(axis, 1.0)

    def answered(self, permit: Permit, now_s: float, heard: Heard) -> None:
        """The attempt has ended."""
        if heard.signal is Signal.FINE:
            self._flight.answered(permit, now_s)
        if heard.signal is not Signal.NOTHING:
            self._flight.spoke(now_s)
        self._flight.ended(permit)
        self._hear(permit, now_s, heard)
        self._learn_costs(heard)
        if heard.signal is Signal.RATE_LIMITED:
            self._rate_limited(permit, now_s, heard)
        elif heard.signal is Signal.OVERLOADED:
            self._overload(permit, now_s, heard)
        elif heard.signal is Signal.FINE:
            self._fine(now_s)

    def _hear(self, permit: Permit, now_s: float, heard: Heard) -> None:
        """Follow the buckets that successes tell of; those that only a refusal names cannot be followed."""
        for axis, told in heard.told.items():
            if axis in self._paces:
                self._paces[axis].hear(told, now_s, permit.marks.get(axis))
            elif heard.signal is Signal.FINE:
                self._paces[axis] = Pace(told, now_s, sharers=self._sharers)
                # From here on the buckets say what is too fast.
                self._guesses.forget()
                self._slow_start = True
                self._limit = max(self._limit, float(self._limits.in_flight_first))
        if heard.signal is Signal.FINE:
            for axis in self._paces.keys() - heard.told.keys():
                del self._paces[axis]

    def _fine(self, now_s: float) -> None:
        self._overloaded.append(False)
        self._guesses.succeeded(now_s)
        for pace in self._paces.values():
            pace.eased(self._flight.latency_s or 0.0)
        if self._flight.counted + 1 >= self._limit / 2:  # a limit that is not used is not tested: it does not grow
            step = 1.0 if self._slow_start else 1.0 / self._limit
            self._limit = min(float(self._limits.in_flight_max), self._limit + step)

    def _rate_limited(self, permit: Permit, now_s: float, heard: Heard) -> None:
        """Too fast. A provider that says what remains is followed; one that does not is guessed at."""
        spent = [axis for axis, told in heard.told.items() if told.remaining < max(1.0, self._cost_of(axis))]
        if heard.told and not spent:
            return  # no bucket is empty: this refusal is this call's own, and only this call waits
        followed = [self._paces[axis] for axis in spent if axis in self._paces]
        if followed:
            for pace in followed:
                pace.refused(now_s, sent_at_s=permit.sent_at_s)
        elif not self._guesses.refused(now_s):
            return  # slowing down has not helped before
        elif permit.sent_at_s >= self._cut_at_s:
            self._cut(now_s)
            self._slow_start = not self._guesses.slow_down(now_s)
        if heard.retry_after_s is not None:
            self._pause(now_s, heard)

    def _overload(self, permit: Permit, now_s: float, heard: Heard) -> None:
        """Too much for the provider. One such answer among many says little; a good share of them does."""
        self._overloaded.append(True)
        share = sum(self._overloaded) / self._limits.window
        if share < self._limits.overloaded_share or permit.sent_at_s < self._cut_at_s:
            return
        self._cut(now_s)
        self._overloaded.clear()
        if heard.retry_after_s is not None:
            self._pause(now_s, heard)

    def _cut(self, now_s: float) -> None:
        self._slow_start = False
        self._cut_at_s = now_s
        self._limit = max(float(self._limits.in_flight_min), self._limit * self._limits.cut)

    def _pause(self, now_s: float, heard: Heard) -> None:
        """Everybody waits for as long as the server asks, and a little longer, so that hosts do not wake as one."""
        asked_s = min(heard.retry_after_s or 0.0, self._limits.pause_max_s)
        until_s = now_s + asked_s + heard.random01 * min(0.25, 0.1 * asked_s)
        self._paused_until_s = max(self._paused_until_s, until_s)

    def _learn_costs(self, heard: Heard) -> None:
        """A running mean of what calls take of each axis: the next is booked at it until its reply corrects that."""
        if heard.input_tokens is None or heard.output_tokens is None:
            return
        used = {"input-tokens": heard.input_tokens, "output-tokens": heard.output_tokens}
        used["tokens"] = heard.input_tokens + heard.output_tokens
        for axis, amount in used.items():
            self._cost[axis] += 0.1 * (amount - self._cost[axis]) if self._cost[axis] else amount

    def check(self) -> None:
        """The invariants that every test asserts on the way out."""
        self._flight.check()
        assert 1 <= self._limit <= self._limits.in_flight_max
        for pace in self._paces.values():
            pace.check()
