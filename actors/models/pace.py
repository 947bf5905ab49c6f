"""What flows into a provider's rate limit, learnt from outside. Pure: times are seconds that come in."""

from __future__ import annotations

from dataclasses import dataclass

RESERVE_SHARE = 0.01  # of the bucket, left in it: others draw from it too, and what they take is seen late
RESERVE_SHARE_MAX = 0.5
EASE = 0.9995  # per success: a doubled reserve is back after 1,400
SPREAD_LATENCIES = 4.0  # others' calls are seen one latency late: a full bucket is drained over several
SPREAD_MIN_S = 0.2
SPREAD_MAX_S = 20.0
BUNCH_S = 0.02  # calls that may go together
SAMPLE_SHARE = 0.02  # how much of the bucket must have flowed in before a rate is read off it ...
SAMPLE_MIN = 20.0  # ... and how many units at least: what remains is told in whole numbers
SAMPLE_MIN_S = 0.2
NEARLY_FULL = 0.9
RAISE = 2.0  # of the rate, once per round trip, while calls are held back and the bucket stays full ...
RAISE_LATER = 1.03  # ... and once such a rate was refused
CUT = 0.7
WINDOW_SHARE = 0.1
SAMPLE_MAX_S = 10.0
WAIT_MAX_S = 60.0


@dataclass(frozen=True, slots=True)
class Told:
    """One axis of a rate limit as a reply's headers state it. `reset_in_s`: until the bucket is full again."""

    limit: float
    remaining: float
    reset_in_s: float | None


@dataclass(frozen=True, slots=True)
class Mark:
    """How things stood when a call was sent, itself included: what its reply says is compared with that."""

    at_s: float
    level: float
    corrected: float
    taken: float
    cost: float


