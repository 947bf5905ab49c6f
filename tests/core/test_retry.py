"""When a failed call is tried again: every error class, the spread of the waits, and the ceilings on retries."""

from __future__ import annotations

import math
import random

import aiohttp
import anthropic
import httpx2
import pytest

from actors.contracts import Usage
from actors.models.events import StreamFault
from actors.models.faults import fault_of
from actors.models.http import ReplyTooLargeError
from actors.models.retry import (
    CallState,
    Fault,
    FaultKind,
    GiveUp,
    Retry,
    RetryBudget,
    RetryPolicy,
    full_jitter_s,
    retry_after_s,
    status_fault,
)
from actors.models.wire import Malformed

REQUEST = httpx2.Request("POST", "http://127.0.0.1:9/v1/messages")
K = FaultKind
UNKNOWN = None  # may have been billed, nobody knows


def status_error(kind: type[anthropic.APIStatusError], status: int, **headers: str) -> anthropic.APIStatusError:
    response = httpx2.Response(status, request=REQUEST, headers={n.replace("_", "-"): v for n, v in headers.items()})
    return kind("no", response=response, body={"error": {"type": "x", "message": "no"}})


def caused(error: anthropic.APIConnectionError, cause: BaseException) -> anthropic.APIConnectionError:
    error.__cause__ = cause
    return error


def connection(cause: BaseException) -> anthropic.APIConnectionError:
    return caused(anthropic.APIConnectionError(request=REQUEST), cause)


# class, an instance, kind, transient, billed
STATUS_CLASSES = [
    (anthropic.BadRequestError, 400, K.REJECTED, False, 0),
    (anthropic.AuthenticationError, 401, K.REJECTED, False, 0),
    (anthropic.PaymentRequiredError, 402, K.REJECTED, False, 0),
    (anthropic.PermissionDeniedError, 403, K.REJECTED, False, 0),
    (anthropic.NotFoundError, 404, K.REJECTED, False, 0),
    (anthropic.RequestTimeoutError, 408, K.SERVER_ERROR, True, UNKNOWN),
    (anthropic.ConflictError, 409, K.SERVER_ERROR, True, 0),
    (anthropic.PreconditionFailedError, 412, K.REJECTED, False, 0),
    (anthropic.ContentTooLargeError, 413, K.REJECTED, False, 0),
    (anthropic.UnprocessableEntityError, 422, K.REJECTED, False, 0),
    (anthropic.RateLimitError, 429, K.RATE_LIMITED, True, 0),
    (anthropic.RequestHeaderFieldsTooLargeError, 431, K.REJECTED, False, 0),
    (anthropic.ClientClosedRequestError, 499, K.REJECTED, False, 0),
    (anthropic.InternalServerError, 500, K.SERVER_ERROR, True, UNKNOWN),
    (anthropic.HTTPNotImplementedError, 501, K.SERVER_ERROR, False, 0),
    (anthropic.InternalServerError, 502, K.SERVER_ERROR, True, UNKNOWN),
    (anthropic.ServiceUnavailableError, 503, K.SERVER_ERROR, True, UNKNOWN),
    (anthropic.GatewayTimeoutError, 504, K.SERVER_ERROR, True, UNKNOWN),
    (anthropic.OverloadedError, 529, K.OVERLOADED, True, 0),
]
OTHERS = [
    (anthropic.APIStatusError, status_error(anthropic.APIStatusError, 418), K.REJECTED, False, 0),
    (anthropic.APITimeoutError, anthropic.APITimeoutError(request=REQUEST), K.TIMEOUT, True, UNKNOWN),
    (
        anthropic.APITimeoutError,
        caused(anthropic.APITimeoutError(request=REQUEST), httpx2.ConnectTimeout("")),
        K.UNREACHABLE,
        True,
        0,
    ),
    (anthropic.APIConnectionError, connection(httpx2.ConnectError("refused")), K.UNREACHABLE, True, 0),
    (anthropic.APIConnectionError, connection(httpx2.ReadError("reset")), K.LOST, True, UNKNOWN),
    (anthropic.APIConnectionError, connection(aiohttp.ServerDisconnectedError()), K.LOST, True, UNKNOWN),
    (anthropic.APIConnectionError, connection(aiohttp.ClientPayloadError("short")), K.LOST, True, UNKNOWN),
    (anthropic.APIConnectionError, connection(aiohttp.SocketTimeoutError()), K.TIMEOUT, True, UNKNOWN),
    (anthropic.APIConnectionError, connection(aiohttp.ConnectionTimeoutError()), K.UNREACHABLE, True, 0),
    (anthropic.APIConnectionError, connection(ReplyTooLargeError("much")), K.MALFORMED, True, UNKNOWN),
    (
        anthropic.APIResponseValidationError,
        anthropic.APIResponseValidationError(httpx2.Response(200, request=REQUEST), None),
        K.MALFORMED,
        True,
        UNKNOWN,
    ),
    (
        anthropic.APIWebhookValidationError,
        anthropic.APIWebhookValidationError("x", REQUEST, body=None),
        K.REJECTED,
        0,
        None,
    ),
    (anthropic.APIError, anthropic.APIError("x", REQUEST, body=None), K.REJECTED, False, UNKNOWN),
    (anthropic.AnthropicError, anthropic.AnthropicError("x"), K.REJECTED, False, UNKNOWN),
    (anthropic.RetryableError, anthropic.RetryableError("x"), K.SERVER_ERROR, True, UNKNOWN),
    (anthropic.CredentialsError, anthropic.CredentialsError("x"), K.REJECTED, False, 0),
    (anthropic.WorkloadIdentityError, anthropic.WorkloadIdentityError("x"), K.REJECTED, False, UNKNOWN),
    (anthropic.IdentityTokenFileError, anthropic.IdentityTokenFileError("x"), K.REJECTED, False, 0),
    (Malformed, Malformed("no JSON"), K.MALFORMED, True, UNKNOWN),
    (Malformed, Malformed("no text", Usage(100, 20)), K.MALFORMED, True, 120),
    (StreamFault, StreamFault("overloaded_error", "x"), K.OVERLOADED, True, UNKNOWN),
    (StreamFault, StreamFault("invalid_request_error", "x"), K.REJECTED, False, UNKNOWN),
    (TimeoutError, TimeoutError(), K.TIMEOUT, True, UNKNOWN),
    (ConnectionResetError, ConnectionResetError(), K.LOST, True, UNKNOWN),
    (ValueError, ValueError("a bug"), K.REJECTED, False, UNKNOWN),
]
TABLE = [(c, status_error(c, status), k, t, b) for c, status, k, t, b in STATUS_CLASSES] + OTHERS


