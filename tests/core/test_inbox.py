"""The inbox machine of a host: bounded sessions, each under a hold; drains that repeat until acknowledged."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.contracts import Task
from actors.inbox import (
    Acknowledged,
    Ask,
    Begin,
    Cancelled,
    Drop,
    Ended,
    GiveUp,
    Granted,
    Inbox,
    InLine,
    Instruction,
    Settling,
    Stop,
    Submitted,
    Withdraw,
)
from support.tasks import a_result, a_task

ANSWER_S, SESSION_S = 0.010, 0.00098
AHEAD_MAX = 256


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    """Two sessions at once; invariants checked on the way out."""
    made = Inbox(2)
    yield made
    made.check()


def tasks(count: int) -> list[Task]:
    return [a_task(str(n)) for n in range(count)]


def begun(inbox: Inbox, given: Sequence[Task]) -> None:
    """Submit tasks, and grant the holds of those that are asked for."""
    for said in inbox.step(Submitted(given), 0.0):
        inbox.step(Granted(said.task.id), 0.0)


def test_at_most_sessions_max_run_and_the_rest_wait_their_turn(inbox: Inbox) -> None:
    """A host takes more than it runs, and asks for the next as one ends."""
    first, second, third = tasks(3)

    asked = inbox.step(Submitted([first, second, third]), 0.0)
    started = [inbox.step(Granted(task.id), 0.1) for task in (first, second)]
    next_one = inbox.step(Ended(a_result(second)), 0.2)

    assert asked == [Ask(first), Ask(second)]
    assert started == [[Begin(first)], [Begin(second)]]
    assert next_one == [Ask(third)]
    assert (inbox.running, inbox.waiting) == (1, 1)


def test_the_next_task_starts_while_the_bill_of_one_is_settled(inbox: Inbox) -> None:
    """One way to the ledger and back for each task, not two; what is settled is neither stopped nor taken again."""
    first, second, third = tasks(3)
    begun(inbox, [first, second, third])

    next_one = inbox.step(Settling(first.id), 1.0)

    assert next_one == [Ask(third)]
    assert (inbox.running, inbox.has_rows) == (2, False)
    assert inbox.step(Submitted([first]), 1.0) == []
    assert inbox.step(Cancelled(frozenset({first.id})), 1.0) == []
    assert inbox.step(Ended(a_result(first)), 1.0) == []
    assert (inbox.running, list(inbox.drain(rows_max=10)[1])) == (1, [a_result(first)])


def test_a_bill_may_be_settled_in_the_moment_that_it_is_told(inbox: Inbox) -> None:
    """Where nothing is written down, the outcome is there before the session is known to be over."""
    first, second, third = tasks(3)
    begun(inbox, [first, second, third])

    assert inbox.step(Ended(a_result(first)), 1.0) == [Ask(third)]
    assert inbox.step(Settling(first.id), 1.0) == []
    assert (inbox.running, inbox.waiting) == (1, 1)


def test_a_task_without_a_hold_ends_without_having_begun(inbox: Inbox) -> None:
    """What the ledger refuses was never at work, and its place goes to the next."""
    first, second, third = tasks(3)
    inbox.step(Submitted([first, second, third]), 0.0)

    assert inbox.step(Ended(a_result(first)), 0.1) == [Ask(third)]
    assert (inbox.running, inbox.waiting) == (0, 2)


def test_a_task_whose_hold_is_there_takes_the_place_of_one_that_waits_for_money() -> None:
    """A run that is full keeps no place empty for itself while another run's task may begin."""
    inbox = paced(2)
    asked = [said.task for said in submitted(inbox, 20, 1.0)]
    full, others = asked[:2], asked[2:]
    for task in full:
        inbox.step(InLine(task.id), 1.0)

    started = [said for task in others for said in inbox.step(Granted(task.id), 1.0)]
    late = inbox.step(Granted(full[0].id), 2.0)

    assert [said.task for said in started] == others[:2]
    assert late == []
    assert inbox.running == 2
    inbox.check()


