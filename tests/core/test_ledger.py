"""The ledger, one rule at a time: what is said, the verdict, and the balance after it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from budget import Amount
from budget.commands import (
    Answer,
    Close,
    Command,
    Expire,
    ExpireAccount,
    ExpireOwner,
    Extend,
    Open,
    Reconcile,
    Renew,
    Reserve,
    SetLimit,
    Verdict,
    Withdraw,
)
from budget.ledger import BudgetLedger
from budget.snapshot import restored, snapshot
from budget.standing import AccountStanding, standing

HELD, WAITING, NEVER, SKIPPED = Verdict.HELD, Verdict.WAITING, Verdict.NEVER, Verdict.SKIPPED


@pytest.fixture
def ledger() -> Iterator[BudgetLedger]:
    """shared (1,000 tokens) > batch (100 tokens, 1,000 µ$) > run-a, run-b (60 tokens). Checked in the end."""
    made = BudgetLedger()
    made.apply(Open("shared", None, 1000, None, ()))
    made.apply(Open("batch", "shared", 100, 1000, ()))
    made.apply(Open("run-a", "batch", None, None, ()))
    made.apply(Open("run-b", "batch", 60, None, ()))
    yield made
    made.check()
    assert snapshot(restored(snapshot(made))) == snapshot(made)


def reserve(hold_id: str, tokens: int, *, account: str = "run-a", microusd: int | None = 0, **more: object) -> Reserve:
    return Reserve(hold_id, account, tokens, microusd, **more)  # type: ignore[arg-type]


def account(ledger: BudgetLedger, name: str) -> AccountStanding:
    found = standing(ledger, [name]).of(name)
    assert found is not None
    return found


def balance(ledger: BudgetLedger, name: str = "batch") -> tuple[int, int]:
    """Spent and held tokens."""
    found = account(ledger, name)
    return found.spent.tokens, found.held.tokens


def decided(answer: Answer) -> list[tuple[str, Verdict]]:
    return [(hold_id, decision.verdict) for hold_id, decision in answer.decided]


def test_five_tasks_near_the_ceiling_do_not_all_get_in(ledger: BudgetLedger) -> None:
    """Admission holds the worst case, so siblings see each other before anything is billed."""
    verdicts = [ledger.apply(reserve(f"task-{n}", 30)).verdict for n in range(5)]

    assert verdicts == [HELD, HELD, HELD, WAITING, WAITING]
    assert balance(ledger) == (0, 90)


@pytest.mark.parametrize(
    ("commands", "verdicts", "after"),
    [
        ([reserve("t", 40), reserve("t", 40)], [HELD, HELD], (0, 40)),
        ([reserve("t", 40), reserve("t", 41)], [HELD, Verdict.CONFLICT], (0, 40)),
        ([reserve("t", 40), reserve("t", 40, owner="another")], [HELD, Verdict.CONFLICT], (0, 40)),
        ([reserve("t", 40), Reconcile("t", 10, 0)], [HELD, Verdict.RECONCILED], (10, 0)),
        ([reserve("t", 40), Reconcile("t", 10, 0), Reconcile("t", 10, 0)], [HELD, 3, 3], (10, 0)),
        ([reserve("t", 40), Reconcile("t", 10, 0), Reconcile("t", 11, 0)], [HELD, 3, Verdict.CONFLICT], (10, 0)),
        ([reserve("t", 40), Reconcile("t", 10, 0), reserve("t", 40)], [HELD, 3, Verdict.RECONCILED], (10, 0)),
        ([Reconcile("t", 10, 0), reserve("t", 40)], [Verdict.UNKNOWN_HOLD, HELD], (0, 40)),
        ([reserve("t", 40), Expire(("t",))], [HELD, Verdict.DONE], (40, 0)),
        ([reserve("t", 40), Expire(("t",)), Reconcile("t", 10, 0)], [HELD, 15, Verdict.RECONCILED], (10, 0)),
        ([reserve("t", 40), Expire(("t",)), reserve("t", 40)], [HELD, 15, Verdict.EXPIRED], (40, 0)),
        ([reserve("t", 40), Reconcile("t", 10, 0), Expire(("t",))], [HELD, 3, 15], (10, 0)),
        ([reserve("t", 40), Withdraw("t"), reserve("t", 40)], [HELD, 5, Verdict.WITHDRAWN], (0, 0)),
        ([reserve("t", 40), Withdraw("t"), Reconcile("t", 10, 0)], [HELD, 5, Verdict.CONFLICT], (0, 0)),
        ([reserve("t", 101)], [NEVER], (0, 0)),
        ([reserve("t", 40, microusd=1001)], [NEVER], (0, 0)),
        ([reserve("s", 90), reserve("t", 40, waits=False), reserve("t", 40, waits=False)], [HELD, 7, SKIPPED], (0, 90)),
        ([reserve("t", 40), Extend("t", 60, 0), Extend("t", 50, 0)], [HELD, HELD, HELD], (0, 60)),
        ([reserve("t", 40), Extend("t", 101, 0)], [HELD, NEVER], (0, 40)),
        ([reserve("t", 40), reserve("u", 40), Extend("t", 70, 0)], [HELD, HELD, SKIPPED], (0, 80)),
        ([reserve("t", 40), Reconcile("t", 40, 0), Extend("t", 60, 0)], [HELD, 3, 3], (40, 0)),
        ([reserve("t", 40), Extend("t", 60, 0), Reconcile("t", 55, 0)], [HELD, HELD, 3], (55, 0)),
        ([reserve("t", 40), Extend("t", 60, 0), reserve("t", 40)], [HELD, HELD, HELD], (0, 60)),
        ([reserve("t", -1), reserve("t", 1, microusd=-1)], [Verdict.INVALID, Verdict.INVALID], (0, 0)),
        ([reserve("t", 40), Reconcile("t", -1, 0), Reconcile("t", 1, -1)], [HELD, 13, 13], (0, 40)),
        ([reserve("t", 0), Reconcile("t", 0, 0)], [HELD, 3], (0, 0)),
        ([reserve("t", 4, account="nobody")], [Verdict.UNKNOWN_ACCOUNT], (0, 0)),
        ([Withdraw("t"), Extend("t", 1, 1), Expire(("t",))], [9, 9, Verdict.DONE], (0, 0)),
    ],
)
def test_said_once_twice_late_or_otherwise_it_counts_once(
    ledger: BudgetLedger, commands: list[Command], verdicts: list[int], after: tuple[int, int]
) -> None:
    """Each hold ends once; repeats are answered with its present state, other numbers are a conflict."""
    answers = [ledger.apply(command) for command in commands]

    assert [answer.verdict for answer in answers] == verdicts
    assert balance(ledger) == balance(ledger, "shared") == after


def test_a_repeat_says_that_it_is_one(ledger: BudgetLedger) -> None:
    """Whoever said it twice learns the present state, and what the hold came to."""
    ledger.apply(reserve("t", 40))
    ledger.apply(Reconcile("t", 10, 7))

    answer = ledger.apply(reserve("t", 40))

    assert answer == Answer(Verdict.RECONCILED, repeated=True, charged=Amount(10, 7))


def test_a_hold_must_fit_every_account_above_it_or_none(ledger: BudgetLedger) -> None:
    """run-b may hold 60 of the batch's 100; what the batch refuses leaves no trace in the run."""
    ledger.apply(reserve("a", 70))

    answer = ledger.apply(reserve("b", 40, account="run-b", waits=False))

    assert answer.verdict is SKIPPED
    assert [balance(ledger, name) for name in ("run-b", "batch", "shared")] == [(0, 0), (0, 70), (0, 70)]


