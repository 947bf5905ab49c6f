"""The circuit breaker: when it opens, what it refuses, and how it finds out that things work again."""

from __future__ import annotations

import random

import pytest

from actors.models.breaker import Breaker, BreakerLimits, Pass, Refused, State


@pytest.fixture
def breaker():
    made = Breaker()
    yield made
    made.check()


def passed(breaker: Breaker, now_s: float) -> Pass:
    given = breaker.ask(now_s)
    assert isinstance(given, Pass)
    return given


def fail(breaker: Breaker, times: int, now_s: float = 0.0) -> None:
    for _ in range(times):
        breaker.failed(passed(breaker, now_s), now_s, "status 500: down")


def test_it_opens_at_the_sixteenth_failure_of_the_last_twenty(breaker):
    """Fifteen are bad luck, sixteen an outage; a refused caller is told the cause."""
    fail(breaker, 15)
    before = breaker.state
    fail(breaker, 1)

    refused = breaker.ask(0.5)
    assert before is State.CLOSED
    assert refused == Refused(1.5, "status 500: down", soon=True)


def test_a_trial_is_worth_waiting_for_in_the_first_seconds_of_an_outage_only(breaker):
    """Counted from when it opened first, however often it opened since; once it was closed, anew."""
    fail(breaker, 16)
    soon = [breaker.ask(1.0)]
    for now_s in (2.0, 6.0):
        fail(breaker, 1, now_s)
        soon.append(breaker.ask(now_s + 0.5))
    assert [isinstance(one, Refused) and one.soon for one in soon] == [True, True, True]

    fail(breaker, 1, 14.0)
    late = breaker.ask(15.0)
    assert isinstance(late, Refused)
    assert not late.soon

    for _ in range(2):
        breaker.succeeded(passed(breaker, 30.0), 30.0)
    fail(breaker, 16, 31.0)
    again = breaker.ask(31.5)
    assert isinstance(again, Refused)
    assert again.soon


def test_random_failures_of_a_third_of_all_calls_do_not_open_it(breaker):
    """A provider that fails now and then is retried, not shut out."""
    chance = random.Random(3)
    for n in range(20_000):
        given = passed(breaker, n * 0.01)
        if chance.random() < 0.33:
            breaker.failed(given, n * 0.01, "x")
        else:
            breaker.succeeded(given, n * 0.01)

    assert breaker.state is State.CLOSED


def test_failures_of_long_ago_do_not_count(breaker):
    """Sixteen failures in an hour are no outage."""
    for n in range(16):
        fail(breaker, 1, now_s=n * 225.0)

    assert breaker.state is State.CLOSED


def test_half_open_lets_two_try_and_closes_when_both_pass(breaker):
    """The trials are the only calls; everybody else still fails fast."""
    fail(breaker, 16)
    trials = [passed(breaker, 2.0), passed(breaker, 2.0)]
    third = breaker.ask(2.0)
    for trial in trials:
        breaker.succeeded(trial, 2.5)

    assert isinstance(third, Refused)
    assert breaker.state is State.CLOSED


def test_a_failed_trial_opens_it_for_twice_as_long(breaker):
    """2, 4, 8 ... seconds, and at most a minute."""
    fail(breaker, 16)
    waits, now_s = [], 0.0
    for _ in range(8):
        refused = breaker.ask(now_s)
        assert isinstance(refused, Refused)
        waits.append(refused.retry_in_s)
        now_s += refused.retry_in_s
        breaker.failed(passed(breaker, now_s), now_s, "still down")

    assert waits == [2, 4, 8, 16, 32, 60, 60, 60]


def test_a_trial_that_is_cancelled_gives_its_place_back(breaker):
    """Two cancelled trials must not lock the circuit for good."""
    fail(breaker, 16)
    for _ in range(2):
        breaker.abandoned(passed(breaker, 2.0))

    assert isinstance(breaker.ask(2.0), Pass)


def test_answers_of_calls_from_before_it_opened_count_no_more(breaker):
    """A hundred calls in flight when it opens must not decide the trials."""
    late = [passed(breaker, 0.0) for _ in range(100)]
    fail(breaker, 16)
    trial = passed(breaker, 2.0)
    for given in late:
        breaker.failed(given, 2.1, "late")
    breaker.succeeded(trial, 2.2)
    breaker.succeeded(passed(breaker, 2.2), 2.3)

    assert breaker.state is State.CLOSED


def test_any_order_of_events_keeps_its_invariants():
    """50,000 random steps by seed, each checked."""
    chance, breaker, out, now_s = random.Random(17), Breaker(BreakerLimits(window=5, failures_min=3)), [], 0.0
    for _ in range(50_000):
        now_s += chance.random()
        given = breaker.ask(now_s)
        if isinstance(given, Pass):
            out.append(given)
        while out and chance.random() < 0.5:
            back = out.pop(chance.randrange(len(out)))
            what = chance.choice(["ok", "bad", "gone"])
            if what == "ok":
                breaker.succeeded(back, now_s)
            elif what == "bad":
                breaker.failed(back, now_s, "x")
            else:
                breaker.abandoned(back)
        breaker.check()

    assert isinstance(breaker.ask(now_s + 1_000), Pass)


def test_a_pass_from_before_it_opened_is_none_any_more(breaker):
    """Who waited for his turn while the circuit opened asks again, and does not call."""
    waiting = passed(breaker, 0.0)
    before = breaker.holds(waiting)
    fail(breaker, 16)

    assert (before, breaker.holds(waiting)) == (True, False)
