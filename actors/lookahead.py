"""How far ahead a host asks for holds: so far that no place is empty while the ledger answers, and no farther."""

from __future__ import annotations

from dataclasses import dataclass

ANSWERS_KEPT = 16  # how many of the ledger's answers count, at least; otherwise one for each place
DEVIATIONS = 2  # of these, above the mean, nearly all answers are there: those come in batches, and some just miss one
ENDS_KEPT = 64  # how many ended sessions count, at least: of these, and
ENDS_KEPT_PER_PLACE = 4  # this many for each place, as those that began together end together
LOOK_S = 0.000_1  # nothing is looked at more often: it would cost a part of the shortest session


@dataclass(slots=True)
class Lookahead:
    """What sessions and the ledger take of late, by one clock, on a host where `places` sessions run at once.

    By Little's law, `places * (time to answer) / (time of a session)` sessions begin while the ledger answers. The
    time of a session is what all places were busy for, over the sessions that ended: so those that go on and on count
    from their start, and a model that gets slow is noticed before its first reply. The time to answer is the mean and
    twice the mean deviation; what is asked for before the first session has ended, of a ledger that may just have
    begun, does not count.
    """

    places: int
    ahead_max: int
    ahead: int = 0  # how many tasks to have holds for, or to ask for them, beyond one for each place
    now_s: float = 0.0  # by the last look
    next_s: float = 0.0  # look again then
    ended: float = 0.0  # sessions
    _busy_s: float = 0.0  # of all places together
    _answers: int = 0
    _answer_s: float = 0.0  # the mean
    _deviation_s: float = 0.0
    _granted: int = 0  # at once, since a hold last had to wait or was refused
    _answered_s: float = -1.0  # when the answer that was counted last had been asked for

    def look(self, running: int, now_s: float) -> None:
        """Time has passed in which so many sessions ran."""
        if self.ended > 2 * max(ENDS_KEPT, ENDS_KEPT_PER_PLACE * self.places) and now_s > self.now_s:
            self.ended /= 2
            self._busy_s /= 2
        self._busy_s += running * (now_s - self.now_s)
        self.now_s, self.next_s = now_s, now_s + LOOK_S
        self.ahead = self._ahead()

    def granted(self, asked_s: float) -> None:
        """A hold that was asked for then is there, and had to wait for nobody. Those of one moment count once."""
        self._granted += 1
        if self.ended and asked_s != self._answered_s:
            self._answered_s = asked_s
            self._answered(self.now_s - asked_s)

    def short(self) -> None:
        """A hold had to wait, or was refused: none is asked for ahead, as others wait for what lies idle."""
        self._granted = self.ahead = 0

    def _ahead(self) -> int:
        """Rounded down; none until as many were granted as there are places, since money was short."""
        if not self.ended or self._granted < self.places:
            return 0
        answer_s = self._answer_s + DEVIATIONS * self._deviation_s
        begin_meanwhile = self.places * answer_s * self.ended / max(self._busy_s, 1e-9)
        return int(min(begin_meanwhile, self.ahead_max))

    def _answered(self, took_s: float) -> None:
        if not self._answers:
            self._answer_s = took_s
        self._answers = min(self._answers + 1, max(ANSWERS_KEPT, self.places))
        self._deviation_s += (abs(took_s - self._answer_s) - self._deviation_s) / self._answers
        self._answer_s += (took_s - self._answer_s) / self._answers
