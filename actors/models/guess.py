"""A pace for a provider that refuses without saying how much it allows. Pure: times are seconds that come in."""

from __future__ import annotations

from collections import deque

CUT = 0.95
STEP = 1 / 4000  # per success: 5 % in 200 calls, so that a refusal costs less than one call in a hundred
STEPS_SLOW = 200
STEP_FIRST = 1 / 50
STEP_LATER = 1 / 500  # the limit was a passing one, or the guess far too low
BURST_S = 0.1
RATE_MIN_PER_S = 0.1
GOODPUT_S = 5.0
GOODPUT_MIN_S = 1.0
GOODPUT_UNKNOWN_PER_S = 1.0  # when nothing has succeeded yet
SUCCESSES_MIN = 5  # that say something about a rate

STREAK_MIN = 50  # successes from one refusal to the next, at least, once a guess is below a limit
CONVERGED_S = GOODPUT_S + 1.0  # by then a guess, which is below what succeeds, is below any steady limit
IN_VAIN = 3  # short streaks in a row after that: calls are refused however few there are
UNHEEDED_S = 60.0
WINDOW = 20
SHARE_HEEDED = 0.25  # refused of the last WINDOW answers: too many to be chance


class Guesses:
    """The rate of a provider that does not state it: none until it refuses, then below what succeeded.

    Some refuse whatever the pace, be it for others' calls. Where slowing down has not helped, lone refusals are not
    heeded for a while.
    """

    def __init__(self) -> None:
        self._guess: _Guess | None = None
        self._fine_at_s: deque[float] = deque(maxlen=1024)
        self._refused: deque[bool] = deque(maxlen=WINDOW)
        self._began_at_s: float | None = None
        self._streak = 0
        self._short_streaks = 0
        self._unheeded_until_s = float("-inf")

    @property
    def rate_per_s(self) -> float | None:
        return None if self._guess is None else self._guess.rate_per_s

    def wait_s(self, now_s: float) -> float:
        return 0.0 if self._guess is None else self._guess.wait_s(now_s)

    def take(self, now_s: float) -> None:
        if self._guess is not None:
            self._guess.take(now_s)

    def succeeded(self, now_s: float) -> None:
        self._fine_at_s.append(now_s)
        self._refused.append(False)
        self._streak += 1
        if self._guess is not None:
            self._guess.succeeded(now_s)

    def refused(self, now_s: float) -> bool:
        """Whether this refusal is to be heeded, as one of a pace that is too high."""
        self._refused.append(True)
        return now_s >= self._unheeded_until_s or sum(self._refused) >= SHARE_HEEDED * WINDOW

    def slow_down(self, now_s: float) -> bool:
        """A lower guess. Whether it has been of use to slow down so far; if not, there is no guess any more."""
        self._short_streaks = self._short_streaks + 1 if self._streak < STREAK_MIN else 0
        self._streak = 0
        first = self._began_at_s is None
        if self._began_at_s is None:
            self._began_at_s = now_s
        if now_s - self._began_at_s < CONVERGED_S:
            self._short_streaks = 0
        if self._short_streaks >= IN_VAIN and sum(self._refused) < SHARE_HEEDED * WINDOW:
            self.forget()
            self._unheeded_until_s = now_s + UNHEEDED_S
            return False
        if not first or len(self._fine_at_s) >= SUCCESSES_MIN:  # one refusal of the first few calls may be chance
            known = [] if self._guess is None else [self._guess.rate_per_s]
            self._guess = _Guess(CUT * min([self._goodput_per_s(now_s), *known]), now_s, first=not known)
        return True

    def forget(self) -> None:
        """The provider states its limits, or refuses for other reasons."""
        self._guess, self._began_at_s, self._short_streaks = None, None, 0

    def _goodput_per_s(self, now_s: float) -> float:
        """Successes per second over the last five seconds, or since the first when that is less."""
        if not self._fine_at_s:
            return GOODPUT_UNKNOWN_PER_S
        since_s = max(now_s - GOODPUT_S, self._fine_at_s[0])
        count = sum(1 for at_s in self._fine_at_s if at_s >= since_s)
        return count / max(GOODPUT_MIN_S, now_s - since_s)


class _Guess:
    """A rate: up by successes, fast at first, since what it was made from is little."""

    def __init__(self, rate_per_s: float, now_s: float, *, first: bool) -> None:
        self.rate_per_s = max(RATE_MIN_PER_S, rate_per_s)
        self._first = first
        self._level = 0.0
        self._level_at_s = now_s
        self._successes = 0

    def wait_s(self, now_s: float) -> float:
        level = self._level_now(now_s)
        return 0.0 if level >= 1.0 else max(1e-3, (1.0 - level) / self.rate_per_s)

    def take(self, now_s: float) -> None:
        self._level, self._level_at_s = self._level_now(now_s) - 1.0, now_s

    def succeeded(self, now_s: float) -> None:
        if self._level_now(now_s) > 0.5 * self._burst:
            return  # a rate that is not used is not tested: it does not grow
        self._successes += 1
        if self._first:
            self.rate_per_s *= 1 + STEP_FIRST
            return
        self.rate_per_s *= 1 + (STEP if self._successes <= STEPS_SLOW else STEP_LATER)

    def _level_now(self, now_s: float) -> float:
        return min(self._burst, self._level + self.rate_per_s * (now_s - self._level_at_s))

    @property
    def _burst(self) -> float:
        return max(1.0, BURST_S * self.rate_per_s)
