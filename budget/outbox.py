"""What a client says next: holds and bills gather as columns, and it is known who waits for which answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

from budget.commands import Answer, Command, Many, ReconcileMany, ReserveMany, Verdict, Withdraw, count

MANY_MAX = 10_000  # holds in one command; a batch ends with the command that makes it so many

Told: TypeAlias = Callable[[Answer | Exception], None]


class Said(NamedTuple):
    """A command, and who is told each of its answers, or why there is none. Of reservations, those whose turn it is."""

    command: Command | Many
    told: Sequence[Told]


class Outbox:
    """Commands in the order in which they were said, save that bills go before the reservations said beside them: what
    they free is there for those.

    A hold is asked for by all who want it; they are told when it is decided, and before that when it has to wait.
    """

    def __init__(self) -> None:
        self._turns: dict[str, list[Told]] = {}  # holds that are not decided, and who wants them
        self._waiting: dict[str, ReserveMany] = {}  # those of them that the ledger has put in line, one each
        self._said: list[Said] = []
        # What can still be added to:
        self._bills = ReconcileMany([], [], [])
        self._billed: list[Told] = []
        self._holds: list[ReserveMany] = []

    @property
    def empty(self) -> bool:
        """Whether there is nothing to say."""
        return not (self._said or self._billed or self._holds)

    @property
    def waits(self) -> bool:
        """Whether a hold stands in line."""
        return bool(self._waiting)

    def say(self, command: Command | Many, *told: Told) -> None:
        self._seal()
        self._said.append(Said(command, told))

    def reserve(
        self,
        hold_id: str,
        account_id: str,
        tokens: int,
        microusd: int | None,
        owner: str,
        priority: int,
        waits: bool,
        told: Told,
    ) -> None:
        turns = self._turns.get(hold_id)
        if turns is None:
            self._turns[hold_id] = [told]
        else:
            turns.append(told)
        many = self._holds[-1] if self._holds else None
        if many is None or many.account_id != account_id or many.owner != owner or many.waits != waits:
            many = ReserveMany(account_id, owner, waits, [], [], [], [])
            self._holds.append(many)
        many.hold_ids.append(hold_id)
        many.tokens.append(tokens)
        many.microusd.append(microusd)
        many.priorities.append(priority)
        if len(many.hold_ids) == MANY_MAX:
            self._seal()

    def give_up(self, hold_id: str, told: Told) -> None:
        """A hold is no longer wanted: `told` is not called, and a hold that nobody else wants is ended."""
        others = [other for other in self._turns.pop(hold_id, ()) if other != told]
        if others:
            self._turns[hold_id] = others
            return
        self._waiting.pop(hold_id, None)
        self.say(Withdraw(hold_id))

    def reconcile(self, hold_id: str, tokens: int, microusd: int | None, told: Told) -> None:
        if hold_id in self._turns:  # whoever bills a hold that is still asked for means this order
            self._seal()
        bills = self._bills
        bills.hold_ids.append(hold_id)
        bills.tokens.append(tokens)
        bills.microusd.append(microusd)
        self._billed.append(told)
        if len(self._billed) == MANY_MAX:
            self._seal()

    def ask_again(self) -> None:
        """Say what stands in line once more, to a ledger that may have forgotten who waits."""
        for command in self._waiting.values():
            self.say(command)

    def take(self) -> list[Said]:
        """The next batch."""
        self._seal()
        answers = 0
        for place, (command, _) in enumerate(self._said):
            answers += count(command)
            if answers >= MANY_MAX:
                batch, self._said = self._said[: place + 1], self._said[place + 1 :]
                return batch
        batch, self._said = self._said, []
        return batch

    def answered(self, batch: Sequence[Said], answers: Sequence[Answer]) -> None:
        """Tell everyone what became of a batch."""
        place = 0
        for command, told in batch:
            if isinstance(command, ReserveMany):
                for row, hold_id in enumerate(command.hold_ids):
                    answer = answers[place + row]
                    if answer.verdict is Verdict.WAITING:
                        self._stands_in_line(command.one(row), answer)
                    else:
                        self.decided(hold_id, answer)
            else:
                for row, one in enumerate(told):
                    one(answers[place + row])
            place += count(command)  # nobody may be told of a command, and it is answered all the same

    def failed(self, batch: Sequence[Said], error: Exception) -> None:
        """Nobody has answered a batch, and nobody will."""
        for command, told in batch:
            if isinstance(command, ReserveMany):
                for hold_id in command.hold_ids:
                    self.decided(hold_id, error)
            for one in told:
                one(error)

    def nobody_decides(self, error: Exception) -> None:
        """What stands in line will never hear of its turn."""
        for hold_id in list(self._waiting):
            self.decided(hold_id, error)

    def decided(self, hold_id: str, decision: Answer | Exception) -> None:
        self._waiting.pop(hold_id, None)
        for told in self._turns.pop(hold_id, ()):
            told(decision)

    def _stands_in_line(self, asked: ReserveMany, answer: Answer) -> None:
        hold_id = asked.hold_ids[0]
        if hold_id in self._turns:
            self._waiting[hold_id] = asked
            for told in self._turns[hold_id]:
                told(answer)

    def _seal(self) -> None:
        """What was said so far stays before what is said from now on."""
        if self._billed:
            self._said.append(Said(self._bills, self._billed))
            self._bills, self._billed = ReconcileMany([], [], []), []
        if self._holds:
            self._said += [Said(many, ()) for many in self._holds]
            self._holds = []