@pytest.mark.parametrize(("kind", "error", "fault_kind", "transient", "billed"), TABLE)
def test_every_error_is_transient_or_not_and_billed_or_not(kind, error, fault_kind, transient, billed):
    """Only what may pass is tried again, and only what surely cost nothing is booked as nothing."""
    fault = fault_of(error)

    assert isinstance(error, kind)
    assert (fault.kind, fault.transient, fault.billed_tokens) == (fault_kind, transient, billed)


def test_the_table_knows_every_error_class_of_the_sdk():
    """A class that a new SDK brings must get a row, or be a finer kind of one that has."""
    rows = {kind for kind, *_ in TABLE}
    finer_of = tuple(kind for kind, *_ in STATUS_CLASSES)
    exported = {value for value in vars(anthropic).values() if isinstance(value, type)}
    errors = {value for value in exported if issubclass(value, anthropic.AnthropicError)}

    assert len(errors) > 30
    assert {error.__name__ for error in errors - rows if not issubclass(error, finer_of)} == set()


@pytest.mark.parametrize(
    ("status", "told", "transient"),
    [(500, "false", False), (429, "false", False), (400, "true", True), (500, "", True), (400, "maybe", False)],
)
def test_the_server_may_say_itself_whether_to_try_again(status, told, transient):
    """x-should-retry outweighs what the status says."""
    assert status_fault(status, "x", {"x-should-retry": told}).transient is transient


@pytest.mark.parametrize(
    ("headers", "expected_s"),
    [
        ({"retry-after": "3"}, 3.0),
        ({"retry-after": "0.25"}, 0.25),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after": "Fri, 21 Nov 2026 10:00:00 GMT"}, None),
        ({"retry-after": "Sat, 21 Nov 2026 10:00:07 GMT", "date": "Sat, 21 Nov 2026 10:00:00 GMT"}, 7.0),
        ({"retry-after": "Sat, 21 Nov 2026 10:00:07 GMT", "date": "Sat, 21 Nov 2026 11:00:00 GMT"}, 0.0),
        ({"retry-after": "Sat, 21 Nov 99999 10:00:07 GMT", "date": "Sat, 21 Nov 2026 11:00:00 GMT"}, None),
        ({"retry-after": "soon", "date": "Sat, 21 Nov 2026 11:00:00 GMT"}, None),
        ({"retry-after-ms": "-5", "retry-after": "3"}, 3.0),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({}, None),
    ],
)
def test_a_wait_is_read_only_where_it_is_a_number(headers, expected_s):
    """A server's odd header must not become an odd sleep."""
    assert retry_after_s(headers) == expected_s


def test_the_waits_are_uniform_over_the_whole_range():
    """Full jitter: Kolmogorov-Smirnov against the uniform distribution over [0, base * 2^(k-1)], at 0.1 %."""
    chance, count = random.Random(11), 20_000
    for attempt in (1, 2, 3, 4):
        most_s = 0.5 * 2 ** (attempt - 1)
        waits = sorted(full_jitter_s(attempt, chance.random(), base_s=0.5, delay_max_s=30.0) for _ in range(count))

        distance = max(
            max((n + 1) / count - wait_s / most_s, wait_s / most_s - n / count) for n, wait_s in enumerate(waits)
        )

        assert distance < 1.95 / math.sqrt(count)


def test_a_wait_never_passes_its_limit():
    """Doubling stops at delay_max_s, also after a thousand attempts."""
    assert full_jitter_s(1_000, 1.0, base_s=0.5, delay_max_s=30.0) == 30.0