def test_rows_come_again_until_they_are_acknowledged(inbox: Inbox) -> None:
    """A drain whose answer was lost loses no outcome; one that arrived is not repeated."""
    first, second = tasks(2)
    begun(inbox, [first, second])
    inbox.step(Ended(a_result(first)), 1.0)

    number, rows = inbox.drain(rows_max=10)
    inbox.step(Ended(a_result(second)), 1.0)
    again = inbox.drain(rows_max=10)
    inbox.step(Acknowledged(number), 2.0)
    after = inbox.drain(rows_max=10)

    assert (number, list(rows)) == (1, [a_result(first)])
    assert again == (number, rows)
    assert after == (2, [a_result(second)])


def test_a_task_that_the_host_has_is_not_taken_twice(inbox: Inbox) -> None:
    """A repeated submission changes nothing, whether the task runs or waits."""
    first, second, third = tasks(3)
    begun(inbox, [first, second, third])

    assert inbox.step(Submitted([first, third]), 1.0) == []
    assert (inbox.running, inbox.waiting) == (2, 1)


def test_cancelling_stops_what_runs_and_drops_what_waits(inbox: Inbox) -> None:
    """Every cancelled task still gives its outcome: the shell ends those that are named here."""
    first, second, third = tasks(3)
    inbox.step(Submitted([first, second, third]), 0.0)
    inbox.step(Granted(first.id), 0.1)

    said = inbox.step(Cancelled(), 0.2)

    assert said == [Stop(first), GiveUp(second), Drop(third)]


def test_a_hold_under_which_nothing_began_is_given_back_when_its_task_is_cancelled() -> None:
    """Its outcome follows when the books say that nothing was spent; until then the host has it."""
    inbox = paced(1)
    first, second = (said.task for said in submitted(inbox, 2, 1.0))
    inbox.step(Granted(first.id), 1.0)
    inbox.step(Granted(second.id), 1.0)

    assert inbox.step(Cancelled(frozenset({second.id})), 1.1) == [Withdraw(second)]
    assert inbox.step(Submitted([second]), 1.1) == []
    assert inbox.step(Ended(a_result(second)), 1.2) == []
    assert inbox.running == 1
    inbox.check()


def paced(places: int, *, answers_s: Sequence[float] = (ANSWER_S,), session_s: float = SESSION_S) -> Inbox:
    """An inbox with nothing in it, whose sessions and whose ledger have taken so long until second 1."""
    inbox, now_s = Inbox(places, AHEAD_MAX), 0.0
    for n in range(16):
        answer_s = answers_s[n % len(answers_s)]
        given = [a_task(f"before-{n}-{place}") for place in range(places)]
        inbox.step(Submitted(given), now_s)
        now_s += answer_s
        for task in given:
            inbox.step(Granted(task.id), now_s)
        now_s += session_s
        for task in given:
            inbox.step(Ended(a_result(task)), now_s)
    assert inbox.running == inbox.waiting == 0
    return inbox


def submitted(inbox: Inbox, count: int, now_s: float) -> list[Instruction]:
    """What is asked for of so many tasks that come at once."""
    return inbox.step(Submitted(tasks(count)), now_s)


@pytest.mark.parametrize(
    ("places", "answer_s", "session_s", "asked"),
    [
        (4, 0.010, 0.00098, 4 + 40),
        (4, 0.010, 0.0099, 4 + 4),
        (4, 0.010, 0.045, 4),
        (100, 0.010, 0.49, 100 + 2),
        (100, 0.010, 20.0, 100),
        (1, 1.0, 0.001, 1 + AHEAD_MAX),
        (4, 0.010, 0.0, 4 + AHEAD_MAX),
    ],
)
def test_as_many_are_asked_for_ahead_as_begin_while_the_ledger_answers(
    places: int, answer_s: float, session_s: float, asked: int
) -> None:
    """Little's law, rounded down and bounded: sessions of seconds leave no hold of theirs idle."""
    inbox = paced(places, answers_s=(answer_s,), session_s=session_s)

    assert len(submitted(inbox, 1_000, 1_000.0)) == asked
    inbox.check()


def test_a_ledger_that_answers_now_soon_and_now_late_counts_for_late() -> None:
    """Who just misses a batch waits for two: as many are asked for ahead as begin until then."""
    steady, uneven = paced(4, answers_s=(0.010, 0.010)), paced(4, answers_s=(0.005, 0.015))

    asked = [len(submitted(inbox, 1_000, 1_000.0)) - 4 for inbox in (steady, uneven)]

    assert asked[0] == 40
    assert 70 < asked[1] < 90


