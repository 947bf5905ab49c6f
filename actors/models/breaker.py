"""A circuit breaker: after many failures no calls are made for a while, then a few try whether it works again."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import StrEnum

TRIAL_S = 0.5  # after this it may be known how a trial has ended


class State(StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerLimits:
    """Opens when `failures_min` of the last `window` outcomes failed, all of them within `window_s`.

    16 of 20: at 30 % random failures that happens about once in 10 million outcomes, in an outage after 16.
    """

    window: int = 20
    failures_min: int = 16
    window_s: float = 60.0
    open_s: float = 2.0  # doubled at every failed trial, up to open_max_s
    open_max_s: float = 60.0
    trials: int = 2  # successes in a row that close it again, and calls at once while half open
    wait_s: float = 15.0  # since it opened first: as long a trial is worth waiting for, where nobody stands in


@dataclass(frozen=True, slots=True)
class Pass:
    """Leave to make one call. Every pass is handed back exactly once: `succeeded`, `failed` or `abandoned`."""

    round: int  # how often the breaker had changed state when it was given: late answers of an older round do not count


@dataclass(frozen=True, slots=True)
class Refused:
    """The circuit is open: the call must not be made. `retry_in_s` is when a trial may be due, or one have passed.

    `soon`: that is so early in an outage that waiting for it may be worthwhile.
    """

    retry_in_s: float
    cause: str
    soon: bool = False


class Breaker:
    """One breaker per model and per tool. Times are seconds of any clock that never goes back."""

    def __init__(self, limits: BreakerLimits | None = None) -> None:
        self._limits = limits or BreakerLimits()
        self._outcomes: deque[tuple[float, bool]] = deque(maxlen=self._limits.window)
        self._state = State.CLOSED
        self._round = 0
        self._open_until_s = 0.0
        self._down_since_s = 0.0
        self._open_s = self._limits.open_s
        self._on_trial = 0
        self._trials_passed = 0
        self._cause = ""

    @property
    def state(self) -> State:
        return self._state

    def ask(self, now_s: float) -> Pass | Refused:
        """Whether a call may be made now."""
        if self._state is State.OPEN and now_s >= self._open_until_s:
            self._turn(State.HALF_OPEN)
        if self._state is State.OPEN:
            return self._refused(self._open_until_s - now_s, now_s)
        if self._state is State.HALF_OPEN:
            if self._on_trial >= self._limits.trials:
                return self._refused(TRIAL_S, now_s)
            self._on_trial += 1
        return Pass(self._round)

    def holds(self, given: Pass) -> bool:
        """Whether a pass is still one: the circuit has not changed since it was given."""
        return given.round == self._round

    def succeeded(self, given: Pass, now_s: float) -> None:
        if given.round != self._round:
            return
        if self._state is State.HALF_OPEN:
            self._on_trial -= 1
            self._trials_passed += 1
            if self._trials_passed >= self._limits.trials:
                self._open_s = self._limits.open_s
                self._turn(State.CLOSED)
        else:
            self._outcomes.append((now_s, True))

    def failed(self, given: Pass, now_s: float, cause: str) -> None:
        """`cause` is what a refused caller is told."""
        if given.round != self._round:
            return
        if self._state is State.HALF_OPEN:
            self._open_s = min(self._open_s * 2, self._limits.open_max_s)
            self._open(now_s, cause)
            return
        self._outcomes.append((now_s, False))
        recent = [passed for at_s, passed in self._outcomes if now_s - at_s <= self._limits.window_s]
        if recent.count(False) >= self._limits.failures_min:
            self._open(now_s, cause)

    def abandoned(self, given: Pass) -> None:
        """The call was not made, or ended without telling anything about the other side (cancelled, a bad request)."""
        if given.round == self._round and self._state is State.HALF_OPEN:
            self._on_trial -= 1

    def _refused(self, retry_in_s: float, now_s: float) -> Refused:
        down_s = now_s + retry_in_s - self._down_since_s
        return Refused(retry_in_s, self._cause, soon=down_s <= self._limits.wait_s)

    def _open(self, now_s: float, cause: str) -> None:
        if self._state is State.CLOSED:
            self._down_since_s = now_s
        self._open_until_s = now_s + self._open_s
        self._cause = cause
        self._turn(State.OPEN)

    def _turn(self, state: State) -> None:
        self._state = state
        self._round += 1
        self._on_trial = self._trials_passed = 0
        self._outcomes.clear()

    def check(self) -> None:
        """The invariants that every test asserts on the way out."""
        assert 0 <= self._on_trial <= self._limits.trials
        assert self._trials_passed < self._limits.trials
        assert self._state is State.HALF_OPEN or self._on_trial == 0
        assert self._limits.open_s <= self._open_s <= self._limits.open_max_s
