"""What is said of many holds at once comes to the same as what it stands for, said one by one, and travels whole."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from budget.commands import PLAIN, Answer, Command, Many, Open, ReconcileMany, Refusal, ReserveMany, Verdict, count
from budget.ledger import BudgetLedger
from budget.money import Amount
from budget.snapshot import snapshot
from budget.wire import News, Reply, commands_read, commands_written, reply_read, reply_written

ids = st.integers(0, 12).map("t{}".format)
tokens = st.integers(-1, 60)
microusd = st.none() | st.integers(-1, 60)


@st.composite
def reservations(draw: st.DrawFn) -> ReserveMany:
    account_id = draw(st.sampled_from(["batch", "run", "nowhere"]))
    holds = draw(st.lists(st.tuples(ids, tokens, microusd, st.integers(0, 2)), max_size=6))
    columns = [list(column) for column in zip(*holds, strict=True)] or [[], [], [], []]
    return ReserveMany(account_id, draw(st.sampled_from(["h1", "h2"])), draw(st.booleans()), *columns)


@st.composite
def bills(draw: st.DrawFn) -> ReconcileMany:
    holds = draw(st.lists(st.tuples(ids, tokens, microusd), max_size=6))
    return ReconcileMany(*([list(column) for column in zip(*holds, strict=True)] or [[], [], []]))


def opened(limit: tuple[int | None, int | None]) -> BudgetLedger:
    ledger = BudgetLedger()
    ledger.apply(Open("batch", None, *limit))
    ledger.apply(Open("run", "batch", 60, None, (50,)))
    return ledger


@given(
    st.tuples(st.none() | st.integers(0, 200), st.none() | st.integers(0, 200)),
    st.lists(reservations() | bills(), max_size=12),
)
def test_many_at_once_are_many_one_by_one(limit: tuple[int | None, int | None], said: list[Many]) -> None:
    at_once, one_by_one = opened(limit), opened(limit)
    for many in said:
        answers = at_once.answers(many)
        assert answers == [one_by_one.apply(command) for command in many.each()]
        assert len(answers) == count(many)
    assert snapshot(at_once) == snapshot(one_by_one)
    at_once.check()


@given(st.lists(reservations() | bills() | st.just(Open("x", None, 1, None, (50, 80)))))
def test_a_batch_of_columns_travels_whole(batch: list[Command | Many]) -> None:
    assert commands_read(commands_written(batch)) == batch


REFUSED = Answer(Verdict.NEVER, refusals=(Refusal("run", "tokens", 5, 1, 2, 60),))
REPEATED = Answer(Verdict.RECONCILED, repeated=True, charged=Amount(3, None))


@given(st.lists(st.sampled_from([*PLAIN.values(), REFUSED, REPEATED])))
def test_answers_travel_in_their_order(answers: list[Answer]) -> None:
    read = reply_read(reply_written(Reply(answers, News("boot"), 7)))

    assert (list(read.answers), read.alert_count) == (answers, 7)


def test_a_thousand_equal_answers_are_written_once() -> None:
    written = reply_written(Reply([PLAIN[Verdict.HELD]] * 1000, News("boot"), 0))

    assert len(written) < 40
