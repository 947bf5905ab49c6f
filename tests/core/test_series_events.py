"""Events and whose doing they were: one row, one constellation of a service and its neighbours."""

from __future__ import annotations

import numpy as np
import pytest

from actors.tools.metrics.bursts import Episode
from actors.tools.metrics.events import Event, Evidence, blame, events, with_starvation
from actors.tools.metrics.flow import Course, Lull, is_load, starved
from actors.tools.metrics.indicators import Subject
from actors.tools.metrics.signals import Scope, Signal

CPU, SERVER, EDGE, PASSING = Evidence.RESOURCE, Evidence.SERVER, Evidence.CALLER, Evidence.PASSING


def episode(
    start_s: float, samples: int = 5, *, signal=Signal.LATENCY, scope=Scope.OWN, metric="m", caller="", size=3.0
):
    return Episode(
        Subject(signal, scope, metric, "", "seconds", caller=caller),
        start_s,
        start_s + 60.0 * (samples - 1),
        samples,
        0.1,
        1.0,
        start_s,
        size,
        10.0,
        f"metric:{metric}@{start_s:.0f}",
    )


def event(start_s: float = 1000.0, end_s: float = 1300.0, *, callers=(), others=(), **strength: float) -> Event:
    return Event(
        start_s,
        end_s,
        (),
        {Evidence[kind]: size for kind, size in strength.items()},
        frozenset(callers),
        frozenset(others),
    )


@pytest.mark.parametrize(
    ("found", "count"),
    [
        ([episode(0)], 1),
        ([episode(0, 2)], 0),
        ([episode(0, 2), episode(60, 2, metric="n")], 1),
        ([episode(0, 2), episode(60, 2)], 0),
        ([episode(0), episode(60, metric="n"), episode(3600)], 2),
        ([episode(0, scope=Scope.HOST)], 0),
        ([episode(0, scope=Scope.OUTBOUND)], 0),
        ([episode(0, signal=Signal.TRAFFIC)], 0),
    ],
    ids=["lasts", "brief", "two metrics agree", "one metric twice", "two times", "machine", "outbound", "traffic"],
)
def test_an_event_is_what_lasts_or_what_metrics_agree_on(found: list[Episode], count: int):
    """Three samples of one indicator, or two in each of two metrics; never the machine or calls to others alone."""
    assert len(events(found, frozenset(), 60.0)) == count


@pytest.mark.parametrize(
    ("own", "below", "above", "cause"),
    [
        (event(RESOURCE=3, SERVER=4), {}, {}, ""),
        (event(SERVER=4), {"db": event(RESOURCE=3, SERVER=4)}, {}, "db"),
        (event(SERVER=4), {"db": event(CALLER=4)}, {}, "db"),
        (event(SERVER=4), {"db": event(9000, 9300, RESOURCE=3)}, {}, ""),
        (event(SERVER=4), {"db": event(2000, 2300, RESOURCE=4)}, {}, ""),
        (event(900, 2100, SERVER=4), {"db": event(1900, 2100, SERVER=4)}, {}, ""),
        (event(SERVER=5), {"db": event(SERVER=1)}, {}, ""),
        (event(RESOURCE=3), {"db": event(SERVER=5)}, {}, ""),
        (event(RESOURCE=1, SERVER=5), {"db": event(RESOURCE=5)}, {}, "db"),
        (event(SERVER=4), {"db": event(CALLER=4, callers=("shop",), others=("bank",))}, {}, ""),
        (event(CALLER=4, callers=("web",)), {}, {"web": event(RESOURCE=3)}, "web"),
        (event(CALLER=4, callers=("web", "app")), {}, {"web": event(RESOURCE=3)}, ""),
        (event(PASSING=2), {}, {}, ""),
        (event(PASSING=1.5), {"db": event(SERVER=3)}, {}, "db"),
    ],
    ids=[
        "own resources", "dependency's resources", "dependency slow as well", "at another time", "only later",
        "long after it began", "too small to explain it", "own resources first", "more than its own",
        "seen from here alone", "the caller's resources", "two callers saw it", "does not pass on", "cannot pass on",
    ],
)  # fmt: skip
def test_the_one_that_causes_is_told_from_the_one_that_shows(own, below, above, cause):
    """By the most fundamental evidence at the same time; a row per constellation."""
    found = blame(
        own,
        frozenset({"shop"}),
        {name: [theirs] for name, theirs in below.items()},
        {name: (frozenset({name}), [theirs]) for name, theirs in above.items()},
    )

    assert found.cause == cause
    assert found.why


def course(fall: float = 0.0) -> Course:
    doublings = np.zeros(60)
    doublings[20:30] = -fall
    return Course(60.0 * np.arange(60), doublings)


def lull(fall: float = 2.0) -> Lull:
    return Lull(1200.0, 1740.0, fall, episode(1200, 10, signal=Signal.TRAFFIC))


@pytest.mark.parametrize(
    ("own_fall", "below", "count"),
    [
        (0.0, {"mail": ([lull()], {"shop"})}, 1),
        (1.5, {"mail": ([lull()], {"shop"})}, 0),
        (0.0, {"mail": ([lull()], {"shop", "bank"})}, 0),
        (0.0, {"mail": ([lull()], set())}, 0),
        (0.0, {"mail": ([lull()], set()), "pay": ([lull()], set())}, 2),
    ],
    ids=["starved", "fell itself", "others call it too", "unknown callers", "unknown callers, two starve"],
)
def test_a_service_that_gets_calls_and_makes_none_is_seen_by_who_starves(own_fall, below, count):
    """Exceptions leave no trace in latency or resources; what should have been called next shows them."""
    found = starved(
        course(own_fall),
        frozenset({"shop"}),
        {name: (lulls, frozenset(callers)) for name, (lulls, callers) in below.items()},
    )

    assert len(found) == count


def test_starving_dependencies_are_evidence_for_an_event_or_make_one():
    """At the time of a known event they confirm it; at another time they are one."""
    (one,) = starved(course(), frozenset({"shop"}), {"mail": ([lull()], frozenset({"shop"}))})

    (alone,) = with_starvation([], [one])
    (known,) = with_starvation([event(1200, 1500, SERVER=3.0)], [one])

    assert set(alone.strength) == {PASSING}
    assert alone.felt
    assert set(known.strength) == {SERVER, PASSING}


def test_a_queue_that_grows_with_the_traffic_is_load():
    """Twice the work waits when three times as much is asked; without more asked it is trouble."""
    queue = episode(1200, 10, signal=Signal.SATURATION, size=1.2)

    assert is_load(course(-1.5), queue)
    assert not is_load(course(), queue)
    assert not is_load(course(-1.5), episode(1200, 10))
