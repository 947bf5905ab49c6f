"""When a failed model call is tried again, and after how long. Values in, values out."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from enum import StrEnum


class FaultKind(StrEnum):
    """What one attempt came to when it brought no reply."""

    RATE_LIMITED = "rate_limited"  # 429: the caller is too fast
    OVERLOADED = "overloaded"  # 529: the provider is too slow
    SERVER_ERROR = "server_error"  # any other 5xx, and 408
    TIMEOUT = "timeout"  # no reply within the call's limit
    UNREACHABLE = "unreachable"  # refused or never connected: nothing was sent
    LOST = "lost"  # the connection ended after the request was sent
    MALFORMED = "malformed"  # a reply arrived and is none
    REJECTED = "rejected"  # the provider says that this request is wrong


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """`billed_tokens`: 0 when surely not billed, a number when the provider said it, None when it is unknown."""

    kind: FaultKind
    message: str
    transient: bool
    billed_tokens: int | None
    retry_after_s: float | None = None


# Transient, and whether the provider may have billed it. 408: a proxy may say so after the model has run. 409: a lock
# was held. 429 and 529 are refusals before any work. Other 4xx say that the request is wrong; 501, that it never works.
_KINDS = {
    408: FaultKind.SERVER_ERROR,
    409: FaultKind.SERVER_ERROR,
    429: FaultKind.RATE_LIMITED,
    529: FaultKind.OVERLOADED,
}


def status_fault(status: int, message: str, headers: Mapping[str, str]) -> Fault:
    """What an HTTP status other than 2xx means. `headers` has lower-case names; x-should-retry outweighs the status."""
    transient = status in _KINDS or (status >= 500 and status != 501)
    told = headers.get("x-should-retry", "").lower()
    billed = None if status == 408 or (status >= 500 and status not in (501, 529)) else 0
    if told in ("true", "false"):
        transient = told == "true"
    kind = _KINDS.get(status, FaultKind.SERVER_ERROR if status >= 500 else FaultKind.REJECTED)
    return Fault(
        kind=kind,
        message=message,
        transient=transient,
        billed_tokens=billed,
        retry_after_s=retry_after_s(headers),
    )


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """The wait that a server asks for, in seconds; None when it asks for none, or in a form that makes no sense.

    A moment instead of a number of seconds is told from the reply's own `date`: clocks differ.
    """
    for name, unit_s in (("retry-after-ms", 1e-3), ("retry-after", 1.0)):
        try:
            asked_s = float(headers[name]) * unit_s
        except (KeyError, ValueError):
            continue
        if 0 <= asked_s < float("inf"):
            return asked_s
    return _between_s(headers.get("date"), headers.get("retry-after"))


def _between_s(now: str | None, then: str | None) -> float | None:
    """Seconds from one HTTP date to another; 0 when that one is over. None when either is no date."""
    try:
        return max(0.0, (parsedate_to_datetime(then or "") - parsedate_to_datetime(now or "")).total_seconds())
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


def full_jitter_s(attempt: int, random01: float, *, base_s: float, delay_max_s: float) -> float:
    """Uniform over [0, base * 2^(attempt-1)], at most `delay_max_s`. `attempt` is the one that failed, from 1.

    Full jitter spreads a herd best: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
    """
    return random01 * min(delay_max_s, base_s * 2.0 ** min(attempt - 1, 60))


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How often and how long. The defaults wait 30 s in the mean over all eight attempts of one call."""

    attempts_max: int = 8
    base_s: float = 0.5
    delay_max_s: float = 30.0
    retry_after_max_s: float = 300.0  # a server that asks for more (a month's limit, say) is not waited for
    retries_per_run_max: int = 64
    retries_burst: int = 200  # retries that a host may make before it has seen any success
    retries_per_success: float = 0.5  # and how many more every success earns, so that an outage is not doubled


@dataclass(frozen=True, slots=True)
class Retry:
    """Try again after `delay_s`."""

    delay_s: float


