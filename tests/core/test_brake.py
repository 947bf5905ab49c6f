"""The brake: what it allows against providers of every kind, on a virtual clock, and how each signal moves it."""

from __future__ import annotations

import math
from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.models.brake import Brake, BrakeLimits, Heard, Permit, Signal
from actors.models.headers import told_limits
from actors.models.pace import Told
from support.brake_world import Count, Provider, drive


def latency(median_s: float) -> Callable[[Random], float]:
    return lambda chance: median_s * math.exp(chance.gauss(0, 0.4))


def driven(
    provider: Provider,
    *,
    hosts: int = 1,
    sharers: int = 1,
    for_s: float = 60.0,
    median_s: float = 0.05,
    seed: int = 0,
    **fates: Any,
) -> Count:
    brakes = [Brake(sharers=sharers) for _ in range(hosts)]
    count = drive(provider, brakes, for_s=for_s, loops=256 // hosts, latency_s=latency(median_s), seed=seed, **fates)
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


# provider, processes that know of each other, latency, refused at most, of the allowed rate at least
SHARED = [
    ("two on a small bucket", Provider(20, 20), 2, 0.05, 0.001, 0.98),
    ("four on a small bucket", Provider(20, 20), 4, 0.05, 0.001, 0.96),
    ("eight on a small bucket", Provider(20, 20), 8, 0.05, 0.001, 0.95),
    ("four on a small bucket, slower calls", Provider(20, 20), 4, 0.2, 0.01, 0.96),
    ("four on a small bucket, calls of a second", Provider(20, 20), 4, 1.0, 0.02, 0.85),
    ("four on a bucket of five", Provider(5, 5), 4, 0.05, 0.02, 0.9),
    ("four on a wide bucket", Provider(100, 100), 4, 0.05, 0.001, 0.98),
]


@pytest.mark.parametrize("row", SHARED, ids=[row[0] for row in SHARED])
def test_processes_that_know_how_many_they_are_find_their_share_without_refusals(row):
    """From the first seconds on: twenty seconds are less than a small audit takes."""
    _, like, hosts, median_s, refused_max, used_min = row
    provider = Provider(like.rate_per_s, like.burst)
    count = driven(provider, hosts=hosts, sharers=hosts, median_s=median_s, for_s=20.0)

    assert count.refused / count.sent <= refused_max
    assert count.let_through / (provider.burst + 20 * provider.rate_per_s) > used_min


def test_one_that_was_told_of_others_who_do_not_call_takes_all_of_the_rate():
    """Hosts end at different times: the last one is not held to its share."""
    count = driven(Provider(20, 20), sharers=8, median_s=0.2, for_s=20.0)

    assert count.answered_between(10.0, 20.0) >= 190


def no_answer_before(second: float) -> Callable[[int, float], bool]:
    return lambda _, now_s: now_s < second


@pytest.mark.parametrize("share", [0.03, 0.08])
def test_who_is_refused_whatever_the_pace_does_not_slow_down_for_good(share):
    """A provider without a limit that refuses some calls by chance and says nothing of its buckets: slowing down is
    tried, and as it does not help, given up again."""
    provider = Provider(1e4, 1e4, headers="none", retry_after="none", fickle=share)
    count = driven(provider, median_s=0.5)

    assert count.answered_between(30.0, 60.0) > 30 * 10


# what hangs, after how long its session gives it up, when to look, answers in ten seconds at least, of 1,000 allowed
HANGING = [
    ("the first call", lambda number, _: number == 1, math.inf, 10.0, 980),
    ("the first twenty", lambda number, _: number <= 20, math.inf, 10.0, 980),
    ("the first twenty, given up", lambda number, _: number <= 20, 30.0, 10.0, 980),
    ("everything for half a minute", no_answer_before(30.0), 600.0, 31.0, 980),
    ("everything, after all went well", lambda _, now_s: 10.0 < now_s < 25.0, 600.0, 26.0, 980),
    ("one call in a hundred, for good", lambda number, _: number % 100 == 0, math.inf, 20.0, 970),
    ("each third call", lambda number, _: number % 3 == 0, 2.0, 20.0, 620),
]


@pytest.mark.parametrize("headers", ["all", "none"])
@pytest.mark.parametrize(
    ("hangs", "gives_up_s", "from_s", "least"), [r[1:] for r in HANGING], ids=[r[0] for r in HANGING]
)
def test_calls_that_hang_do_not_keep_the_others_from_going(hangs, gives_up_s, from_s, least, headers):
    """Nobody waits for them longer than it takes to see that others are answered."""
    provider = Provider(100, 100, headers=headers)
    count = driven(provider, hangs=hangs, gives_up_s=gives_up_s)

    assert count.answered_between(from_s, from_s + 10.0) >= least * (1.0 if headers == "all" else 0.8)


def test_a_server_that_never_answers_gets_few_calls():
    """Each may be billed: twenty within seconds, then one more a second."""
    count = driven(Provider(100, 100), hangs=lambda *_: True, for_s=20.0)

    assert 20 <= count.sent <= 40


def fine(**told: Told) -> Heard:
    return Heard(signal=Signal.FINE, told=told)


def refused(after_s: float | None = None, random01: float = 0.0, **told: Told) -> Heard:
    return Heard(signal=Signal.RATE_LIMITED, told=told, retry_after_s=after_s, random01=random01)


def permits(brake: Brake, count: int, now_s: float = 0.0) -> list[Permit]:
    asked = [brake.ask(now_s) for _ in range(count)]
    assert all(isinstance(permit, Permit) for permit in asked)
    return [permit for permit in asked if isinstance(permit, Permit)]


def begun(limit: int = 20, limits: BrakeLimits | None = None) -> Brake:
    """A brake that has learnt, without trouble, that so many calls may go at once; none is under way at second 0."""
    made = Brake(limits)
    while made.limit < limit:
        for permit in permits(made, made.limit, now_s=-2.0):
            made.answered(permit, -1.0, Heard(signal=Signal.FINE if made.limit < limit else Signal.NOTHING))
    return made


@pytest.fixture
def brake():
    made = begun()
    yield made
    made.check()


def test_the_first_call_goes_alone_and_the_others_do_not_wait_for_a_slow_model():
    """Nothing is known of the provider yet: one call, two after a second, four after two, and from twenty on one more
    each second, as a provider that refuses would have done so by then."""
    brake, sent = Brake(), {}
    for tick in range(1100):
        while isinstance(brake.ask(tick / 100), Permit):
            pass
        sent[tick / 100] = brake.in_flight
    brake.check()

    assert [sent[now_s] for now_s in (0.0, 0.99, 1.02, 2.04, 3.1)] == [1, 1, 2, 4, 8]
    assert 20 <= sent[5.0] <= 21
    assert sent[10.0] == sent[5.0] + 5


def test_who_waits_for_the_first_reply_is_told_how_long():
    """Until the second call may go, or until the first one is answered."""
    brake = Brake()
    permits(brake, 1)

    assert brake.ask(0.25) == pytest.approx(0.75)


def test_a_call_that_hangs_loses_its_place_when_a_later_one_is_answered():
    """And only then: as long as nobody is answered, it may be the provider that is slow."""
    brake = begun(4)
    (hanging,) = permits(brake, 1)
    first, *_ = permits(brake, 3, now_s=0.5)
    full = brake.ask(0.55)
    brake.answered(first, 1.5, fine())
    (later,) = permits(brake, 1, now_s=3.0)
    brake.answered(later, 4.0, fine())

    assert isinstance(full, float)
    assert len(permits(brake, 5, now_s=4.0)) == brake.limit
    assert isinstance(brake.ask(4.0), float)
    assert brake.in_flight == 3 + 5
    brake.answered(hanging, 5.0, fine())
    brake.check()


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


def test_a_limit_that_is_not_used_does_not_grow():
    """One call at a time says nothing about what a hundred would do."""
    brake = Brake()
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
    brake = begun(100)
    for permit in permits(brake, 100)[:20]:
        brake.answered(permit, 1.0, refused())

    assert brake.limit == 70
    brake.check()


def test_one_overloaded_answer_among_many_cuts_nothing(brake):
    """529 is the provider's state, not our doing; a quarter of all answers is a reason to slow down."""
    sent = permits(brake, 20)
    for permit in sent[:4]:
        brake.answered(permit, 1.0, Heard(signal=Signal.OVERLOADED))
    before = brake.limit
    brake.answered(sent[4], 1.0, Heard(signal=Signal.OVERLOADED))

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


EVENTS = st.tuples(st.sampled_from(["ask", "ask", "ask", *Signal]), st.floats(0.0, 30.0), st.integers(0, 100))


@given(st.lists(EVENTS, max_size=120))
def test_whatever_happens_one_more_call_may_go_in_the_end(events):
    """No order of answers, refusals and silence leads to where everybody waits for calls that may hang."""
    brake, now_s, under_way = Brake(sharers=2), 0.0, []
    for kind, passes_s, which in events:
        now_s += passes_s if which % 3 == 0 else 0.01
        if kind == "ask":
            permit = brake.ask(now_s)
            under_way += [permit] if isinstance(permit, Permit) else []
        elif under_way:
            left = float(which % 20)
            told = {"requests": Told(20, left, 20 - left)} if which % 2 else {}
            heard = Heard(signal=kind, told=told, retry_after_s=which / 10 if which % 5 == 0 else None)
            brake.answered(under_way.pop(which % len(under_way)), now_s, heard)
        brake.check()

    for _ in range(20):
        permit = brake.ask(now_s)
        if isinstance(permit, Permit):
            return
        assert 0 < permit <= 600
        now_s += permit
    pytest.fail("nobody may go any more")
