"""Whose doing a lasting change is: the service's own, or that of a dependency that changed at the same time."""

from __future__ import annotations

import pytest

from actors.sources import Neighbour, Window
from actors.tools.metrics.indicators import Subject
from actors.tools.metrics.series import DAY_S
from actors.tools.metrics.shifts import Change
from actors.tools.metrics.signals import Scope, Signal
from actors.tools.metrics.surroundings import Read, Surroundings
from actors.tools.metrics.view import View

WINDOW = Window(100 * DAY_S, 30 * DAY_S)


def drift(growth: float, *, at_day: float = 80.0, scope: Scope = Scope.OWN, signal: Signal = Signal.LATENCY) -> Change:
    """A trend of `growth` doublings that began on a day."""
    return Change(
        subject=Subject(signal, scope, "request_seconds", "p99", "s", about="db" if scope is Scope.OUTBOUND else ""),
        kind="trend",
        at_s=at_day * DAY_S,
        before=0.1,
        after=0.1 * 2**growth,
        growth=growth,
        certainty=0.9,
        agreeing=1,
        citations=(),
    )


def seen(*changes: Change) -> View:
    return View(
        names=frozenset(),
        levels=(),
        callers=frozenset(),
        traffic=None,
        lulls=(),
        events=(),
        changes=changes,
        availability=None,
        silences=(),
        covered_s=30 * DAY_S,
        past_covered_s=30 * DAY_S,
        series=1,
        samples=1,
        gaps=(),
    )


def around(own: Change, **dependencies: Change) -> Surroundings:
    read = tuple(Read(Neighbour(name, "dependency", file="m"), seen(made)) for name, made in dependencies.items())
    return Surroundings(seen(own), WINDOW, read)


@pytest.mark.parametrize(
    ("own", "theirs", "cause"),
    [
        (drift(1.0), drift(1.0), "db"),
        (drift(0.6), drift(2.0), "db"),
        (drift(1.0), drift(0.92), "db"),  # two quantiles of one thing differ by as much
        (drift(1.4), drift(1.1), ""),  # a part that doubles cannot make the whole do more
        (drift(1.0), drift(-1.0), ""),
        (drift(1.0), drift(1.0, at_day=85), ""),  # it came later
        (drift(1.0), drift(1.0, at_day=76), ""),  # long before
        (drift(1.0), drift(1.0, signal=Signal.ERRORS), ""),
        (drift(1.0), drift(1.0, scope=Scope.OUTBOUND), ""),  # it shows another's
        (drift(1.0, scope=Scope.OUTBOUND), drift(0.1), "db"),
    ],
)
def test_a_change_is_a_dependencys_only_when_that_one_changed_as_much(own: Change, theirs: Change, cause: str) -> None:
    """When what is waited for grows n-fold, the whole grows n-fold at most."""
    assert around(own, db=theirs).blame_change(own).cause == cause


def test_a_dependency_that_changed_less_is_named_without_being_blamed() -> None:
    """And one that changed enough is found behind it."""
    own = drift(1.4)

    lesser = around(own, cache=drift(0.5)).blame_change(own)
    found = around(own, cache=drift(0.5), db=drift(1.5)).blame_change(own)

    assert (lesser.cause, "cache" in lesser.why, "less than this" in lesser.why) == ("", True, True)
    assert found.cause == "db"