def test_a_refusal_says_who_refused_by_how_much_and_whether_waiting_helps(ledger: BudgetLedger) -> None:
    """Every account that said no is named, unit by unit."""
    ledger.apply(reserve("a", 70))

    later = ledger.apply(reserve("b", 50, account="run-b", waits=False)).refusals
    never = ledger.apply(reserve("c", 170, account="run-b")).refusals

    assert [(no.account_id, no.unit, no.short_by, no.waiting_can_help) for no in later] == [
        ("batch", "tokens", 20, True)
    ]
    assert [(no.account_id, no.short_by, no.waiting_can_help) for no in never] == [
        ("run-b", 110, False),
        ("batch", 140, False),
    ]


def test_a_refusal_reads_as_a_sentence(ledger: BudgetLedger) -> None:
    """The value, the limit, whose it is, and what to do."""
    ledger.apply(reserve("a", 70))

    answer = ledger.apply(reserve("b", 50, account="run-b", waits=False))

    assert answer.message == (
        "50 tokens are needed and 30 are free (limit 100, account 'batch'): raise its limit, or wait"
    )


def test_tokens_and_dollars_are_counted_at_once(ledger: BudgetLedger) -> None:
    """Either unit may refuse; both are held and spent together."""
    ledger.apply(reserve("a", 10, microusd=900))

    refused = ledger.apply(reserve("b", 10, microusd=200, waits=False))
    ledger.apply(Reconcile("a", 5, 300))

    assert [(no.unit, no.short_by) for no in refused.refusals] == [("microusd", 100)]
    assert account(ledger, "batch").spent == Amount(5, 300)


