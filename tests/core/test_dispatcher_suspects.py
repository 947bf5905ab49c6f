"""A task that kills its hosts is found out, and nobody pays for having stood beside it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.contracts import Reason
from orchestrator.dispatcher import Dispatcher
from orchestrator.moves import Drained, GivenUp, HostLost, HostReady, Planned, Record, Submit, Tick
from orchestrator.suspects import Suspect, lost_again
from support.tasks import a_task


@pytest.fixture
def dispatch() -> Iterator[Dispatcher]:
    """One agent, `reader`; invariants checked on the way out."""
    made = Dispatcher(frozenset({"reader"}), grace_s=5.0)
    yield made
    made.check()


def ready(number: int, capacity: int = 64) -> HostReady:
    return HostReady(host=f"host-{number}", agent="reader", capacity=capacity, sessions_max=capacity, now_s=0.0)


def carried_out(dispatch: Dispatcher, poison: frozenset[str]) -> tuple[list[str], dict[str, Reason], int]:
    """Answered tasks, failures, and hosts that died, where every host dies that is given a task of `poison`."""
    answered: list[str] = []
    failed: dict[str, Reason] = {}
    deaths = 0
    said = dispatch.step(ready(0))
    while dispatch.open:
        (submit,) = [instruction for instruction in said if isinstance(instruction, Submit)]
        dispatch.check()
        if any(task.id in poison for task in submit.tasks):
            deaths += 1
            said = dispatch.step(HostLost(submit.host))
            failed |= {f.task_id: f.reason for one in said if isinstance(one, Record) for f in one.failures}
            said = dispatch.step(ready(deaths))
        else:
            rows = [(task.id, task.attempt) for task in submit.tasks]
            answered += [task_id for task_id, _ in rows]
            said = [one for one in dispatch.step(Drained(submit.host, rows, 0.0)) if isinstance(one, Submit)]
    return answered, failed, deaths


@settings(deadline=None)
@given(st.integers(1, 60), st.sets(st.integers(0, 59), max_size=3))
def test_poison_ends_as_host_lost_and_all_others_are_answered(count: int, bad: set[int]) -> None:
    """However many tasks shared the host: three deaths a poisonous task, and no sibling is lost."""
    dispatch = Dispatcher(frozenset({"reader"}))
    poison = frozenset(f"r/{n}" for n in bad if n < count)
    dispatch.step(Planned([a_task(str(n)) for n in range(count)]))

    answered, failed, deaths = carried_out(dispatch, poison)

    assert failed == dict.fromkeys(poison, Reason.HOST_LOST)
    assert sorted(answered) == sorted({f"r/{n}" for n in range(count)} - poison)
    assert deaths <= 3 * max(1, len(poison))


def test_the_last_try_of_a_suspect_is_alone_on_its_host(dispatch: Dispatcher) -> None:
    """All at once, then as many as the square root, then one: 16, 4, 1."""
    dispatch.step(Planned([a_task(str(n)) for n in range(16)]))
    sizes = []

    for number in range(3):
        (submit,) = [one for one in dispatch.step(ready(number)) if isinstance(one, Submit)]
        sizes.append(len(submit.tasks))
        dispatch.step(HostLost(f"host-{number}"))

    assert sizes == [16, 4, 1]


def test_who_is_alone_with_one_that_was_cancelled_is_no_culprit() -> None:
    """The host named a task that its run no longer waits for; whoever was beside it goes again, its time up or not."""
    innocent = Suspect(task=a_task("0"), company_max=64, began_s=0.0, deadline_s=5.0)

    first, last, ended = lost_again([innocent], silent=True, blamed="r/optional", tries_max=3, now_s=9.0)

    assert [(one.task.id, one.task.attempt, one.losses, one.culprit) for one in first] == [("r/0", 2, 0, False)]
    assert (last, ended) == ([], [])


def test_who_holds_the_event_loop_has_begun_though_its_turn_had_not_come(dispatch: Dispatcher) -> None:
    """The one before it has ended, and its row never came: the host was held before it could be drained."""
    dispatch.step(Planned([a_task("0", deadline_s=2.0), a_task("1", deadline_s=2.0)]))
    dispatch.step(HostReady(host="host-0", agent="reader", capacity=4, sessions_max=1, now_s=0.0))
    dispatch.step(Drained("host-0", [], 1.0))
    dispatch.step(Tick(4.5))

    said = dispatch.step(HostLost("host-0", silent=True, blamed="r/1"))

    failures = [failure for one in said if isinstance(one, Record) for failure in one.failures]
    assert [(failure.task_id, failure.attempt, failure.reason) for failure in failures] == [
        ("r/1", 1, Reason.HOST_LOST)
    ]


def test_new_tasks_do_not_join_suspects(dispatch: Dispatcher) -> None:
    """They wait until the suspects have answered."""
    dispatch.step(ready(0))
    dispatch.step(Planned([a_task("a")]))
    dispatch.step(HostLost("host-0"))
    dispatch.step(ready(1))

    beside = dispatch.step(Planned([a_task("b")]))
    after = dispatch.step(Drained("host-1", [("r/a", 2)], 1.0))

    assert beside == []
    assert [task.id for one in after if isinstance(one, Submit) for task in one.tasks] == ["r/b"]


def test_what_is_given_up_is_recorded_once_and_late_answers_are_not_kept(dispatch: Dispatcher) -> None:
    """Every planned task has a row, also when its host never answers again."""
    dispatch.step(ready(0, capacity=1))
    dispatch.step(Planned([a_task("a"), a_task("b")]))

    (record,) = dispatch.step(GivenUp())
    (keep,) = dispatch.step(Drained("host-0", [("r/a", 1)], 1.0))

    assert isinstance(record, Record)
    assert [(f.task_id, f.reason) for f in record.failures] == [
        ("r/a", Reason.CANCELLED),
        ("r/b", Reason.CANCELLED),
    ]
    assert keep.rows == [False]  # type: ignore[union-attr]
    assert dispatch.open == 0
