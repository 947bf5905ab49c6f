"""The driver's machine: where tasks go, what is kept, and what becomes of tasks whose host is gone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from actors.contracts import Reason, Task
from orchestrator.dispatcher import ENDED_KEPT, Dispatcher
from orchestrator.host_load import AHEAD_MAX, HostLoad, shares
from orchestrator.moves import (
    Cancel,
    Cancelled,
    Drained,
    HostLost,
    HostReady,
    Instruction,
    Keep,
    Planned,
    Record,
    Replace,
    Submit,
    Tick,
)
from support.tasks import a_task


@pytest.fixture
def dispatch() -> Iterator[Dispatcher]:
    """One agent, `reader`; invariants checked on the way out."""
    made = Dispatcher(frozenset({"reader"}), grace_s=5.0)
    yield made
    made.check()


def ready(host: str, capacity: int = 2) -> HostReady:
    return HostReady(host=host, agent="reader", capacity=capacity, sessions_max=capacity, now_s=0.0)


def tasks(count: int) -> list[Task]:
    return [a_task(str(n)) for n in range(count)]


def test_tasks_go_to_hosts_evenly_and_never_above_what_a_host_may_hold(dispatch: Dispatcher) -> None:
    """Backpressure: what no host has room for waits in the driver."""
    dispatch.step(ready("one", 3))
    dispatch.step(ready("two", 3))

    (first, second) = dispatch.step(Planned(tasks(4)))
    more = dispatch.step(Planned([a_task("x"), a_task("y"), a_task("z")]))

    assert isinstance(first, Submit)
    assert isinstance(second, Submit)
    assert [len(first.tasks), len(second.tasks)] == [2, 2]
    assert sum(len(said.tasks) for said in more if isinstance(said, Submit)) == 2
    assert (dispatch.waiting, dispatch.unanswered) == (1, 6)


def test_a_host_with_nothing_to_do_comes_level_with_those_that_are_busy(dispatch: Dispatcher) -> None:
    """One that comes late, or comes again, gets what is left until it holds as much as they do."""
    dispatch.step(ready("busy", 10))
    dispatch.step(Planned(tasks(6)))
    dispatch.step(ready("late", 10))

    said = dispatch.step(Planned([a_task(f"first {n}") for n in range(4)]))
    more = dispatch.step(Planned([a_task(f"then {n}") for n in range(5)]))

    given = [{one.host: len(one.tasks) for one in submits if isinstance(one, Submit)} for submits in (said, more)]
    assert given == [{"late": 4}, {"late": 4, "busy": 1}]


@settings(max_examples=1_000)
@example([(0, 4)] * 3, 10)
@given(st.lists(st.tuples(st.integers(0, 12), st.integers(1, 12)), max_size=6), st.integers(-2, 60))
def test_shares_are_those_of_one_task_after_the_other(held: list[tuple[int, int]], count: int) -> None:
    """Each to the host that has the fewest, as long as one has room."""
    hosts = [HostLoad(str(n), "reader", room, 4, 0.0, {str(t): a_task(str(t)) for t in range(has)})
             for n, (has, room) in enumerate(held)]  # fmt: skip
    levels, rooms = [len(host.tasks) for host in hosts], [host.free for host in hosts]
    for _ in range(count):
        able = [n for n, room in enumerate(rooms) if room]
        if able:
            fewest = min(able, key=lambda n: levels[n])
            levels[fewest], rooms[fewest] = levels[fewest] + 1, rooms[fewest] - 1

    given_to = dict.fromkeys((host.id for host in hosts), 0) | {host.id: share for host, share in shares(hosts, count)}

    assert sorted(len(host.tasks) + given_to[host.id] for host in hosts) == sorted(levels)
    assert all(0 <= given_to[host.id] <= host.free for host in hosts)


def test_a_host_that_is_through_with_its_tasks_at_once_may_hold_more(dispatch: Dispatcher) -> None:
    """Short tasks are not kept waiting for the driver's rounds; who slows down soon gets no more than before."""
    dispatch.step(ready("one", 4))
    dispatch.step(Planned(tasks(300)))

    held = [dispatch.unanswered]
    for answered in (4, 16, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1):
        rows = [(f"r/{n}", 1) for n in range(300) if dispatch.task(f"r/{n}")]
        dispatch.step(Drained("one", rows[:answered], 1.0))
        held.append(dispatch.unanswered)

    assert held[:4] == [4, 32, 128, 127]
    assert held[-1] == 118