def test_sessions_that_go_on_and_on_count_before_they_end() -> None:
    """When a model gets slow, nothing more is asked for ahead, though no slow session has ended yet."""
    inbox = paced(2)
    asked = submitted(inbox, 100, 1.0)
    for said in asked:
        inbox.step(Granted(said.task.id), 1.0 + ANSWER_S)

    [next_one] = inbox.step(Ended(a_result(asked[0].task)), 60.0)

    assert (len(asked), next_one) == (22, Begin(asked[2].task))


def test_nothing_is_asked_for_ahead_while_money_is_short() -> None:
    """What is held idle is what others wait for: the next is asked for when a place is free, and nobody waits."""
    inbox = paced(2)
    asked = [said.task for said in submitted(inbox, 100, 1.0)]
    for task in asked[:-1]:
        inbox.step(Granted(task.id), 1.0)
    inbox.step(InLine(asked[-1].id), 1.0)

    while_short = [inbox.step(Ended(a_result(task)), 1.0 + n / 1e6) for n, task in enumerate(asked[:-3])]
    afterwards = inbox.step(Granted(asked[-1].id), 1.1)

    assert len(asked) == 22
    assert all(isinstance(said, Begin) for step in while_short for said in step)
    assert afterwards == []


def test_holds_that_are_refused_end_asking_ahead() -> None:
    """Where the money is spent, what is left of it is for those that can begin."""
    inbox = paced(2)
    asked = [said.task for said in submitted(inbox, 100, 1.0)]

    said = [one for task in asked for one in inbox.step(Ended(a_result(task)), 1.0)]

    assert len(asked) == 22
    assert len(said) == 2


MOVES = ["submit", "grant", "line", "settle", "end", "drain", "acknowledge", "cancel", "cancel one"]


@given(st.lists(st.sampled_from(MOVES), max_size=60), st.integers(1, 4), st.integers(0, 8))
def test_every_task_leaves_in_exactly_one_acknowledged_drain(moves: list[str], places: int, ahead_max: int) -> None:
    """Whatever the order of events, rows are neither lost nor doubled, and no more run than may."""
    inbox, taken, submitted, now_s = Inbox(places, ahead_max), [], 0, 0.0
    asked: dict[str, Task] = {}
    running: dict[str, Task] = {}
    settling: dict[str, Task] = {}
    last: tuple[int, list[str]] = (0, [])

    def carry_out(instructions: Sequence[Instruction]) -> None:
        for instruction in instructions:
            task = instruction.task
            match instruction:
                case Ask():
                    asked[task.id] = task
                case Begin():
                    running[task.id] = task
                case Withdraw():
                    settling[task.id] = task
                case GiveUp():
                    del asked[task.id]
                    carry_out(inbox.step(Ended(a_result(task)), now_s))
                case Drop():
                    carry_out(inbox.step(Ended(a_result(task)), now_s))
                case Stop():
                    assert task.id in running

    for move in [*moves, *["grant", "end", "drain", "acknowledge"] * (4 * len(moves))]:
        now_s += 0.001
        if move == "submit":
            carry_out(inbox.step(Submitted([a_task(str(submitted)), a_task(str(submitted + 1))]), now_s))
            submitted += 2
        elif move == "grant" and asked:
            carry_out(inbox.step(Granted(asked.pop(max(asked)).id), now_s))
        elif move == "line" and asked:
            carry_out(inbox.step(InLine(min(asked)), now_s))
        elif move == "settle" and running:
            task = running.pop(min(running))
            settling[task.id] = task
            carry_out(inbox.step(Settling(task.id), now_s))
        elif move == "end" and (ending := settling or running or asked):
            carry_out(inbox.step(Ended(a_result(ending.pop(min(ending)))), now_s))
        elif move == "drain":
            number, rows = inbox.drain(rows_max=3)
            last = (number, [row.task_id for row in rows])
        elif move == "acknowledge" and last[1]:
            inbox.step(Acknowledged(last[0]), now_s)
            taken += last[1]
            last = (0, [])
        elif move.startswith("cancel"):
            one = frozenset({f"r/{submitted - 1}", f"r/{submitted - 2}"})
            carry_out(inbox.step(Cancelled(None if move == "cancel" else one), now_s))
        assert len(running) <= places
        inbox.check()

    assert sorted(taken) == sorted(f"r/{n}" for n in range(submitted))
