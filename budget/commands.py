"""What the ledger is told, and what it answers: values that travel and are journaled as rows (wire.py)."""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum
from typing import NamedTuple, TypeAlias

from budget.money import Amount

ALERT_PERCENTS = (50, 80, 95)  # of a limit; an account may have its own


class Open(NamedTuple):
    """An account under its parent. A limit of None is no limit. `owner` is the client that opened it."""

    account_id: str
    parent_id: str | None
    limit_tokens: int | None
    limit_microusd: int | None
    alert_percents: tuple[int, ...] = ALERT_PERCENTS
    owner: str = ""


class Reserve(NamedTuple):
    """A task's worst case, to be held until it is reconciled. `microusd` None: the cost is unknown.

    Smaller `priority` goes first; equal ones in the order of arrival. With `waits` false it is held now or refused.
    """

    hold_id: str
    account_id: str
    tokens: int
    microusd: int | None
    owner: str = ""
    priority: int = 0
    waits: bool = True


class Extend(NamedTuple):
    """Raise a hold to this total. Said twice, or late after a greater one, it changes nothing. Never waits."""

    hold_id: str
    tokens: int
    microusd: int | None


class Reconcile(NamedTuple):
    """What a hold's task really spent; the rest is free again."""

    hold_id: str
    tokens: int
    microusd: int | None


class ReserveMany(NamedTuple):
    """`Reserve` for many tasks of one owner in one account, one after the other; columns of equal length."""

    account_id: str
    owner: str
    waits: bool
    hold_ids: list[str]
    tokens: list[int]
    microusd: list[int | None]
    priorities: list[int]

    def one(self, row: int) -> ReserveMany:
        """A single one of them."""
        return self._replace(
            hold_ids=[self.hold_ids[row]],
            tokens=[self.tokens[row]],
            microusd=[self.microusd[row]],
            priorities=[self.priorities[row]],
        )

    def each(self) -> Iterator[Reserve]:
        """The same, said one by one."""
        for hold_id, tokens, microusd, priority in zip(
            self.hold_ids, self.tokens, self.microusd, self.priorities, strict=True
        ):
            yield Reserve(hold_id, self.account_id, tokens, microusd, self.owner, priority, self.waits)


class ReconcileMany(NamedTuple):
    """`Reconcile` for many holds, one after the other; columns of equal length."""

    hold_ids: list[str]
    tokens: list[int]
    microusd: list[int | None]

    def each(self) -> Iterator[Reconcile]:
        """The same, said one by one."""
        yield from map(Reconcile, self.hold_ids, self.tokens, self.microusd)


class Withdraw(NamedTuple):
    """The caller no longer wants this hold and has spent nothing under it, waiting or held."""

    hold_id: str


class Expire(NamedTuple):
    """The owners of these holds are gone: what is held is charged in full, what waits is withdrawn."""

    hold_ids: tuple[str, ...]


class ExpireOwner(NamedTuple):
    """The same for all holds of an owner, in this account and below it, or anywhere.

    What still arrives from it is withdrawn, until another client opens an account again: its successor.
    """

    owner: str
    account_id: str | None = None


class ExpireAccount(NamedTuple):
    """The same for every hold in an account and below it."""

    account_id: str


class Close(NamedTuple):
    """No more holds here or below. The account's sums stay in its parent's once its last hold is settled."""

    account_id: str


class SetLimit(NamedTuple):
    account_id: str
    limit_tokens: int | None
    limit_microusd: int | None


class Renew(NamedTuple):
    """A new period begins for an account: its ceiling is whole again. `period` is a label such as 2026-11-20."""

    account_id: str
    period: str


Command: TypeAlias = (
    Open | Reserve | Extend | Reconcile | Withdraw | Expire | ExpireOwner | ExpireAccount | Close | SetLimit | Renew
)


Many: TypeAlias = ReserveMany | ReconcileMany
"""What is said of many holds at once. It is answered as what it stands for, said one by one, would be."""


def count(command: Command | Many) -> int:
    """How many answers a command has."""
    return len(command.hold_ids) if isinstance(command, ReserveMany | ReconcileMany) else 1


class Verdict(IntEnum):
    """The present state of a hold or account, or why a command was refused. The numbers travel: never reuse one."""

    HELD = 1
    WAITING = 2
    RECONCILED = 3
    EXPIRED = 4
    WITHDRAWN = 5
    NEVER = 6
    """It does not fit into what is unspent: waiting cannot help."""
    SKIPPED = 7
    """It does not fit now and was told not to wait."""
    CONFLICT = 8
    """Said before with other numbers; the first ones stand."""
    UNKNOWN_HOLD = 9
    """No such hold, or its account is closed and forgot it."""
    UNKNOWN_ACCOUNT = 10
    CLOSED = 11
    UNPRICED = 12
    """An unknown cost under a dollar ceiling."""
    INVALID = 13
    """A negative number, say; the client does not let it through."""
    OPEN = 14
    DONE = 15


class Refusal(NamedTuple):
    """One account that said no, in one unit. `free` is limit - spent - held; it is negative when overrun."""

    account_id: str
    unit: str
    needed: int
    free: int
    unspent: int
    limit: int
    queued_ahead: bool = False

    @property
    def short_by(self) -> int:
        return max(0, self.needed - self.free)

    @property
    def waiting_can_help(self) -> bool:
        return self.needed <= self.unspent


class Alert(NamedTuple):
    """What an account has spent reached a percentage of its limit. Raised once each; `number` counts them up.

    `owner` is the client that opened the account.
    """

    number: int
    account_id: str
    unit: str
    percent: int
    spent: int
    limit: int
    owner: str = ""


class Answer(NamedTuple):
    """One command's outcome. `repeated`: it was said before, and counted then.

    charged      what the hold (reconciled, expired), these holds (expire) or the account (close) came to
    refusals     every account that said no
    expired_ids  the holds of an expiry that stand charged in full
    decided      the waiting holds that it let in or turned away: for those who wait, not for the one who asked
    alerts       the percentages of limits that it made the sums reach: for all who want to know
    """

    verdict: Verdict
    repeated: bool = False
    charged: Amount | None = None
    refusals: tuple[Refusal, ...] = ()
    expired_ids: tuple[str, ...] = ()
    decided: tuple[tuple[str, Answer], ...] = ()
    alerts: tuple[Alert, ...] = ()

    @property
    def held(self) -> bool:
        """The money is set aside: the task may start."""
        return self.verdict is Verdict.HELD

    @property
    def message(self) -> str:
        """Why not, in one sentence: what was needed, what is free, whose it is, and what to do."""
        if not self.refusals:
            return self.verdict.name.lower().replace("_", " ")
        return "; ".join(_explained(refusal) for refusal in self.refusals)


PLAIN = {verdict: Answer(verdict) for verdict in Verdict}
"""Answers that say nothing but their verdict: one object each, as nearly all answers are one of them."""


def _explained(refusal: Refusal) -> str:
    unit = "µ$" if refusal.unit == "microusd" else refusal.unit
    if refusal.queued_ahead and not refusal.short_by:
        return f"others wait before it for account {refusal.account_id!r}: raise its limit, or wait"
    advice = "raise its limit, or wait" if refusal.waiting_can_help else "raise its limit"
    return (
        f"{refusal.needed:,} {unit} are needed and {max(0, refusal.free):,} are free "
        f"(limit {refusal.limit:,}, account {refusal.account_id!r}): {advice}"
    )