def test_what_a_fast_host_may_hold_is_bounded(dispatch: Dispatcher) -> None:
    """It would be lost with the host."""
    dispatch.step(ready("one", 2_000))
    (said,) = dispatch.step(Planned(tasks(9_000)))
    assert isinstance(said, Submit)

    dispatch.step(Drained("one", [(task.id, task.attempt) for task in said.tasks], 1.0))

    assert dispatch.unanswered == AHEAD_MAX


def test_an_unknown_agent_is_a_failure_and_its_siblings_go_on(dispatch: Dispatcher) -> None:
    """no_such_agent is a row, not an exception."""
    dispatch.step(ready("one"))

    said = dispatch.step(Planned([a_task("a"), a_task("b", agent="nobody")]))

    submit, record = said
    assert isinstance(submit, Submit)
    assert isinstance(record, Record)
    (failure,) = record.failures
    assert (failure.task_id, failure.reason) == ("r/b", Reason.NO_SUCH_AGENT)
    assert "'nobody'" in failure.message
    assert "reader" in failure.message


def test_rows_that_were_drained_before_are_not_kept_again(dispatch: Dispatcher) -> None:
    """One row per task, whatever a host repeats."""
    dispatch.step(ready("one"))
    dispatch.step(Planned(tasks(2)))

    first = dispatch.step(Drained("one", [("r/0", 1)], 1.0))
    again = dispatch.step(Drained("one", [("r/0", 1), ("r/1", 1)], 2.0))

    assert first[0] == Keep("one", [True])
    assert again[0] == Keep("one", [False, True])


def test_a_lost_hosts_tasks_go_again_as_new_attempts_and_end_as_host_lost_in_the_end(dispatch: Dispatcher) -> None:
    """Poison kills a set number of hosts and no more."""
    (task,) = tasks(1)
    dispatch.step(Planned([task]))
    attempts = []
    said: list[Instruction] = []
    for n in range(3):
        (submit,) = [s for s in dispatch.step(ready(f"host-{n}")) if isinstance(s, Submit)]
        attempts.append(submit.tasks[0].attempt)
        said = dispatch.step(HostLost(f"host-{n}"))

    (record,) = said
    assert attempts == [1, 2, 3]
    assert isinstance(record, Record)
    assert record.failures[0].reason is Reason.HOST_LOST
    assert dispatch.open == 0


def test_a_host_that_was_given_up_and_answers_late_changes_nothing(dispatch: Dispatcher) -> None:
    """Its tasks have gone elsewhere: the later attempt's row is the one that is kept."""
    dispatch.step(ready("one"))
    dispatch.step(Planned(tasks(1)))
    dispatch.step(HostLost("one"))
    dispatch.step(ready("two"))

    late = dispatch.step(Drained("one", [("r/0", 1)], 9.0))
    other = dispatch.step(Drained("two", [("r/0", 1), ("r/0", 2)], 9.0))

    assert late == [Keep("one", [False])]
    assert other[0] == Keep("two", [False, True])


def test_a_host_silent_for_a_third_of_the_longest_deadline_is_replaced(dispatch: Dispatcher) -> None:
    """Deadline 30 s: 11.5 s after it was last heard it is alive, a moment later it is not, and is so once."""
    dispatch.step(ready("one"))
    dispatch.step(Planned(tasks(1)))

    in_time = dispatch.step(Tick(11.5))
    late = dispatch.step(Tick(11.6))
    again = dispatch.step(Tick(12.0))
    dispatch.step(HostLost("one", silent=True))

    assert (in_time, again) == ([], [])
    assert late == [Replace("one", "reader")]
    assert dispatch.waiting == 1


def test_tasks_of_silent_hosts_do_not_go_to_another_silent_one(dispatch: Dispatcher) -> None:
    """All that are given up leave before any of their tasks is handed on."""
    dispatch.step(ready("one", 2))
    dispatch.step(ready("two", 2))
    dispatch.step(Planned(tasks(2)))

    late = dispatch.step(Tick(25.0))
    after = [*dispatch.step(HostLost("one", silent=True)), *dispatch.step(HostLost("two", silent=True))]

    assert late == [Replace("one", "reader"), Replace("two", "reader")]
    assert after == []
    assert dispatch.waiting == 2