def test_who_waits_is_let_in_by_a_refund_in_the_order_of_arrival(ledger: BudgetLedger) -> None:
    """The first in line is not passed by a smaller one behind it."""
    ledger.apply(reserve("a", 90))
    ledger.apply(reserve("b", 50))
    ledger.apply(reserve("c", 5))

    answer = ledger.apply(Reconcile("a", 10, 0))

    assert decided(answer) == [("b", HELD), ("c", HELD)]
    assert balance(ledger) == (10, 55)


def test_a_small_late_one_does_not_pass_the_first_in_line(ledger: BudgetLedger) -> None:
    """There is room for c, but b came before and waits for the same account: else b could starve."""
    ledger.apply(reserve("a", 60))
    ledger.apply(reserve("b", 50))

    waiting = ledger.apply(reserve("c", 5))
    skipping = ledger.apply(reserve("d", 5, waits=False))

    assert (waiting.verdict, skipping.verdict) == (WAITING, SKIPPED)
    assert skipping.refusals[0].queued_ahead


def test_runs_that_began_first_go_first(ledger: BudgetLedger) -> None:
    """Priority before arrival, so that runs finish rather than all starve together."""
    ledger.apply(reserve("a", 100))
    ledger.apply(reserve("late run", 60, priority=7))
    ledger.apply(reserve("early run", 60, priority=3))

    answer = ledger.apply(Reconcile("a", 40, 0))

    assert decided(answer) == [("early run", HELD)]


def test_who_waits_for_its_own_run_holds_up_nobody_elses(ledger: BudgetLedger) -> None:
    """run-b is full, the batch is not: run-a goes on."""
    ledger.apply(reserve("b1", 40, account="run-b"))
    ledger.apply(reserve("b2", 40, account="run-b"))

    verdict = ledger.apply(reserve("a", 50)).verdict

    assert verdict is HELD


def test_who_moves_from_line_to_line_keeps_its_place(ledger: BudgetLedger) -> None:
    """b2 waits for its run first; when that has room, the batch is full, and b2 stands before a2, which came later."""
    ledger.apply(reserve("b1", 40, account="run-b"))
    ledger.apply(reserve("b2", 40, account="run-b"))
    ledger.apply(reserve("a1", 60))
    ledger.apply(reserve("a2", 40))
    first = ledger.apply(Reconcile("b1", 0, 0))

    second = ledger.apply(Reconcile("a1", 0, 0))

    assert decided(first) == [("b2", HELD)]
    assert decided(second) == [("a2", HELD)]


