"""The pace of a provider that does not state its limits: guessed from what succeeds, given up where it is no use."""

from __future__ import annotations

import pytest

from actors.models.guess import GOODPUT_UNKNOWN_PER_S, SUCCESSES_MIN, Guesses


def refuse(guesses: Guesses, now_s: float) -> tuple[bool, bool]:
    """Whether a refusal is heeded, and whether slowing down is held to be of use."""
    return guesses.refused(now_s), guesses.slow_down(now_s)


def succeed(guesses: Guesses, count: int, *, from_s: float, to_s: float) -> None:
    for n in range(count):
        guesses.succeeded(from_s + (to_s - from_s) * n / count)


def test_nobody_waits_for_a_provider_that_has_not_refused():
    """There is nothing to guess from."""
    guesses = Guesses()
    succeed(guesses, 100, from_s=0.0, to_s=1.0)

    assert (guesses.rate_per_s, guesses.wait_s(1.0)) == (None, 0.0)


def test_a_guess_is_below_what_last_succeeded():
    """Twenty a second for four seconds, and then one too many."""
    guesses = Guesses()
    succeed(guesses, 80, from_s=0.0, to_s=4.0)
    refuse(guesses, 4.0)

    assert guesses.rate_per_s == pytest.approx(0.95 * 20, rel=0.02)
    assert 0.0 < guesses.wait_s(4.0) < 0.1


def test_one_refusal_of_the_first_few_calls_is_no_rate():
    """The second one is, be it that of a provider that lets nothing through."""
    guesses = Guesses()
    succeed(guesses, SUCCESSES_MIN - 1, from_s=0.0, to_s=0.1)
    refuse(guesses, 0.1)
    after_one = guesses.rate_per_s
    refuse(guesses, 0.2)
    silent = Guesses()
    refuse(silent, 0.1)
    refuse(silent, 0.2)

    assert after_one is None
    assert guesses.rate_per_s == pytest.approx(0.95 * (SUCCESSES_MIN - 1))
    assert silent.rate_per_s == pytest.approx(0.95 * GOODPUT_UNKNOWN_PER_S)


def refused_by_chance(guesses: Guesses, *, until_s: float) -> float:
    """A refusal after each fourteen successes at ten a second, until slowing down is held to be no use."""
    now_s = 0.0
    while now_s < until_s:
        succeed(guesses, 14, from_s=now_s, to_s=now_s + 1.4)
        now_s += 1.4
        if not refuse(guesses, now_s)[1]:
            break
    return now_s


def test_slowing_down_that_does_not_help_is_given_up():
    """Within some seconds; then lone refusals are not heeded, as long as they are few."""
    guesses = Guesses()
    now_s = refused_by_chance(guesses, until_s=60.0)

    assert 6.0 < now_s < 20.0
    assert guesses.rate_per_s is None
    assert not guesses.refused(now_s + 1.0)
    assert guesses.refused(now_s + 61.0)


def test_many_refusals_are_heeded_whatever_was_found_before():
    """A quarter of the last twenty is no chance."""
    guesses = Guesses()
    now_s = refused_by_chance(guesses, until_s=60.0)
    heeded = [guesses.refused(now_s + 1.0) for _ in range(8)]

    assert heeded[0] is False
    assert heeded[-1] is True


def test_who_is_answered_often_enough_between_refusals_goes_on_guessing():
    """That is how a guess finds a true limit: each two hundred calls it is refused once."""
    guesses = Guesses()
    useful = []
    for n in range(20):
        succeed(guesses, 200, from_s=10.0 * n, to_s=10.0 * n + 9.9)
        useful.append(refuse(guesses, 10.0 * n + 9.95)[1])

    assert all(useful)
    assert guesses.rate_per_s is not None
