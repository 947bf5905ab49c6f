"""The inbox machine of a host: bounded sessions, drains that repeat until acknowledged."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.contracts import Task
from actors.inbox import Acknowledged, Cancelled, Drop, Ended, Inbox, Settling, Start, Stop, Submitted
from support.tasks import a_result, a_task


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    """Two sessions at once; invariants checked on the way out."""
    made = Inbox(2)
    yield made
    made.check()


def tasks(count: int) -> list[Task]:
    return [a_task(str(n)) for n in range(count)]


def test_at_most_sessions_max_run_and_the_rest_wait_their_turn(inbox: Inbox) -> None:
    """A host takes more than it runs, and starts the next as one ends."""
    first, second, third = tasks(3)

    started = inbox.step(Submitted([first, second, third]))
    next_one = inbox.step(Ended(a_result(second)))

    assert started == [Start(first), Start(second)]
    assert next_one == [Start(third)]
    assert (inbox.running, inbox.waiting) == (2, 0)


def test_the_next_task_starts_while_the_bill_of_one_is_settled(inbox: Inbox) -> None:
    """One way to the ledger and back for each task, not two; what is settled is neither stopped nor taken again."""
    first, second, third = tasks(3)
    inbox.step(Submitted([first, second, third]))

    next_one = inbox.step(Settling(first.id))

    assert next_one == [Start(third)]
    assert (inbox.running, inbox.has_rows) == (3, False)
    assert inbox.step(Submitted([first])) == []
    assert inbox.step(Cancelled(frozenset({first.id}))) == []
    assert inbox.step(Ended(a_result(first))) == []
    assert (inbox.running, list(inbox.drain(rows_max=10)[1])) == (2, [a_result(first)])


def test_rows_come_again_until_they_are_acknowledged(inbox: Inbox) -> None:
    """A drain whose answer was lost loses no outcome; one that arrived is not repeated."""
    first, second = tasks(2)
    inbox.step(Submitted([first, second]))
    inbox.step(Ended(a_result(first)))

    number, rows = inbox.drain(rows_max=10)
    inbox.step(Ended(a_result(second)))
    again = inbox.drain(rows_max=10)
    inbox.step(Acknowledged(number))
    after = inbox.drain(rows_max=10)

    assert (number, list(rows)) == (1, [a_result(first)])
    assert again == (number, rows)
    assert after == (2, [a_result(second)])


def test_a_task_that_the_host_has_is_not_taken_twice(inbox: Inbox) -> None:
    """A repeated submission changes nothing, whether the task runs or waits."""
    first, second, third = tasks(3)
    inbox.step(Submitted([first, second, third]))

    assert inbox.step(Submitted([first, third])) == []
    assert (inbox.running, inbox.waiting) == (2, 1)


def test_cancelling_stops_what_runs_and_drops_what_waits(inbox: Inbox) -> None:
    """Every cancelled task still gives its outcome: the shell ends those that are named here."""
    first, second, third = tasks(3)
    inbox.step(Submitted([first, second, third]))

    said = inbox.step(Cancelled())

    assert said == [Stop(first), Stop(second), Drop(third)]


@given(
    st.lists(st.sampled_from(["submit", "settle", "end", "drain", "acknowledge", "cancel"]), max_size=60),
    st.integers(1, 4),
)
def test_every_task_leaves_in_exactly_one_acknowledged_drain(moves: list[str], sessions_max: int) -> None:
    """Whatever the order of events, rows are neither lost nor doubled."""
    inbox, taken, submitted = Inbox(sessions_max), [], 0
    running: dict[str, Task] = {}
    last: tuple[int, list[str]] = (0, [])

    def carry_out(instructions: list[object]) -> None:
        for instruction in instructions:
            if isinstance(instruction, Start):
                running[instruction.task.id] = instruction.task
            elif isinstance(instruction, Drop):
                carry_out(inbox.step(Ended(a_result(instruction.task))))

    for move in [*moves, *["end", "drain", "acknowledge"] * (4 * len(moves))]:
        if move == "submit":
            carry_out(inbox.step(Submitted([a_task(str(submitted)), a_task(str(submitted + 1))])))
            submitted += 2
        elif move == "settle" and running:
            carry_out(inbox.step(Settling(min(running))))
        elif move == "end" and running:
            carry_out(inbox.step(Ended(a_result(running.pop(min(running))))))
        elif move == "drain":
            number, rows = inbox.drain(rows_max=3)
            last = (number, [row.task_id for row in rows])
        elif move == "acknowledge" and last[1]:
            inbox.step(Acknowledged(last[0]))
            taken += last[1]
            last = (0, [])
        elif move == "cancel":
            carry_out(inbox.step(Cancelled()))
        inbox.check()

    assert sorted(taken) == sorted(f"r/{n}" for n in range(submitted))
