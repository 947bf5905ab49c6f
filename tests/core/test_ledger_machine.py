"""Any commands in any order, said again, late or otherwise, with crashes between: audited by a second model."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from budget.commands import (
    Close,
    Command,
    Expire,
    ExpireAccount,
    ExpireOwner,
    Extend,
    Many,
    Open,
    Reconcile,
    ReconcileMany,
    Reserve,
    ReserveMany,
    SetLimit,
    Verdict,
    Withdraw,
)
from budget.journal import framed, whole_records
from budget.ledger import BudgetLedger
from budget.snapshot import restored, snapshot
from budget.wire import commands_read, commands_written
from support.ledger_model import LedgerModel, ModelHold

ACCOUNTS = {"shared": None, "batch": "shared", "run-a": "batch", "run-b": "batch", "team": "run-b", "other": "shared"}
OWNERS = st.sampled_from(["h1", "h2", "h3", "h4"])
tokens = st.integers(0, 60)
GONE = (Verdict.CLOSED, Verdict.UNKNOWN_ACCOUNT)  # a name is remembered as long as its parent is open
limits = st.none() | st.integers(0, 150)


class LedgerMachine(RuleBasedStateMachine):
    """Every rule says one command to the ledger and the model, and writes it down; crashes read it back."""

    def __init__(self) -> None:
        super().__init__()
        self.ledger = BudgetLedger()
        self.model = LedgerModel()
        self.said: list[Command | Many] = []

    @initialize(limit=st.tuples(st.integers(50, 200), limits), alerts=st.booleans())
    def open_accounts(self, limit: tuple[int, int | None], alerts: bool) -> None:
        for account_id, parent in ACCOUNTS.items():
            own = limit if parent is None else (None, None) if account_id == "run-a" else (120, 100)
            percents = (50, 80, 95) if alerts else ()
            answer = self.ledger.apply(Open(account_id, parent, *own, percents))
            self.said.append(Open(account_id, parent, *own, percents))
            assert answer.verdict == Verdict.OPEN
            self.model.said_open(account_id, parent, *own)

    @rule(
        account_id=st.sampled_from(sorted(ACCOUNTS)),
        number=st.integers(0, 6),
        amount=st.tuples(tokens, tokens),
        owner=OWNERS,
        priority=st.integers(0, 2),
        waits=st.booleans(),
    )
    def reserve(
        self, account_id: str, number: int, amount: tuple[int, int], owner: str, priority: int, waits: bool
    ) -> None:
        hold_id = f"{account_id}/{number}"
        command = Reserve(hold_id, account_id, *amount, owner, priority, waits)
        hold = ModelHold(account_id, *amount, owner, (priority, 0), waits, Verdict.WAITING, asked=tuple(command))
        answer = self.ledger.apply(command)
        self.said.append(command)
        self.model.said_reserve(hold_id, hold, answer)

    @rule(
        account_id=st.sampled_from(sorted(ACCOUNTS)),
        asked=st.lists(st.tuples(st.integers(0, 6), tokens, tokens, st.integers(0, 2)), max_size=4),
        owner=OWNERS,
        waits=st.booleans(),
    )
    def reserve_many(self, account_id: str, asked: list[tuple[int, int, int, int]], owner: str, waits: bool) -> None:
        numbers, *columns = [list(column) for column in zip(*asked, strict=True)] or [[], [], [], []]
        names = [f"{account_id}/{number}" for number in numbers]
        many = ReserveMany(account_id, owner, waits, names, columns[0], [*columns[1]], columns[2])
        self.said.append(many)
        for one, answer in zip(many.each(), self.ledger.answers(many), strict=True):
            place = (one.priority, 0)
            hold = ModelHold(account_id, *one[2:4], owner, place, waits, Verdict.WAITING, asked=tuple(one))
            self.model.said_reserve(one.hold_id, hold, answer)

    @rule(share=st.floats(0, 1), data=st.data())
    def reconcile_many(self, share: float, data: st.DataObject) -> None:
        """Of those that are held, as a host says it; and one of those twice."""
        held = sorted(name for name, hold in self.model.holds.items() if hold.state == Verdict.HELD)
        if held:
            names = data.draw(st.lists(st.sampled_from(held), max_size=5))
            holds = [self.model.holds[name] for name in names]
            amounts = [(int(hold.tokens * share), int(hold.microusd * share)) for hold in holds]
            many = ReconcileMany(names, [one for one, _ in amounts], [other for _, other in amounts])
            self.said.append(many)
            for name, amount, answer in zip(names, amounts, self.ledger.answers(many), strict=True):
                self.model.said_reconcile(name, amount, answer)

    @rule(account_id=st.sampled_from(sorted(ACCOUNTS)), number=st.integers(0, 6), amount=st.tuples(tokens, tokens))
    def reconcile(self, account_id: str, number: int, amount: tuple[int, int]) -> None:
        command = Reconcile(f"{account_id}/{number}", *amount)
        self.said.append(command)
        self.model.said_reconcile(command.hold_id, amount, self.ledger.apply(command))

    @rule(share=st.floats(0, 1), data=st.data())
    def reconcile_something_held(self, share: float, data: st.DataObject) -> None:
        held = sorted(name for name, hold in self.model.holds.items() if hold.state == Verdict.HELD)
        if held:
            hold_id = data.draw(st.sampled_from(held))
            hold = self.model.holds[hold_id]
            amount = int(hold.tokens * share), int(hold.microusd * share)
            command = Reconcile(hold_id, *amount)
            self.said.append(command)
            self.model.said_reconcile(hold_id, amount, self.ledger.apply(command))

    @rule(account_id=st.sampled_from(sorted(ACCOUNTS)), number=st.integers(0, 6), amount=st.tuples(tokens, tokens))
    def extend(self, account_id: str, number: int, amount: tuple[int, int]) -> None:
        command = Extend(f"{account_id}/{number}", *amount)
        self.said.append(command)
        self.model.said_extend(command.hold_id, *amount, self.ledger.apply(command))

    @rule(account_id=st.sampled_from(sorted(ACCOUNTS)), number=st.integers(0, 6))
    def withdraw(self, account_id: str, number: int) -> None:
        command = Withdraw(f"{account_id}/{number}")
        self.said.append(command)
        self.model.said_withdraw(command.hold_id, self.ledger.apply(command))

    @rule(chosen=st.lists(st.tuples(st.sampled_from(sorted(ACCOUNTS)), st.integers(0, 6)), max_size=4, unique=True))
    def expire(self, chosen: list[tuple[str, int]]) -> None:
        command = Expire(tuple(f"{account_id}/{number}" for account_id, number in chosen))
        known = [name for name in command.hold_ids if name in self.ledger.holds or name in self.ledger.late]
        self.said.append(command)
        self.model.said_expire(known, self.ledger.apply(command))

    @rule(number=st.integers(0, 99))
    def take_over(self, number: int) -> None:
        """Another driver opens the account again; the names of expired owners may be used again."""
        account = self.ledger.accounts["shared"]
        command = account.asked._replace(owner=f"client-{number}")
        if account.asked != command:
            self.model.gone.clear()
        self.said.append(command)
        assert self.ledger.apply(command).verdict == Verdict.OPEN

    @rule(owner=OWNERS, account_id=st.none() | st.sampled_from(sorted(ACCOUNTS)))
    def expire_owner(self, owner: str, account_id: str | None) -> None:
        command = ExpireOwner(owner, account_id)
        self.model.gone.add((owner, account_id))
        mine = [name for name, hold in self.model.holds.items() if hold.owner == owner]
        if account_id is not None:
            mine = [name for name in mine if account_id in self.model.path(self.model.holds[name].account)]
            mine = mine if account_id in self.ledger.accounts else []
        known = [name for name in mine if name in self.ledger.holds or name in self.ledger.late]
        self.said.append(command)
        self.model.said_expire(known, self.ledger.apply(command))

    @rule(account_id=st.sampled_from(["run-a", "batch"]))
    def expire_account(self, account_id: str) -> None:
        known_before = set(self.ledger.holds) | set(self.ledger.late)
        command = ExpireAccount(account_id)
        exists = account_id in self.ledger.accounts
        answer = self.ledger.apply(command)
        self.said.append(command)
        if not exists:
            assert answer.verdict in GONE
            return
        mine = [name for name, hold in self.model.holds.items() if account_id in self.model.path(hold.account)]
        self.model.said_expire([name for name in mine if name in known_before], answer)

    @rule(account_id=st.sampled_from(["run-a", "run-b", "team", "other", "batch"]), really=st.integers(0, 4))
    def close(self, account_id: str, really: int) -> None:
        if really:  # seldom: what is closed stays closed
            return
        command = Close(account_id)
        self.said.append(command)
        self.model.said_close(account_id, self.ledger.apply(command))

    @rule(account_id=st.sampled_from(["shared", "batch", "run-a"]), limit=st.tuples(limits, limits))
    def set_limit(self, account_id: str, limit: tuple[int | None, int | None]) -> None:
        command = SetLimit(account_id, *limit)
        account = self.ledger.accounts.get(account_id)
        self.said.append(command)
        answer = self.ledger.apply(command)
        if account is None or account.closing:
            assert answer.verdict in GONE
        else:
            self.model.said_set_limit(account_id, *limit, answer)

    @rule(data=st.data())
    def say_something_again(self, data: st.DataObject) -> None:
        """Late and out of order, as a lost call does. It must change no sum."""
        command = data.draw(
            st.sampled_from([one for one in self.said if isinstance(one, Reserve | Withdraw)] or [None])
        )
        hold = self.model.holds.get(command.hold_id) if command else None
        if command is None or hold is None:
            return
        if isinstance(command, Withdraw) and hold.state in (Verdict.HELD, Verdict.WAITING):
            return
        before = snapshot(self.ledger)
        answer = self.ledger.apply(command)
        self.said.append(command)
        assert not answer.held or answer.repeated
        assert snapshot(self.ledger) == before

    @rule(cut=st.floats(0, 1))
    def crash_while_writing(self, cut: float) -> None:
        """The journal ends anywhere in its last record: what was answered is all there, the torn rest is not."""
        lines = [framed(commands_written([command]), 1_790_000_000_000) for command in self.said]
        torn = framed(commands_written([Reserve("run-a/torn", "run-a", 1, 1)]), 1_790_000_000_000)
        data = b"".join(lines) + torn[: int(cut * (len(torn) - 1))]

        payloads, good_bytes = whole_records(data)

        assert good_bytes == sum(map(len, lines))
        again = BudgetLedger()
        for payload in payloads:
            for command in commands_read(payload):
                again.answers(command)
        assert snapshot(again) == snapshot(self.ledger)
        self.ledger = again

    @rule()
    def restart_from_a_snapshot(self) -> None:
        state = json.loads(json.dumps(snapshot(self.ledger)))
        self.ledger = restored(state)
        assert json.loads(json.dumps(snapshot(self.ledger))) == state

    @invariant()
    def every_sum_is_what_the_model_adds_up(self) -> None:
        for account in self.ledger.accounts.values():
            assert (account.spent_tokens, account.spent_microusd) == self.model.spent(account.id)
            assert (account.held_tokens, account.held_microusd) == self.model.held(account.id)
            assert (account.unseen_tokens, account.unseen_microusd) == self.model.unseen(account.id)
            assert account.overrun == self.model.accounts[account.id].overrun
        states = {name: hold.state for name, hold in self.ledger.holds.items()}
        assert states == {name: self.model.holds[name].state for name in states}
        self.model.assert_nobody_waits_in_vain()

    @invariant()
    def the_ledger_checks_out(self) -> None:
        self.ledger.check()


LedgerMachine.TestCase.settings = settings(
    max_examples=40,
    stateful_step_count=40,
    deadline=None,
    report_multiple_bugs=False,
    suppress_health_check=list(HealthCheck),
)
TestLedgerMachine = LedgerMachine.TestCase


@pytest.mark.slow
class TestLedgerMachineForLong(LedgerMachine.TestCase):  # type: ignore[name-defined,misc]
    """The same with many more sequences."""

    settings = settings(LedgerMachine.TestCase.settings, max_examples=2000, stateful_step_count=80)
