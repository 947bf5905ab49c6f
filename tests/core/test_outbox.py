"""The outbox: what goes as columns, in which order, and who is told what became of it."""

from __future__ import annotations

from budget.commands import PLAIN, Answer, Close, Open, Reconcile, ReconcileMany, ReserveMany, Verdict, Withdraw
from budget.outbox import MANY_MAX, Outbox, Said, Told

HELD, WAITING, RECONCILED = PLAIN[Verdict.HELD], PLAIN[Verdict.WAITING], PLAIN[Verdict.RECONCILED]
OPEN = Open("page", "batch", None, None, ())


class Ear:
    """Hears what it is told."""

    def __init__(self) -> None:
        self.heard: list[Answer | Exception] = []

    def __call__(self, answer: Answer | Exception) -> None:
        self.heard.append(answer)


def reserve(outbox: Outbox, hold_id: str, told: Told, *, account: str = "page", tokens: int = 5) -> None:
    outbox.reserve(hold_id, account, tokens, None, "host", 1, True, told)


def said(batch: list[Said]) -> list[object]:
    return [command for command, _ in batch]


def test_bills_go_before_the_reservations_said_beside_them_and_both_as_columns() -> None:
    outbox, ear = Outbox(), Ear()
    reserve(outbox, "a", ear)
    outbox.reconcile("x", 3, 4, ear)
    reserve(outbox, "b", ear, tokens=6)
    outbox.reconcile("y", 5, None, ear)

    assert said(outbox.take()) == [
        ReconcileMany(["x", "y"], [3, 5], [4, None]),
        ReserveMany("page", "host", True, ["a", "b"], [5, 6], [None, None], [1, 1]),
    ]
    assert outbox.empty


def test_everything_else_keeps_its_place() -> None:
    """A page is open before its first hold, and a hold that is given up was asked for before."""
    outbox, ear = Outbox(), Ear()
    reserve(outbox, "a", ear, account="before")
    outbox.say(OPEN, ear)
    reserve(outbox, "b", ear)
    outbox.give_up("b", ear)
    outbox.reconcile("x", 1, 1, ear)
    outbox.say(Close("page"), ear)

    assert said(outbox.take()) == [
        ReserveMany("before", "host", True, ["a"], [5], [None], [1]),
        OPEN,
        ReserveMany("page", "host", True, ["b"], [5], [None], [1]),
        Withdraw("b"),
        ReconcileMany(["x"], [1], [1]),
        Close("page"),
    ]


def test_a_bill_for_a_hold_that_is_still_asked_for_comes_after_it() -> None:
    outbox, ear = Outbox(), Ear()
    reserve(outbox, "a", ear)
    outbox.reconcile("a", 1, 1, ear)

    assert [type(command) for command in said(outbox.take())] == [ReserveMany, ReconcileMany]


def test_holds_in_two_accounts_are_two_commands_and_each_is_told_its_own_answer() -> None:
    outbox, first, second, bill, other = Outbox(), Ear(), Ear(), Ear(), Ear()
    reserve(outbox, "a", first)
    reserve(outbox, "b", second, account="another")
    outbox.reconcile("x", 1, 1, bill)
    outbox.say(OPEN, other)
    batch = outbox.take()
    no = PLAIN[Verdict.NEVER]

    outbox.answered(batch, [RECONCILED, HELD, no, PLAIN[Verdict.OPEN]])

    assert (first.heard, second.heard, bill.heard) == ([HELD], [no], [RECONCILED])
    assert other.heard == [PLAIN[Verdict.OPEN]]


def test_who_waits_is_told_so_and_is_asked_for_again_until_it_is_decided() -> None:
    outbox, ear = Outbox(), Ear()
    reserve(outbox, "a", ear)
    reserve(outbox, "b", ear)
    outbox.answered(outbox.take(), [HELD, WAITING])
    assert (outbox.waits, outbox.empty) == (True, True)

    outbox.ask_again()
    again = outbox.take()
    assert said(again) == [ReserveMany("page", "host", True, ["b"], [5], [None], [1])]
    outbox.answered(again, [WAITING])
    outbox.decided("b", HELD)

    assert ear.heard == [HELD, WAITING, WAITING, HELD]
    assert not outbox.waits


def test_a_hold_that_two_want_is_decided_for_both_and_ended_when_neither_wants_it() -> None:
    outbox, first, second = Outbox(), Ear(), Ear()
    reserve(outbox, "a", first)
    reserve(outbox, "a", second)
    batch = outbox.take()
    outbox.give_up("a", first)
    assert outbox.empty  # the second still wants it
    outbox.answered(batch, [WAITING, WAITING])
    outbox.give_up("a", second)

    assert (first.heard, second.heard) == ([], [WAITING, WAITING])
    assert said(outbox.take()) == [Withdraw("a")]
    assert not outbox.waits


def test_what_was_given_up_while_under_way_is_not_told_and_does_not_wait() -> None:
    outbox, ear = Outbox(), Ear()
    reserve(outbox, "a", ear)
    batch = outbox.take()
    outbox.give_up("a", ear)
    outbox.answered(batch, [WAITING])

    assert (ear.heard, outbox.waits) == ([], False)


def test_what_nobody_is_told_of_is_answered_all_the_same() -> None:
    """The answers behind it are for those behind it: a hold that must wait is not taken for one that is there."""
    outbox, given_up, bill, waits = Outbox(), Ear(), Ear(), Ear()
    reserve(outbox, "a", given_up)
    outbox.answered(outbox.take(), [WAITING])
    outbox.give_up("a", given_up)
    outbox.reconcile("x", 1, 1, bill)
    reserve(outbox, "b", waits)
    batch = outbox.take()
    assert [type(command) for command in said(batch)] == [Withdraw, ReconcileMany, ReserveMany]

    outbox.answered(batch, [PLAIN[Verdict.WITHDRAWN], RECONCILED, WAITING])

    assert (given_up.heard, bill.heard, waits.heard) == ([WAITING], [RECONCILED], [WAITING])


def test_everyone_is_told_that_nobody_answers() -> None:
    outbox, ear, gone = Outbox(), Ear(), OSError("gone")
    reserve(outbox, "a", ear)
    outbox.reconcile("x", 1, 1, ear)
    outbox.say(Reconcile("y", 1, 1), ear)
    outbox.failed(outbox.take(), gone)
    reserve(outbox, "b", ear)
    outbox.answered(outbox.take(), [WAITING])
    outbox.nobody_decides(gone)

    assert ear.heard == [gone, gone, gone, WAITING, gone]
    assert not outbox.waits


def test_a_batch_ends_with_the_command_that_makes_it_long() -> None:
    outbox, ear = Outbox(), Ear()
    for number in range(2 * MANY_MAX + 1):
        reserve(outbox, f"a{number}", ear)
        outbox.reconcile(f"b{number}", 1, 1, ear)

    sizes = []
    while not outbox.empty:
        sizes.append([len(command.hold_ids) for command in said(outbox.take())])  # type: ignore[attr-defined]

    assert sum(map(sum, sizes)) == 2 * (2 * MANY_MAX + 1)
    assert all(sum(size[:-1]) < MANY_MAX and max(size) <= MANY_MAX for size in sizes)
