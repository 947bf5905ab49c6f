"""What is begun ahead of its need: who takes it gets what came of it, from a thread that lives until it ends."""

from __future__ import annotations

import sys
import threading
from typing import Any, cast

import pytest

from orchestrator import ahead
from orchestrator.ahead import Ahead

REAPER = cast(Any, object())


def test_who_takes_it_gets_what_was_started() -> None:
    """One begins it, another one has it, and then nothing waits any more."""
    ahead.begin(lambda: REAPER)

    was_waiting, taken = ahead.waiting(), ahead.taken()

    assert was_waiting is taken
    assert taken.ready() is REAPER
    assert ahead.waiting() is None
    taken.end()


def test_what_start_raises_is_raised_where_it_is_needed() -> None:
    """Nobody looks at a thread: what went wrong there is told to whoever waits for it."""

    def start() -> Any:
        raise ValueError("no room")

    begun = Ahead(start)
    begun.begin()

    with pytest.raises(ValueError, match="no room"):
        begun.ready()


def test_the_thread_that_started_it_lives_until_it_ends() -> None:
    """Linux ends a process with the thread that started it, where it was asked to."""
    threads: list[threading.Thread] = []

    def start() -> Any:
        threads.append(threading.current_thread())
        return REAPER

    begun = Ahead(start)
    begun.begin()
    begun.ready()
    alive_while_needed = threads[0].is_alive()
    begun.end()
    threads[0].join(5.0)

    assert alive_while_needed
    assert not threads[0].is_alive()


def test_threads_take_turns_as_before_once_it_is_there() -> None:
    """Quick turns are for the time of the start."""
    usual_s = sys.getswitchinterval()

    begun = Ahead(lambda: REAPER)
    begun.begin()
    begun.ready()
    begun.end()

    assert sys.getswitchinterval() == usual_s