def call(attempts: int = 1, unseen: int = 0, worst: int = 1_000, left: int | None = 10_000, most: int = 8) -> CallState:
    return CallState(attempts=attempts, attempts_max=most, unseen_tokens=unseen, worst_tokens=worst, tokens_left=left)


def fault(kind: FaultKind = K.SERVER_ERROR, retry_after_s: float | None = None) -> Fault:
    return Fault(kind=kind, message="x", transient=True, billed_tokens=None, retry_after_s=retry_after_s)


@pytest.mark.parametrize(
    ("state", "why"),
    [
        (call(unseen=1_000), None),
        (call(unseen=9_000), None),
        (call(unseen=9_001), "lost attempts may have cost 9001 tokens"),
        (call(unseen=9_001, left=None), None),
        (call(unseen=0, worst=20_000), None),
        (call(attempts=8), "attempt 8 of 8"),
    ],
)
def test_a_retry_that_could_pass_the_calls_ceiling_is_not_made(state, why):
    """Lost attempts count at their worst case; an attempt that was surely not billed takes nothing away."""
    decision = RetryBudget(RetryPolicy()).decide(fault(), state, "", 0.5)

    assert isinstance(decision, Retry) if why is None else isinstance(decision, GiveUp) and why in decision.why


def test_what_the_server_asks_for_is_the_least_wait():
    """retry-after is honoured, with a little jitter on top, up to retry_after_max_s; beyond it the call is given up."""
    budget = RetryBudget(RetryPolicy())

    decisions = [budget.decide(fault(K.RATE_LIMITED, after_s), call(), "", 0.5) for after_s in (7.0, 4_294_967.0)]

    assert decisions[0] == Retry(7.25)
    assert isinstance(decisions[1], GiveUp)
    assert "asks to wait 4.29497e+06 s, limit 300 s" in decisions[1].why


def test_a_run_has_so_many_retries_and_no_more():
    """One run that fails all the time takes none from the others."""
    budget = RetryBudget(RetryPolicy(retries_per_run_max=3))

    decisions = [budget.decide(fault(), call(), "svc-1", 0.5) for _ in range(5)]

    assert [isinstance(decision, Retry) for decision in decisions] == [True, True, True, False, False]
    assert isinstance(budget.decide(fault(), call(), "svc-2", 0.5), Retry)
    budget.check()


def test_going_on_with_another_model_is_a_retry_of_the_run_and_none_of_the_host():
    """The host's are for a model that is down; the ceiling of the call holds for whoever is asked."""
    budget = RetryBudget(RetryPolicy(retries_per_run_max=2, retries_burst=1))
    budget.decide(fault(), call(), "other", 0.5)

    turns = [budget.turn(call(), "svc-1") for _ in range(3)]

    assert turns == ["", "", "run 'svc-1' has used its 2 retries"]
    assert "one more may cost 1000" in budget.turn(call(unseen=9_001), "svc-2")
    assert isinstance(budget.decide(fault(), call(), "svc-2", 0.5), GiveUp)
    budget.check()


def test_an_outage_is_not_doubled_by_retries():
    """With no success a host retries `retries_burst` times in all; every success earns half a retry back."""
    budget = RetryBudget(RetryPolicy(retries_burst=10))
    in_outage = sum(isinstance(budget.decide(fault(), call(), f"r{n}", 0.5), Retry) for n in range(1_000))
    for _ in range(4):
        budget.succeeded()
    earned = sum(isinstance(budget.decide(fault(), call(), f"s{n}", 0.5), Retry) for n in range(1_000))

    assert (in_outage, earned) == (10, 2)
    budget.check()


def test_what_is_permanent_is_never_tried_again():
    """A wrong request stays wrong."""
    wrong = status_fault(400, "no", {})

    assert isinstance(RetryBudget(RetryPolicy()).decide(wrong, call(), "", 0.5), GiveUp)


def test_a_side_effect_happens_once_per_key_over_ten_thousand_lost_replies():
    """One key per logical call, the same on every attempt: the receiver's ledger executes it once, whatever is lost."""
    chance, budget_policy = random.Random(5), RetryPolicy()
    executed: dict[str, int] = {}
    replies: dict[str, str] = {}

    def receive(key: str) -> str:
        if key not in replies:
            executed[key] = executed.get(key, 0) + 1
            replies[key] = f"done {key}"
        return replies[key]

    attempts_in_all = 0
    for trial in range(10_000):
        key, budget, attempts = f"task-{trial}/publish", RetryBudget(budget_policy), 0
        while True:
            attempts += 1
            lost_before, lost_after = chance.random() < 0.2, chance.random() < 0.4
            reply = None if lost_before else receive(key)
            if reply is not None and not lost_after:
                break
            state = call(attempts=attempts, left=None, most=50)
            assert isinstance(budget.decide(fault(K.LOST), state, key, chance.random()), Retry)
        attempts_in_all += attempts

    assert attempts_in_all > 15_000
    assert len(executed) == 10_000
    assert set(executed.values()) == {1}