class Pace:
    """One token bucket of the provider, as far as it can be known here.

    A copy of the bucket is kept: drained when a call is sent, filled at the measured rate, and put right by every
    reply: what the reply says remained is compared with what the copy held when its call was sent. The inflow is
    measured: between two replies, remaining + taken has grown by it. So what others take of the same bucket
    counts as less inflow, and a window that refills only at its end (inflow 0 until then) is waited for.

    `sharers` processes are known to draw on it, this one among them. They do as this one does until the replies say
    otherwise: each has its part of what flows in and of what is in the bucket, and a call of each is left in it.
    """

    def __init__(self, told: Told, now_s: float, *, sharers: int = 1) -> None:
        self._sharers = sharers
        self._limit = max(1.0, told.limit)
        self._level = min(told.remaining, self._limit)
        self._level_at_s = now_s
        self._corrected = 0.0  # the sum of all corrections: a reply corrects what its forerunners have not
        self._taken = 0.0  # by us, ever
        self._cost = 1.0  # of the last call
        self._full_at_s: float | None = None
        self._full_taken = 0.0  # what had been taken when the reply that said so was sent
        self._floor_per_s = 0.0  # what the reset time implies at least
        self._measured_per_s: float | None = None
        self._tried_per_s: float | None = None  # thought of, where nothing is measured: raised until it is refused
        self._anchor: Mark | None = None
        self._anchor_remaining = 0.0
        self._reserve_share = RESERVE_SHARE
        self._next_at_s = now_s
        self._held_back = False
        self._raise = RAISE
        self._spread_s = SPREAD_MIN_S
        self._refused_at_s = self._raised_at_s = float("-inf")
        self._hear_reset(told, now_s, taken=0.0)

    @property
    def rate_per_s(self) -> float:
        """Inflow. Limits are stated per minute; that is the rate until replies have shown another."""
        if self._measured_per_s is not None:
            return self._measured_per_s
        if self._tried_per_s is not None:
            return max(self._tried_per_s, self._floor_per_s)
        return self._floor_per_s or self._limit / 60

    def level(self, now_s: float) -> float:
        """What is in the bucket now, as far as is known."""
        level = self._level + self.rate_per_s * max(0.0, now_s - self._level_at_s)
        if self._full_at_s is not None and now_s >= self._full_at_s and self._in_windows():
            level = max(level, self._limit - (self._taken - self._full_taken))
        return min(self._limit, level)

    def _in_windows(self) -> bool:
        """Whether the bucket seems to be filled by windows: nearly nothing flows in, and yet it gets full."""
        return self.rate_per_s * WAIT_MAX_S < WINDOW_SHARE * self._limit

    def take(self, now_s: float, amount: float) -> Mark:
        """Book `amount`. What is in the bucket beyond the inflow is spread over a while, not taken at once."""
        level = self.level(now_s)
        flow_per_s = self.rate_per_s + max(0.0, level - self._reserve) / (self._spread_s * self._sharers)
        self._next_at_s = max(self._next_at_s, now_s - BUNCH_S) + amount / max(flow_per_s, 1e-9)
        self._level, self._level_at_s = level - amount, max(now_s, self._level_at_s)
        self._taken += amount
        self._cost = amount
        return Mark(now_s, self._level, self._corrected, self._taken, amount)

    @property
    def _reserve(self) -> float:
        """What is left in the bucket: others may take a call each before anybody sees it."""
        theirs = (self._sharers - 1) * self._cost
        return min(RESERVE_SHARE_MAX * self._limit, max(self._reserve_share * self._limit, theirs))

    def wait_s(self, now_s: float, cost: float) -> float:
        """Seconds until `cost` may be taken; 0 when it may be now. Never more than a minute: then it is tried."""
        missing = min(cost + self._reserve, self._limit) - self.level(now_s)
        if missing <= 0 and self._next_at_s <= now_s:
            return 0.0
        self._held_back = True
        if missing <= 0:
            return min(WAIT_MAX_S, max(1e-3, self._next_at_s - now_s))
        wait_s = missing / self.rate_per_s if self.rate_per_s > 0 else WAIT_MAX_S
        if self._full_at_s is not None and self._full_at_s > now_s and self._in_windows():
            wait_s = min(wait_s, self._full_at_s - now_s)
        return min(WAIT_MAX_S, max(1e-3, wait_s))

    def hear(self, told: Told, now_s: float, mark: Mark | None) -> None:
        """What a reply's headers say; `mark` is that of its call (None: sent before anything was known)."""
        self._limit = max(1.0, told.limit)
        if mark is None:
            self._level = min(self.level(now_s), told.remaining)
            self._level_at_s = now_s
            return
        missed = (told.remaining - mark.level) - (self._corrected - mark.corrected)
        self._level, self._level_at_s = min(self._limit, self.level(now_s) + missed), now_s
        self._corrected += missed
        self._hear_reset(told, now_s, taken=mark.taken)
        self._measure(told.remaining, mark, now_s)

    def _hear_reset(self, told: Told, now_s: float, *, taken: float) -> None:
        self._full_at_s, self._full_taken = None, taken
        if told.reset_in_s is not None:
            reset_in_s = max(0.0, told.reset_in_s)
            self._full_at_s = now_s + reset_in_s
            # Resets are told in whole seconds: one more is the most that it can be.
            self._floor_per_s = max(self._floor_per_s, (self._limit - told.remaining) / (reset_in_s + 1.0))

    def _measure(self, remaining: float, mark: Mark, now_s: float) -> None:
        """Our part of the inflow since the anchor, once enough has flowed to read it off whole numbers."""
        full = remaining + mark.cost >= NEARLY_FULL * self._limit
        if self._anchor is None or full:  # a full bucket overflows: nothing to read, but that more flows in
            if full and self._held_back and mark.at_s >= self._raised_at_s:  # than calls are held back to
                self._tried_per_s = self.rate_per_s * self._raise
                self._measured_per_s, self._raised_at_s, self._held_back = None, now_s, False
            self._anchor, self._anchor_remaining = mark, remaining
            return
        inflow = remaining - self._anchor_remaining + self._sharers * (mark.taken - self._anchor.taken)
        elapsed_s = mark.at_s - self._anchor.at_s
        enough = max(SAMPLE_MIN, SAMPLE_SHARE * self._limit)
        if elapsed_s < SAMPLE_MIN_S or (inflow < enough and elapsed_s < SAMPLE_MAX_S):
            return
        seen_per_s = max(0.0, inflow / elapsed_s / self._sharers)
        known = self._measured_per_s
        self._measured_per_s = seen_per_s if known is None else known + 0.3 * (seen_per_s - known)
        self._anchor, self._anchor_remaining = mark, remaining

    def refused(self, now_s: float, *, sent_at_s: float) -> None:
        """A 429 although there should have been enough: leave more in the bucket, others draw from it too."""
        if sent_at_s < self._refused_at_s:
            return  # sent before the last refusal was known: the same mistake, not another
        self._refused_at_s = now_s
        one_call = self._cost / self._limit  # a reserve that holds no whole call is none
        self._reserve_share = min(RESERVE_SHARE_MAX, max(self._reserve_share * 2, one_call))
        self._raise = RAISE_LATER
        if self._measured_per_s is None:  # a rate that was only thought of was too high
            self._tried_per_s, self._floor_per_s = self.rate_per_s * CUT, 0.0

    def eased(self, latency_s: float) -> None:
        """A success, and how long calls take now: what other hosts take is seen that much late."""
        self._spread_s = min(SPREAD_MAX_S, max(SPREAD_MIN_S, SPREAD_LATENCIES * latency_s))
        self._reserve_share = max(RESERVE_SHARE, self._reserve_share * EASE)

    def check(self) -> None:
        """The invariants that every test asserts on the way out."""
        assert RESERVE_SHARE <= self._reserve_share <= RESERVE_SHARE_MAX
        assert self.rate_per_s >= 0
        assert self._level <= self._limit