def test_a_hold_that_can_no_longer_fit_is_turned_away_at_once(ledger: BudgetLedger) -> None:
    """Also from the middle of the line; who fits into what is unspent waits on."""
    ledger.apply(reserve("a", 60))
    ledger.apply(reserve("b", 40))
    ledger.apply(reserve("c", 45))
    ledger.apply(reserve("d", 90))
    ledger.apply(reserve("e", 30))

    answer = ledger.apply(Reconcile("a", 60, 0))

    assert decided(answer) == [("c", NEVER), ("d", NEVER)]
    assert ledger.holds["e"].state is WAITING


def test_the_ceiling_is_used_up_to_one_largest_hold() -> None:
    """1,000 tasks that each hold 10 and spend 3: in the end less than 10 of the ceiling are left."""
    ledger = BudgetLedger()
    ledger.apply(Open("batch", None, 1000, None))
    running: list[str] = []
    for n in range(1000):
        if ledger.apply(reserve(f"t{n}", 10, account="batch")).held:
            running.append(f"t{n}")
    while running:
        answer = ledger.apply(Reconcile(running.pop(0), 3, 0))
        running += [hold_id for hold_id, verdict in decided(answer) if verdict is HELD]

    ledger.check()
    assert balance(ledger) == (993, 0)
    assert account(ledger, "batch").waiting == 0


def test_a_bill_above_its_hold_is_the_truth_and_lets_nothing_more_in(ledger: BudgetLedger) -> None:
    """The account is overrun: who waits is turned away, and nobody gets in, until its limit is raised."""
    ledger.apply(reserve("a", 90))
    ledger.apply(reserve("b", 20))

    answer = ledger.apply(Reconcile("a", 130, 0))
    small = ledger.apply(reserve("c", 1))
    ledger.apply(SetLimit("batch", 200, 1000))

    assert balance(ledger) == (130, 0)
    assert decided(answer) == [("b", NEVER)]
    assert small.verdict is NEVER
    assert ledger.apply(reserve("d", 1)).verdict is HELD


def test_an_overrun_stays_one_when_others_give_money_back(ledger: BudgetLedger) -> None:
    """Once a worst case was none, the account is not trusted to hold more, though there seems to be room."""
    ledger.apply(reserve("a", 50))
    ledger.apply(reserve("b", 50))
    ledger.apply(Reconcile("a", 60, 0))
    ledger.apply(Reconcile("b", 0, 0))

    assert account(ledger, "batch").overrun
    assert ledger.apply(reserve("c", 1)).verdict is NEVER


def test_a_bill_above_its_hold_within_the_limit_is_taken_from_what_is_free(ledger: BudgetLedger) -> None:
    """Nothing is passed, so nothing is marked."""
    ledger.apply(reserve("a", 50))
    ledger.apply(Reconcile("a", 60, 0))

    assert balance(ledger) == (60, 0)
    assert not account(ledger, "batch").overrun


def test_who_began_without_being_let_in_is_billed_all_the_same(ledger: BudgetLedger) -> None:
    """The truth is recorded, whatever the rules were."""
    ledger.apply(reserve("a", 90))
    ledger.apply(reserve("b", 20))

    ledger.apply(Reconcile("b", 20, 0))

    assert balance(ledger) == (20, 90)
    assert account(ledger, "batch").overrun