@dataclass(frozen=True, slots=True)
class GiveUp:
    """No further attempt, and why."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallState:
    """A call so far: the attempts of the model that is asked, and how many it has.

    `worst_tokens` is what one more attempt may cost, `tokens_left` the ceiling over all of them.
    """

    attempts: int
    attempts_max: int
    unseen_tokens: int
    worst_tokens: int
    tokens_left: int | None


class RetryBudget:
    """How many retries a run and a host have left. A wave of faults must not become a wave of retries."""

    RUNS_MAX = 10_000  # runs that are remembered; the least recently retried is forgotten first

    def __init__(self, policy: RetryPolicy) -> None:
        self._policy = policy
        self._left = float(policy.retries_burst)
        self._by_run: OrderedDict[str, int] = OrderedDict()

    def succeeded(self) -> None:
        self._left = min(float(self._policy.retries_burst), self._left + self._policy.retries_per_success)

    def decide(self, fault: Fault, call: CallState, run_id: str, random01: float) -> Retry | GiveUp:
        """Whether the call is tried again. A granted retry is counted."""
        why = _refusal(fault, call, self._policy) or self._spent(fault, run_id)
        if why:
            return GiveUp(why)
        self._count(fault, run_id)
        policy = self._policy
        jitter_s = full_jitter_s(call.attempts, random01, base_s=policy.base_s, delay_max_s=policy.delay_max_s)
        return Retry(jitter_s if fault.retry_after_s is None else fault.retry_after_s + min(jitter_s, policy.base_s))

    def turn(self, call: CallState, run_id: str) -> str:
        """Why a call may not go on with another model; "" when it may, which counts as a retry of its run.

        It takes none of the host's: those are for a model that is down, and this one is asked instead.
        """
        why = _too_dear(call) or self._spent_by(run_id)
        if not why:
            self._count_for(run_id)
        return why

    def _spent_by(self, run_id: str) -> str:
        if run_id and self._by_run.get(run_id, 0) >= self._policy.retries_per_run_max:
            return f"run {run_id!r} has used its {self._policy.retries_per_run_max} retries"
        return ""

    def _spent(self, fault: Fault, run_id: str) -> str:
        why = self._spent_by(run_id)
        if why:
            return why
        if self._left < 1 and fault.kind is not FaultKind.RATE_LIMITED:  # a 429 is slowed by the brake, not given up
            return f"the host's retries are used up ({self._policy.retries_burst} above what successes earned)"
        return ""

    def _count(self, fault: Fault, run_id: str) -> None:
        if fault.kind is not FaultKind.RATE_LIMITED:
            self._left -= 1
        self._count_for(run_id)

    def _count_for(self, run_id: str) -> None:
        if run_id:
            self._by_run[run_id] = self._by_run.get(run_id, 0) + 1
            self._by_run.move_to_end(run_id)
            if len(self._by_run) > self.RUNS_MAX:
                self._by_run.popitem(last=False)

    def check(self) -> None:
        """The invariants that every test asserts on the way out."""
        assert self._left <= self._policy.retries_burst
        assert len(self._by_run) <= self.RUNS_MAX
        assert all(0 < used <= self._policy.retries_per_run_max for used in self._by_run.values())


def _refusal(fault: Fault, call: CallState, policy: RetryPolicy) -> str:
    """Why this call itself may not go again; empty when it may."""
    if not fault.transient:
        return "trying again would not help"
    if call.attempts >= call.attempts_max:
        return f"attempt {call.attempts} of {call.attempts_max}"
    if fault.retry_after_s is not None and fault.retry_after_s > policy.retry_after_max_s:
        return f"the server asks to wait {fault.retry_after_s:g} s, limit {policy.retry_after_max_s:g} s"
    return _too_dear(call)


def _too_dear(call: CallState) -> str:
    """Why no further attempt can be paid for; empty when it can."""
    # An attempt that was surely not billed leaves the call where it was: what allowed the first one allows the next.
    passes = call.tokens_left is not None and call.unseen_tokens + call.worst_tokens > call.tokens_left
    if passes and call.unseen_tokens:
        return (
            f"lost attempts may have cost {call.unseen_tokens} tokens, one more may cost {call.worst_tokens}, "
            f"and {call.tokens_left} are left"
        )
    return ""
