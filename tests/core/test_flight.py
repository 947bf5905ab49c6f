"""Calls under way: which of them count, and when silence is long enough for one more."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from actors.models.flight import Flight

PATIENCE_MIN_S = 1.0


@dataclass(eq=False)
class Call:
    sent_at_s: float


@pytest.fixture
def flight() -> Iterator[Flight]:
    made = Flight(PATIENCE_MIN_S)
    yield made
    made.check()


def sent(flight: Flight, *times_s: float) -> list[Call]:
    calls = [Call(at_s) for at_s in times_s]
    for call in calls:
        flight.sent(call, probe=False)
    return calls


def replied(flight: Flight, call: Call, now_s: float) -> None:
    flight.answered(call, now_s)
    flight.spoke(now_s)
    flight.ended(call)


def test_calls_that_were_overtaken_count_no_more(flight):
    """Three that hang, and one sent later that is answered: the three have lost their places, not their lives."""
    *hanging, last = sent(flight, 0.0, 0.0, 0.1, 1.0)
    replied(flight, last, 1.2)

    assert (flight.counted, flight.all) == (0, 3)
    for call in hanging:
        flight.ended(call)
    assert flight.all == 0


def test_calls_that_are_merely_overtaken_at_once_count_on(flight):
    """Replies come out of order all the time: younger than the patience, nobody hangs."""
    _, last = sent(flight, 0.0, 0.01)
    replied(flight, last, 0.9)

    assert flight.counted == 1


def test_nobody_is_overtaken_by_what_was_sent_before(flight):
    """An answer to an old call says nothing about younger ones."""
    old, _ = sent(flight, 0.0, 1.0)
    replied(flight, old, 60.0)

    assert flight.counted == 1


def test_silence_makes_no_call_count_less(flight):
    """It may be the provider that is slow: what is under way loads it as long as nobody is answered."""
    sent(flight, *(n / 10 for n in range(20)))
    flight.spoke(600.0)

    assert flight.counted == 20


def test_patience_is_that_of_the_calls(flight):
    """Where calls take ten seconds, give or take two, one of fifteen is slow and one of a minute hangs."""
    for n in range(40):
        (call,) = sent(flight, 100.0 * n)
        replied(flight, call, 100.0 * n + 10.0 + (2.0 if n % 2 else -2.0))

    assert 15.0 < flight.patience_s < 25.0


def test_patience_is_never_below_a_second(flight):
    """Calls of a millisecond are no reason to give one up after ten."""
    for n in range(100):
        (call,) = sent(flight, float(n))
        replied(flight, call, n + 0.001)

    assert flight.patience_s == PATIENCE_MIN_S


def test_one_more_may_go_each_patience_of_silence(flight):
    """The first is due a patience after the last thing heard; the next one a patience after that one was sent."""
    sent(flight, 0.0, 0.0, 0.0)
    flight.spoke(5.0)
    first_s = flight.until_probe_s(5.0, doubling=False)
    flight.sent(Call(6.0), probe=True)

    assert first_s == PATIENCE_MIN_S
    assert flight.until_probe_s(6.25, doubling=False) == pytest.approx(0.75)


def test_a_pause_without_calls_is_no_silence(flight):
    """Nobody has been asked: the patience begins with the next call."""
    (call,) = sent(flight, 0.0)
    replied(flight, call, 0.1)
    sent(flight, 1_000.0)

    assert flight.until_probe_s(1_000.0, doubling=False) == PATIENCE_MIN_S


def test_a_call_ends_once(flight):
    """Twice would let more go than allowed."""
    (call,) = sent(flight, 0.0)
    flight.ended(call)

    with pytest.raises(AssertionError):
        flight.ended(call)