def test_a_lost_owners_holds_are_charged_in_full_and_shown_as_unseen(ledger: BudgetLedger) -> None:
    """Held: charged. Waiting: withdrawn. Reconciled: left alone. Said twice: the same answer."""
    ledger.apply(reserve("a1", 40, owner="h1", microusd=5))
    ledger.apply(reserve("a2", 30, owner="h1"))
    ledger.apply(Reconcile("a2", 10, 0))
    ledger.apply(reserve("a3", 80, owner="h1"))
    ledger.apply(reserve("b", 20, owner="h2", account="run-b"))

    answers = [ledger.apply(ExpireOwner("h1")) for _ in range(2)]

    assert [answer.charged for answer in answers] == [Amount(40, 5)] * 2
    assert [answer.expired_ids for answer in answers] == [("a1",)] * 2
    assert ledger.holds["a3"].state is Verdict.WITHDRAWN
    assert account(ledger, "batch").unseen == Amount(40, 5)
    assert ledger.holds["b"].state is HELD


def test_an_owner_can_be_expired_in_one_account_only(ledger: BudgetLedger) -> None:
    """Hosts of two jobs may have the same name."""
    ledger.apply(reserve("a", 40, owner="h1"))
    ledger.apply(reserve("b", 40, owner="h1", account="run-b"))

    answer = ledger.apply(ExpireOwner("h1", "run-b"))

    assert answer.expired_ids == ("b",)


def test_what_still_arrives_from_a_lost_owner_is_not_held(ledger: BudgetLedger) -> None:
    """It was under way when its host was killed: nobody would ever reconcile it. A successor may use the name again."""
    ledger.apply(Open("batch", "shared", 100, 1000, (), "driver 1"))
    ledger.apply(ExpireOwner("h1", "batch"))

    late = [ledger.apply(reserve("a", 40, owner="h1")).verdict for _ in range(2)]
    ledger.apply(Open("batch", "shared", 100, 1000, (), "driver 2"))

    assert late == [Verdict.WITHDRAWN] * 2
    assert balance(ledger) == (0, 0)
    assert ledger.apply(reserve("b", 40, owner="h1")).verdict is HELD


def test_nobody_is_let_in_only_to_be_charged(ledger: BudgetLedger) -> None:
    """The dead owner's waiting holds leave without letting each other in."""
    ledger.apply(reserve("b", 50, owner="h2"))
    ledger.apply(reserve("a1", 90, owner="h1"))
    ledger.apply(reserve("a2", 50, owner="h1"))
    ledger.apply(reserve("c", 45, owner="h2"))

    answer = ledger.apply(ExpireOwner("h1"))

    assert answer.charged == Amount(0, 0)
    assert ("c", HELD) in decided(answer)


def test_a_late_reconciliation_replaces_the_charge_and_lets_others_in(ledger: BudgetLedger) -> None:
    """It is nearer the truth than the worst case."""
    ledger.apply(reserve("a", 80))
    ledger.apply(reserve("b", 50))
    ledger.apply(Expire(("a",)))
    ledger.apply(reserve("c", 20))

    answer = ledger.apply(Reconcile("a", 30, 0))

    assert balance(ledger) == (30, 20)
    assert answer.verdict is Verdict.RECONCILED
    assert account(ledger, "batch").unseen == Amount(0, 0)


def test_a_closed_accounts_sums_stay_in_its_parent(ledger: BudgetLedger) -> None:
    """What is remembered of it is that it is closed; commands that come late count nothing."""
    ledger.apply(reserve("a", 40))
    ledger.apply(Reconcile("a", 10, 7))

    answer = ledger.apply(Close("run-a"))
    late = [ledger.apply(said).verdict for said in (reserve("a", 40), Reconcile("a", 10, 7), reserve("new", 1))]

    assert answer.charged == Amount(10, 7)
    assert late == [Verdict.CLOSED, Verdict.UNKNOWN_HOLD, Verdict.CLOSED]
    assert ledger.apply(Open("run-a", "batch", None, None, ())).verdict is Verdict.CLOSED
    assert ledger.apply(Close("run-a")).verdict is Verdict.CLOSED
    assert balance(ledger) == (10, 0)
    assert "run-a" not in ledger.accounts
    assert "a" not in ledger.holds


