"""The brake: what it allows against providers of every kind, on a virtual clock, and how each signal moves it."""

from __future__ import annotations

import math
from collections.abc import Callable
from random import Random

import pytest

from actors.models.brake import Brake, BrakeLimits, Heard, Permit, Signal
from actors.models.headers import told_limits
from actors.models.pace import Told
from support.brake_world import Count, Provider, drive


def latency(median_s: float) -> Callable[[Random], float]:
    return lambda chance: median_s * math.exp(chance.gauss(0, 0.4))


def driven(provider: Provider, *, hosts: int = 1, for_s: float = 60.0, median_s: float = 0.05, seed: int = 0) -> Count:
    brakes = [Brake() for _ in range(hosts)]
    count = drive(provider, brakes, for_s=for_s, loops=256 // hosts, latency_s=latency(median_s), seed=seed)
    for brake in brakes:
        brake.check()
    return count


# provider, hosts, latency, refused at most, of the allowed rate at least
TRACKS = [
    ("a bucket that every reply tells of", Provider(100, 100), 1, 0.05, 0.001, 0.99),
    ("counted when the reply ends", Provider(100, 100, counts_at="end"), 1, 0.05, 0.005, 0.97),
    ("slow calls", Provider(100, 100), 1, 1.0, 0.005, 0.91),
    ("a minute's worth in the bucket", Provider(50, 3_000), 1, 1.0, 0.001, 0.97),
    ("sixty a minute, slow calls", Provider(1, 60), 1, 5.0, 0.01, 0.94),
    ("fast and wide", Provider(1_000, 1_000), 1, 0.05, 0.001, 0.98),
    ("four hosts on one bucket", Provider(100, 100), 4, 0.05, 0.01, 0.97),
    ("four hosts, slow calls", Provider(100, 100), 4, 2.0, 0.01, 0.93),
    ("a bucket of five for two hundred", Provider(5, 5), 1, 0.05, 0.005, 0.98),
    ("a bucket of five, slow calls", Provider(5, 5), 1, 1.0, 0.01, 0.92),
    ("a bucket of a tenth of what is in flight", Provider(100, 10), 1, 1.0, 0.001, 0.8),
    ("a bucket of five, no headers", Provider(5, 5, headers="none"), 1, 0.2, 0.02, 0.85),
    ("four hosts on a bucket of five", Provider(5, 5), 4, 0.05, 0.05, 0.95),
    ("windows of ten seconds", Provider(60, 600, window_s=10.0), 1, 0.05, 0.01, 0.95),
    ("headers on refusals only", Provider(100, 100, headers="429"), 1, 0.05, 0.01, 0.85),
    ("no headers but retry-after", Provider(100, 100, headers="none"), 1, 0.05, 0.01, 0.85),
    ("no headers at all", Provider(100, 100, headers="none", retry_after="none"), 1, 0.05, 0.01, 0.9),
]


@pytest.mark.parametrize(
    ("provider", "hosts", "median_s", "refused_max", "used_min"),
    [row[1:] for row in TRACKS],
    ids=[r[0] for r in TRACKS],
)
def test_few_calls_are_refused_and_nearly_all_of_the_rate_is_used(provider, hosts, median_s, refused_max, used_min):
    """A minute of 256 loops without pause; allowed is the rate and what the bucket held at first."""
    provider = Provider(  # a fresh one: rows are shared by repeated runs of this test
        provider.rate_per_s,
        provider.burst,
        headers=provider.headers,
        counts_at=provider.counts_at,
        retry_after=provider.retry_after,
        window_s=provider.window_s,
    )
    count = driven(provider, hosts=hosts, median_s=median_s)

    allowed = provider.burst * (6 if provider.window_s else 1) + (0 if provider.window_s else 60 * provider.rate_per_s)
    assert count.refused / count.sent < refused_max
    assert count.let_through / allowed > used_min


def fine(**told: Told) -> Heard:
    return Heard(signal=Signal.FINE, told=told)


def refused(after_s: float | None = None, random01: float = 0.0, **told: Told) -> Heard:
    return Heard(signal=Signal.RATE_LIMITED, told=told, retry_after_s=after_s, random01=random01)


def permits(brake: Brake, count: int, now_s: float = 0.0) -> list[Permit]:
    given = [brake.ask(now_s) for _ in range(count)]
    assert all(isinstance(permit, Permit) for permit in given)
    return [permit for permit in given if isinstance(permit, Permit)]


def begun(limits: BrakeLimits | None = None) -> Brake:
    """A brake whose first seconds are over: as many calls as it begins with may go at second 0."""
    made = Brake(limits)
    for permit in permits(made, 1, now_s=-20.0):
        made.answered(permit, -19.0, Heard(signal=Signal.NOTHING))
    return made


@pytest.fixture
def brake():
    made = begun()
    yield made
    made.check()


def test_the_first_call_goes_alone_and_the_others_do_not_wait_for_a_slow_model():
    """Nothing is known of the provider yet: one call, two after a second, four after two, twenty and no more."""
    brake, sent = Brake(), []
    for now_s in (0.0, 0.5, 1.0, 2.0, 3.0, 4.0, 5.0, 60.0):
        while isinstance(brake.ask(now_s), Permit):
            pass
        sent.append(brake.in_flight)

    assert sent == [1, 1, 2, 4, 8, 16, 20, 20]


def test_who_waits_for_the_first_reply_is_told_how_long():
    """Until the second call may go, or until the first one is answered."""
    brake = Brake()
    permits(brake, 1)

    assert brake.ask(0.25) == pytest.approx(0.75)


def test_the_first_reply_that_tells_of_a_bucket_lets_twenty_go():
    """From there on the bucket says what is too fast."""
    brake = Brake()
    (permit,) = permits(brake, 1)
    brake.answered(permit, 0.1, fine(requests=Told(100, 99, 1.0)))

    assert brake.limit == 20


def test_the_calls_in_flight_double_while_all_goes_well():
    """Without a limit in sight 256 in flight are reached after eight round trips."""
    brake, sizes = Brake(), []
    in_flight = permits(brake, 1)
    for trip in range(9):
        sizes.append(brake.limit)
        sent: list[Permit] = []
        for permit in in_flight:
            brake.answered(permit, 0.01 * trip, fine())
            while isinstance(more := brake.ask(0.01 * trip), Permit):
                sent.append(more)
        in_flight = sent

    assert sizes == [1, 2, 4, 8, 16, 32, 64, 128, 256]


def test_a_limit_that_is_not_used_does_not_grow(brake):
    """One call at a time says nothing about what a hundred would do."""
    for n in range(200):
        (permit,) = permits(brake, 1, now_s=float(n))
        brake.answered(permit, n + 0.5, fine())

    assert brake.limit == 3


def test_one_refusal_stops_everybody_for_as_long_as_the_server_asks(brake):
    """And up to a tenth longer, so that hosts do not wake as one."""
    first, *_ = permits(brake, 5)
    brake.answered(first, 1.0, refused(after_s=2.0, random01=0.5))

    assert brake.ask(1.0) == pytest.approx(2.1)
    assert brake.ask(2.9) == pytest.approx(0.2)


def test_a_refusal_while_no_bucket_is_empty_is_that_calls_own(brake):
    """On a 429 only the axis at 0 is the cause: where none is, the others go on."""
    first, *_ = permits(brake, 5)
    brake.answered(first, 1.0, refused(after_s=2.0, requests=Told(100, 60, 10.0)))

    assert isinstance(brake.ask(1.0), Permit)


def test_a_wave_of_refusals_is_one_mistake():
    """Twenty refusals of calls that were sent together cut once, to 0.7."""
    brake = begun(BrakeLimits(in_flight_first=100))
    for permit in permits(brake, 100)[:20]:
        brake.answered(permit, 1.0, refused())

    assert brake.limit == 70
    brake.check()


def test_one_overloaded_answer_among_many_cuts_nothing(brake):
    """529 is the provider's state, not our doing; a quarter of all answers is a reason to slow down."""
    given = permits(brake, 20)
    for permit in given[:4]:
        brake.answered(permit, 1.0, Heard(signal=Signal.OVERLOADED))
    before = brake.limit
    brake.answered(given[4], 1.0, Heard(signal=Signal.OVERLOADED))

    assert (before, brake.limit) == (20, 14)


def test_lost_connections_say_nothing_about_load(brake):
    """A third of calls reset by a flaky network must not bring all others down to four at once."""
    for n in range(100):
        (permit,) = permits(brake, 1, now_s=float(n))
        brake.answered(permit, n + 0.5, Heard(signal=Signal.NOTHING))

    assert len(permits(brake, 20, now_s=100.0)) == brake.limit == 20


def test_tokens_are_paced_by_what_calls_have_cost(brake):
    """With 1,500 input tokens left, 600 of them kept in reserve, and calls of 400, two may go within half a minute."""
    told = Told(60_000, 60_000, 0.0)
    for n in range(10):
        (permit,) = permits(brake, 1, now_s=n * 1.0)
        heard = Heard(signal=Signal.FINE, told={"input-tokens": told}, input_tokens=400, output_tokens=10)
        brake.answered(permit, n + 0.5, heard)
    (permit,) = permits(brake, 1, now_s=20.0)
    low = Heard(
        signal=Signal.FINE, told={"input-tokens": Told(60_000, 1_500, 58.0)}, input_tokens=400, output_tokens=10
    )
    brake.answered(permit, 20.5, low)

    first, second, third = (brake.ask(now_s) for now_s in (20.6, 21.2, 21.3))
    assert isinstance(first, Permit)
    assert isinstance(second, Permit) or second < 1.0
    assert isinstance(third, float)


def test_a_permit_is_handed_back_once(brake):
    """Twice would let more in flight than allowed."""
    (permit,) = permits(brake, 1)
    brake.answered(permit, 1.0, fine())

    with pytest.raises(AssertionError):
        brake.answered(permit, 1.0, fine())
    brake._in_flight = 0


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"limit": "50", "remaining": "3", "reset": "1970-01-01T00:00:30Z"}, Told(50, 3, 20.0)),
        ({"limit": "50", "remaining": "3"}, Told(50, 3, None)),
        ({"limit": "50", "remaining": "3", "reset": "1970-01-01T00:00:05Z"}, Told(50, 3, 0.0)),
        ({"limit": "50", "remaining": "3", "reset": "2070-01-01T00:00:05Z"}, Told(50, 3, None)),
        ({"limit": "50", "remaining": "3", "reset": "soon"}, Told(50, 3, None)),
        ({"limit": "50"}, None),
        ({"limit": "0", "remaining": "0"}, None),
        ({"limit": "50", "remaining": "-1"}, None),
        ({"limit": "50", "remaining": "51"}, None),
        ({"limit": "many", "remaining": "3"}, None),
        ({"limit": "nan", "remaining": "nan"}, None),
    ],
)
def test_headers_are_followed_only_where_they_make_sense(headers, expected):
    """A server's nonsense must not become a pace."""
    given = {f"anthropic-ratelimit-requests-{name}": value for name, value in headers.items()}

    assert told_limits(given, 10.0) == ({"requests": expected} if expected else {})