def test_a_bound_over_all_hosts_is_honoured() -> None:
    """With fewer sub-agents allowed than there are hosts, the driver hands out no more than that many."""
    dispatch = Dispatcher(frozenset({"reader", "writer"}), unanswered_max=1)
    dispatch.step(ready("one"))
    dispatch.step(HostReady(host="two", agent="writer", capacity=2, sessions_max=2, now_s=0.0))

    first = dispatch.step(Planned([a_task("a"), a_task("b", agent="writer")]))
    then = dispatch.step(Drained("one", [("r/a", 1)], 1.0))

    assert [said.host for said in first if isinstance(said, Submit)] == ["one"]
    assert [said.host for said in then if isinstance(said, Submit)] == ["two"]


def test_cancelling_records_what_waits_and_tells_hosts_what_runs(dispatch: Dispatcher) -> None:
    """A cancelled batch accounts for every task."""
    dispatch.step(ready("one", 1))
    dispatch.step(Planned(tasks(2)))

    said = dispatch.step(Cancelled())

    cancel, record = said
    assert cancel == Cancel("one", frozenset({"r/0"}))
    assert isinstance(record, Record)
    assert [(f.task_id, f.reason) for f in record.failures] == [("r/1", Reason.CANCELLED)]


def test_thousands_of_cancelled_runs_leave_nothing_behind_but_what_hosts_still_have(dispatch: Dispatcher) -> None:
    """A run whose tasks are with a host is known as cancelled when that host is lost, however many came after it."""
    dispatch.step(ready("one", 1))
    dispatch.step(Planned([a_task("a", run="first")]))
    dispatch.step(Cancelled(frozenset({"first"})))
    for number in range(20 * ENDED_KEPT):
        dispatch.step(Cancelled(frozenset({f"run-{number}"})))

    said = dispatch.step(HostLost("one"))

    assert len(dispatch._ended) <= 2 * ENDED_KEPT
    assert [f.reason for one in said if isinstance(one, Record) for f in one.failures] == [Reason.CANCELLED]


@given(st.lists(st.tuples(st.sampled_from(["plan", "drain", "lose", "tick", "ready"]), st.integers(0, 3)), max_size=60))
def test_every_planned_task_is_kept_or_recorded_exactly_once(moves: list[tuple[str, int]]) -> None:
    """A naive count of outcomes agrees with the machine, whatever dies and whenever."""
    dispatch, hosts, planned, ended, now_s = Dispatcher(frozenset({"reader"})), {}, 0, [], 0.0

    def carry_out(said: list[Instruction]) -> None:
        for instruction in said:
            match instruction:
                case Submit(host, given):
                    hosts[host].extend((task.id, task.attempt) for task in given)
                case Record(failures):
                    ended.extend(failure.task_id for failure in failures)
                case Replace(host, _):
                    del hosts[host]
                    carry_out(dispatch.step(HostLost(host, silent=True)))

    for n, (move, which) in enumerate([*moves, *[("ready", 0), ("drain", 0), ("drain", 1), ("drain", 2)] * 100]):
        now_s += 1.0
        names = sorted(hosts)
        if move == "plan":
            carry_out(dispatch.step(Planned([a_task(str(planned + k)) for k in range(which)])))
            planned += which
        elif move == "ready" and len(hosts) < 3:
            hosts[f"host-{n}"] = []
            carry_out(
                dispatch.step(HostReady(host=f"host-{n}", agent="reader", capacity=2, sessions_max=2, now_s=now_s))
            )
        elif move == "drain" and names:
            host = names[which % len(names)]
            rows, hosts[host] = hosts[host][:2], hosts[host][2:]
            keep, *rest = dispatch.step(Drained(host, rows, now_s))
            ended += [task_id for (task_id, _), kept in zip(rows, keep.rows, strict=True) if kept]
            carry_out(rest)
        elif move == "lose" and names:
            del hosts[names[which % len(names)]]
            carry_out(dispatch.step(HostLost(names[which % len(names)])))
        elif move == "tick":
            now_s += 20.0
            carry_out(dispatch.step(Tick(now_s)))
        dispatch.check()

    assert sorted(ended) == sorted(f"r/{n}" for n in range(planned))