def test_an_account_that_is_closed_with_holds_waits_for_them(ledger: BudgetLedger) -> None:
    """Nothing new gets in; who waited is turned away; the last reconciliation ends it."""
    ledger.apply(reserve("a", 90))
    ledger.apply(reserve("b", 20))

    answer = ledger.apply(Close("run-a"))

    assert decided(answer) == [("b", Verdict.CLOSED)]
    assert ledger.apply(reserve("c", 1)).verdict is Verdict.CLOSED
    assert ledger.apply(Reconcile("a", 50, 0)).verdict is Verdict.RECONCILED
    assert "run-a" not in ledger.accounts
    assert balance(ledger) == (50, 0)


@pytest.mark.parametrize("end", [Close("run-a"), ExpireAccount("run-a")])
def test_who_stands_in_line_leaves_it_together_with_the_others(ledger: BudgetLedger, end: Command) -> None:
    """The small one behind the large one is not let in when that one goes, as it goes too."""
    ledger.apply(reserve("held", 95, account="run-a"))
    ledger.apply(reserve("large", 20))
    ledger.apply(reserve("small", 5))
    ledger.apply(reserve("behind", 5, account="run-b"))

    answer = ledger.apply(end)

    assert ("small", HELD) not in decided(answer)
    assert ledger.holds["small"].state is Verdict.WITHDRAWN
    assert ("behind", HELD) in decided(answer)


def test_an_expiry_charges_nobody_who_was_never_let_in(ledger: BudgetLedger) -> None:
    """A hold in line that a lowered ceiling has made hopeless is found out while others leave."""
    ledger.apply(reserve("held", 1))
    ledger.apply(SetLimit("shared", 1, None))
    ledger.apply(reserve("large", 1))
    ledger.apply(SetLimit("batch", 0, 1000))
    ledger.apply(reserve("small", 0))

    answer = ledger.apply(ExpireAccount("run-a"))

    assert answer.expired_ids == ("held",)
    assert balance(ledger) == (1, 0)


def test_an_expiry_that_names_a_hold_twice_counts_it_once(ledger: BudgetLedger) -> None:
    ledger.apply(reserve("held", 90))
    ledger.apply(reserve("waits", 20))

    answer = ledger.apply(Expire(("held", "waits", "held", "waits")))

    assert answer.expired_ids == ("held",)
    assert balance(ledger) == (90, 0)


def test_closing_a_batch_closes_its_runs(ledger: BudgetLedger) -> None:
    """From the leaves upwards, as their holds end."""
    ledger.apply(reserve("a", 40))
    ledger.apply(Close("batch"))

    ledger.apply(Reconcile("a", 30, 0))

    assert list(ledger.accounts) == ["shared"]
    assert balance(ledger, "shared") == (30, 0)
    assert ledger.apply(Open("run-c", "batch", None, None, ())).verdict is Verdict.CLOSED


def test_a_late_reconciliation_reaches_through_closed_accounts(ledger: BudgetLedger) -> None:
    """The charge for a lost owner is corrected where the account's sums went."""
    ledger.apply(reserve("a", 40))
    ledger.apply(Expire(("a",)))
    ledger.apply(Close("batch"))

    first, second = (ledger.apply(Reconcile("a", 10, 0)).verdict for _ in range(2))

    assert (first, second) == (Verdict.RECONCILED, Verdict.UNKNOWN_HOLD)
    assert balance(ledger, "shared") == (10, 0)


def test_ten_thousand_closed_runs_leave_a_few_bytes_each() -> None:
    """Closed accounts do not gather in memory, and are still known."""
    ledger = BudgetLedger()
    ledger.apply(Open("batch", None, None, None))
    for n in range(10_000):
        ledger.apply(Open(f"run-{n}", "batch", None, None, ()))
        ledger.apply(reserve(f"t{n}", 40, account=f"run-{n}"))
        ledger.apply(Reconcile(f"t{n}", 10, 0))
        ledger.apply(Close(f"run-{n}"))

    assert (list(ledger.accounts), ledger.holds) == (["batch"], {})
    assert len(ledger.accounts["batch"].closed) == 10_000
    assert ledger.apply(reserve("t17", 40, account="run-17")).verdict is Verdict.CLOSED
    assert balance(ledger) == (100_000, 0)


