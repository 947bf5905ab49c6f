"""The ledger's records: accounts with their sums, and holds with their state."""

from __future__ import annotations

from typing import Final

from budget.closed_ids import ClosedIds
from budget.commands import Alert, Open, Reserve, Verdict
from budget.money import UNLIMITED, Amount, Limit

# For what is done with every hold: an enum's member costs several times what a constant does.
HELD: Final = Verdict.HELD
WAITING: Final = Verdict.WAITING
RECONCILED: Final = Verdict.RECONCILED


class Account:
    """One account's sums, which include all accounts below it.

    free      what can still be set aside; what is neither free nor spent is held
    spent     in the present period; `earlier` is of the periods before
    unseen    the part of all that was charged in full because its owner was lost
    own       spent under accounts below that are closed and forgotten
    returned  held and not needed, by its own holds and by accounts below that are closed
    unpriced  how many bills in it have an unknown cost
    """

    __slots__ = (
        "alert_microusd",
        "alert_percents",
        "alert_tokens",
        "alerted",
        "asked",
        "children",
        "closed",
        "closing",
        "earlier_microusd",
        "earlier_tokens",
        "folded",
        "free_microusd",
        "free_tokens",
        "hold_ids",
        "holds_open",
        "id",
        "limit_microusd",
        "limit_tokens",
        "line",
        "line_microusd_max",
        "line_tokens_max",
        "lowered",
        "overrun",
        "own_microusd",
        "own_tokens",
        "parent",
        "path",
        "period",
        "renewed_at",
        "returned_microusd",
        "returned_tokens",
        "spent_microusd",
        "spent_tokens",
        "unpriced",
        "unseen_microusd",
        "unseen_tokens",
    )

    def __init__(self, asked: Open, parent: Account | None) -> None:
        self.id = asked.account_id
        self.asked = asked  # the terms it was opened under, to tell a repeat from a conflict
        self.parent = parent
        self.path: tuple[Account, ...] = (self, *parent.path) if parent else (self,)
        self.children: dict[str, Account] = {}
        self.closed = ClosedIds()
        self.closing = False  # admits nothing more
        self.folded = False  # closed and empty: its sums live on in its parent's only
        self.overrun = False
        self.lowered = False  # the limit was set below what was spent and held already
        self.period = ""
        self.renewed_at = 0  # the ledger's count of renewals when this account's present period began

        self.limit_tokens = UNLIMITED if asked.limit_tokens is None else asked.limit_tokens
        self.limit_microusd = UNLIMITED if asked.limit_microusd is None else asked.limit_microusd
        self.free_tokens, self.free_microusd = self.limit_tokens, self.limit_microusd
        self.spent_tokens = self.spent_microusd = 0
        self.earlier_tokens = self.earlier_microusd = 0
        self.unseen_tokens = self.unseen_microusd = 0
        self.own_tokens = self.own_microusd = 0
        self.returned_tokens = self.returned_microusd = 0
        self.unpriced = 0

        self.hold_ids: list[str] = []
        self.holds_open = 0
        self.line: list[tuple[int, int, Hold]] = []  # a heap; its first entry, if any, truly waits here
        self.line_tokens_max = self.line_microusd_max = 0  # no hold in line needs more than this

        self.alert_percents = asked.alert_percents
        self.alerted: set[tuple[str, int]] = set()
        self.alert_tokens = self.alert_microusd = UNLIMITED
        if asked.alert_percents:
            self.aim_alerts()

    @property
    def held_tokens(self) -> int:
        return self.limit_tokens - self.spent_tokens - self.free_tokens

    @property
    def held_microusd(self) -> int:
        return self.limit_microusd - self.spent_microusd - self.free_microusd

    @property
    def unspent_tokens(self) -> int:
        """The most that waiting could make free; nothing at all for an account that is overrun."""
        return -1 if self.overrun else self.limit_tokens - self.spent_tokens

    @property
    def unspent_microusd(self) -> int:
        return -1 if self.overrun else self.limit_microusd - self.spent_microusd

    @property
    def limit(self) -> Limit:
        return Limit(_or_none(self.limit_tokens), _or_none(self.limit_microusd))

    @property
    def remembered(self) -> Account:
        """This account or, where it is folded, the first above it that is not: there its sums live on."""
        account = self
        while account.folded:
            assert account.parent is not None, account.id
            account = account.parent
        return account

    def set_limit(self, tokens: int | None, microusd: int | None) -> None:
        new_tokens = UNLIMITED if tokens is None else tokens
        new_microusd = UNLIMITED if microusd is None else microusd
        self.free_tokens += new_tokens - self.limit_tokens
        self.free_microusd += new_microusd - self.limit_microusd
        self.limit_tokens, self.limit_microusd = new_tokens, new_microusd
        self.lowered = self.free_tokens < 0 or self.free_microusd < 0
        self.overrun = self.overrun and self.lowered
        self.arm_alerts()

    def begin_period(self, period: str, renewed_at: int) -> None:
        self.period, self.renewed_at = period, renewed_at
        self.earlier_tokens += self.spent_tokens
        self.earlier_microusd += self.spent_microusd
        self.free_tokens += self.spent_tokens
        self.free_microusd += self.spent_microusd
        self.spent_tokens = self.spent_microusd = 0
        self.overrun = False
        self.arm_alerts()

    def arm_alerts(self) -> None:
        """Under new terms, a percentage that is no longer reached may be alerted again."""
        self.alerted = {
            (unit, percent) for unit, percent in self.alerted if self._spent(unit) >= self._threshold(unit, percent)
        }
        self.aim_alerts()

    def aim_alerts(self) -> None:
        """Find the next sums that are worth an alert."""
        self.alert_tokens = self._next_threshold("tokens")
        self.alert_microusd = self._next_threshold("microusd")

    def reached(self, number: int) -> list[Alert]:
        """The alerts that are due now, numbered from `number` on; each is given once."""
        alerts: list[Alert] = []
        for unit in ("tokens", "microusd"):
            for percent in sorted(self.alert_percents):
                if (unit, percent) not in self.alerted and self._spent(unit) >= self._threshold(unit, percent):
                    self.alerted.add((unit, percent))
                    spent, limit = self._spent(unit), self._limit(unit)
                    number_here = number + len(alerts)
                    alerts.append(Alert(number_here, self.id, unit, percent, spent, limit, self.asked.owner))
        self.aim_alerts()
        return alerts

    def _spent(self, unit: str) -> int:
        return self.spent_tokens if unit == "tokens" else self.spent_microusd

    def _limit(self, unit: str) -> int:
        return self.limit_tokens if unit == "tokens" else self.limit_microusd

    def _threshold(self, unit: str, percent: int) -> int:
        limit = self._limit(unit)
        return UNLIMITED if limit >= UNLIMITED else max(1, -(-limit * percent // 100))

    def _next_threshold(self, unit: str) -> int:
        ahead = [percent for percent in self.alert_percents if (unit, percent) not in self.alerted]
        return self._threshold(unit, min(ahead)) if ahead else UNLIMITED


class Hold:
    """A task's worst case and what became of it. `tokens` and `microusd` are what is set aside, extensions included.

    `microusd` counts an unknown cost as 0; `asked_microusd` tells it apart. `account` is where it counts: in the end,
    one above that it was asked in. `parked` is the account in whose line it waits.
    """

    __slots__ = (
        "account",
        "arrival",
        "asked_account_id",
        "asked_microusd",
        "asked_tokens",
        "charged_at",
        "id",
        "microusd",
        "owner",
        "parked",
        "priority",
        "spent_microusd",
        "spent_tokens",
        "state",
        "tokens",
        "waits",
    )

    def __init__(
        self,
        hold_id: str,
        account: Account,
        tokens: int,
        microusd: int | None,
        owner: str,
        priority: int,
        waits: bool,
        arrival: int,
    ) -> None:
        self.id = hold_id
        self.asked_account_id = account.id
        self.asked_tokens = tokens
        self.asked_microusd = microusd
        self.owner = owner
        self.priority = priority
        self.waits = waits
        self.account = account
        self.arrival = arrival
        self.tokens = tokens
        self.microusd = microusd or 0
        self.state: Verdict = HELD
        self.parked: Account | None = None
        self.spent_tokens = 0
        self.spent_microusd: int | None = 0
        self.charged_at = 0  # the ledger's count of renewals when it was charged in full

    @property
    def spent(self) -> Amount:
        return Amount(self.spent_tokens, self.spent_microusd)

    @property
    def order(self) -> tuple[int, int]:
        """Its place in every line: the runs that began first, then first come first served."""
        return self.priority, self.arrival

    @property
    def unpriced(self) -> bool:
        return self.asked_microusd is None

    @property
    def asked(self) -> Reserve:
        """The command that it came from, to tell a repeat from a conflict."""
        amount = self.asked_tokens, self.asked_microusd
        return Reserve(self.id, self.asked_account_id, *amount, self.owner, self.priority, self.waits)


def _or_none(limit: int) -> int | None:
    return None if limit >= UNLIMITED else limit