def test_opening_is_said_twice_or_otherwise(ledger: BudgetLedger) -> None:
    """The same terms are a repeat, also by another client; others are a conflict; an unknown parent is one."""
    verdicts = [
        ledger.apply(Open("run-b", "batch", 60, None, ())),
        ledger.apply(Open("run-b", "batch", 60, None, (), "somebody else")),
        ledger.apply(Open("run-b", "batch", 61, None, ())),
        ledger.apply(Open("run-b", "shared", 60, None, ())),
        ledger.apply(Open("run-c", "nobody", 60, None, ())),
    ]

    assert [answer.verdict for answer in verdicts] == [
        Verdict.OPEN,
        Verdict.OPEN,
        Verdict.CONFLICT,
        Verdict.CONFLICT,
        Verdict.UNKNOWN_ACCOUNT,
    ]


def test_an_unknown_cost_is_refused_under_a_dollar_ceiling(ledger: BudgetLedger) -> None:
    """And the accounts that have one are named."""
    answer = ledger.apply(reserve("a", 10, microusd=None))

    assert answer.verdict is Verdict.UNPRICED
    assert [no.account_id for no in answer.refusals] == ["batch"]


def test_an_unknown_cost_shows_as_unknown_never_as_nothing() -> None:
    """Without a dollar ceiling it may be held, spent and charged; the sums above it say that they do not know."""
    ledger = BudgetLedger()
    ledger.apply(Open("batch", None, 100, None))
    ledger.apply(Open("run", "batch", None, None))
    ledger.apply(reserve("a", 10, account="run", microusd=None))
    ledger.apply(Reconcile("a", 5, None))
    ledger.apply(reserve("b", 10, account="run", microusd=7))
    ledger.apply(Reconcile("b", 5, 7))

    assert account(ledger, "batch").spent == Amount(10, None)
    assert ledger.apply(SetLimit("batch", 100, 100)).verdict is Verdict.UNPRICED
    ledger.check()


def test_a_bill_without_a_price_is_charged_at_the_holds_worst_case(ledger: BudgetLedger) -> None:
    """Under a dollar ceiling, what is not known cannot be counted as less than it may be."""
    ledger.apply(reserve("a", 10, microusd=300))

    ledger.apply(Reconcile("a", 5, None))

    assert account(ledger, "batch").spent == Amount(5, 300)


def test_a_lowered_limit_lets_nothing_in_until_there_is_room(ledger: BudgetLedger) -> None:
    """What is held is not taken away; the account is not overrun, as nobody was billed too much."""
    ledger.apply(reserve("a", 80))
    ledger.apply(SetLimit("batch", 50, 1000))

    early = ledger.apply(reserve("b", 10, waits=False)).verdict
    ledger.apply(Reconcile("a", 30, 0))

    assert (early, ledger.apply(reserve("c", 10)).verdict) == (SKIPPED, HELD)


def test_a_raised_limit_lets_in_who_waits(ledger: BudgetLedger) -> None:
    """At once."""
    ledger.apply(reserve("a", 80))
    ledger.apply(reserve("b", 80))

    assert decided(ledger.apply(SetLimit("batch", 160, 1000))) == [("b", HELD)]


def test_each_percentage_is_alerted_once(ledger: BudgetLedger) -> None:
    """Also after a restart; several at once when a bill passes several; of what is spent, not of what is held."""
    ledger.apply(Open("watched", "shared", 100, 1000, (80, 50, 95)))
    first = ledger.apply(reserve("a", 100, account="watched"))
    second = ledger.apply(Reconcile("a", 60, 0))
    ledger = restored(snapshot(ledger))
    ledger.apply(reserve("b", 40, account="watched", microusd=900))
    third = ledger.apply(Reconcile("b", 36, 500))

    assert first.alerts == ()
    assert [(alert.number, alert.percent, alert.spent, alert.limit) for alert in second.alerts] == [(1, 50, 60, 100)]
    assert [(alert.number, alert.unit, alert.percent) for alert in third.alerts] == [
        (2, "tokens", 80),
        (3, "tokens", 95),
        (4, "microusd", 50),
    ]


def test_a_raised_limit_makes_an_alert_possible_again(ledger: BudgetLedger) -> None:
    """Half of twice as much is news."""
    ledger.apply(Open("watched", "shared", 100, None, (50,)))
    ledger.apply(reserve("a", 60, account="watched"))
    ledger.apply(Reconcile("a", 60, 0))
    ledger.apply(SetLimit("watched", 200, None))
    ledger.apply(reserve("b", 60, account="watched"))

    answer = ledger.apply(Reconcile("b", 60, 0))

    assert [(alert.percent, alert.spent, alert.limit) for alert in answer.alerts] == [(50, 120, 200)]


def test_a_new_period_makes_the_ceiling_whole_again(ledger: BudgetLedger) -> None:
    """What is held goes on into the new period and is spent there; who waited is let in; said twice it counts once."""
    ledger.apply(Renew("batch", "2026-11-20"))
    ledger.apply(reserve("a", 60))
    ledger.apply(Reconcile("a", 60, 0))
    ledger.apply(reserve("b", 30))
    ledger.apply(reserve("c", 30))

    answer = ledger.apply(Renew("batch", "2026-11-21"))
    again = ledger.apply(Renew("batch", "2026-11-21"))

    assert decided(answer) == [("c", HELD)]
    assert (again.repeated, balance(ledger)) == (True, (0, 60))
    assert account(ledger, "batch").earlier == Amount(60, 0)


def test_the_first_period_counts_what_was_spent_before_it_had_a_name(ledger: BudgetLedger) -> None:
    """Naming the present period renews nothing."""
    ledger.apply(reserve("a", 60))
    ledger.apply(Reconcile("a", 60, 0))

    ledger.apply(Renew("batch", "2026-11-20"))

    assert balance(ledger) == (60, 0)


def test_what_an_earlier_period_was_charged_too_much_is_no_money_of_this_one(ledger: BudgetLedger) -> None:
    """Else the provider could bill more than the ceiling within one period."""
    ledger.apply(Renew("batch", "2026-11-20"))
    ledger.apply(reserve("a", 80))
    ledger.apply(Expire(("a",)))
    ledger.apply(Renew("batch", "2026-11-21"))
    ledger.apply(reserve("b", 50))

    ledger.apply(Reconcile("a", 10, 0))

    assert balance(ledger) == (0, 50)
    assert account(ledger, "batch").earlier == Amount(10, 0)


def test_what_was_held_and_not_needed_is_known(ledger: BudgetLedger) -> None:
    """Also of runs that are closed: how generous the worst cases were."""
    ledger.apply(reserve("a", 40, microusd=100))
    ledger.apply(Reconcile("a", 10, 30))
    ledger.apply(Close("run-a"))
    ledger.apply(reserve("b", 40, account="run-b"))
    ledger.apply(Reconcile("b", 15, 0))

    assert account(ledger, "batch").returned == Amount(55, 70)


def test_an_accounts_holds_can_all_be_expired(ledger: BudgetLedger) -> None:
    """As a resumed batch does with whatever its last driver left."""
    ledger.apply(reserve("a", 40, owner="h1"))
    ledger.apply(reserve("b", 40, owner="h2", account="run-b"))

    answer = ledger.apply(ExpireAccount("batch"))

    assert answer.expired_ids == ("a", "b")
    assert ledger.apply(ExpireAccount("nobody")).verdict is Verdict.UNKNOWN_ACCOUNT
