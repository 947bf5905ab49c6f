"""What becomes of tasks whose host was lost: in which company they go again, how long they have, and when they end.

A task that hangs or kills its host is found out, and those beside it are answered, before the grace has passed that a
run may take above its longest deadline:

- A host is hung when it is silent for a third of the longest deadline of its tasks (`patience_s`), long before that
  deadline has passed: whoever was beside the one that hangs still has time.
- All attempts at a task have its deadline and the grace together. The next one gets what is left of that, at least
  the grace, and a whole deadline where the host was lost early.
- Where the host could tell which task held its event loop, that one is the culprit, and those beside it go again as if
  nothing had been. Where it could not (it was stopped, or it died), all are suspects: they go again in groups of the
  square root of their number, then alone.
- A culprit, be it named or found alone on a host that hung, goes again after all others, and only until its deadline
  has passed, counted from its first attempt. A task that hung through its deadline is not tried again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from math import isqrt

from actors.contracts import Task

TRIES_MAX = 3  # hosts that a task may be lost with before it counts as poison
ANSWER_S = 1.5  # a host with nothing to tell answers a drain within 1 s; the rest is for the way
SILENCE_S = 5.0  # nobody is hung who has been silent for less, but where deadlines are shorter
RESTART_S = 3.0  # until another host is ready; part of the grace
SUSPECT_SILENCE_S = 3.0  # for hosts of suspects, which have less time


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspect:
    """A task that was lost with `hosts` hosts, `losses` of them perhaps by its fault; `task` is its next attempt.

    At most `company_max` tasks may share its next host, itself included. Its first attempt began at `began_s` and had
    `deadline_s`; for `used_s` seconds hosts that were lost had been at it.
    """

    task: Task
    company_max: int
    began_s: float
    deadline_s: float
    used_s: float = 0.0
    hosts: int = 0
    losses: int = 0
    culprit: bool = False

    @property
    def last_attempt(self) -> Task:
        """The attempt that was lost."""
        return replace(self.task, attempt=self.task.attempt - 1)

    def left_s(self, now_s: float) -> float:
        """How much of its deadline is left. A culprit's passes also while it waits for a host."""
        if self.culprit:
            return self.began_s + self.deadline_s - now_s
        return self.deadline_s - self.used_s

    def is_out_of_time(self, now_s: float) -> bool:
        """Whether it does not go again."""
        return self.culprit and self.left_s(now_s) <= 0

    def on_its_way(self, now_s: float, grace_s: float) -> Task:
        """Its next attempt, with the time that it has for that."""
        time_s = self.left_s(now_s)
        if not self.culprit:
            time_s = max(min(self.deadline_s, grace_s), time_s + grace_s - RESTART_S)
        return self.task if time_s >= self.deadline_s else replace(self.task, deadline_s=max(0.1, round(time_s, 3)))


def patience_s(deadlines_s: Iterable[float]) -> float:
    """How long a host that has tasks with these deadlines may be silent."""
    longest_s = max(deadlines_s, default=0.0)
    return max(min(longest_s, SILENCE_S), longest_s / 3) + ANSWER_S


def suspects_patience_s(suspects: Sequence[Suspect], now_s: float) -> float:
    """The same for a host of suspects: what is left to them, dealt out to the tries that may follow."""
    usual_s = patience_s(suspect.deadline_s for suspect in suspects)
    left_s = min(suspect.left_s(now_s) for suspect in suspects)
    tries = 1 if len(suspects) == 1 else 2
    return max(min(usual_s, SUSPECT_SILENCE_S), min(usual_s, left_s / tries + ANSWER_S))


def lost_again(
    suspects: Sequence[Suspect], *, silent: bool, blamed: str | None, tries_max: int, now_s: float
) -> tuple[list[Suspect], list[Suspect], list[Suspect]]:
    """Tasks that a lost host had: those that go again first, those that go again last, those that have come to an end.

    `blamed` is the one that held the host's event loop, when that is known. It need not be one of them: a run that has
    finished leaves its optional tasks behind, recorded as cancelled.
    """
    first: list[Suspect] = []
    last: list[Suspect] = []
    ended: list[Suspect] = []
    named = blamed is not None
    for before in suspects:
        culprit = before.task.id == blamed if named else silent and len(suspects) == 1
        suspect = _moved(before, culprit=culprit)
        if culprit or not named:
            suspect = _suspected(suspect, len(suspects), tries_max)
        if suspect.losses >= tries_max or suspect.is_out_of_time(now_s):
            ended.append(suspect)
        else:
            (last if suspect.culprit else first).append(suspect)
    return first, last, ended


def _moved(suspect: Suspect, *, culprit: bool) -> Suspect:
    again = replace(suspect.task, attempt=suspect.task.attempt + 1)
    return replace(suspect, task=again, hosts=suspect.hosts + 1, culprit=suspect.culprit or culprit)


def _suspected(suspect: Suspect, company: int, tries_max: int) -> Suspect:
    losses = suspect.losses + 1
    alone = suspect.culprit or losses >= tries_max - 1
    return replace(suspect, losses=losses, company_max=1 if alone else max(1, isqrt(company)))
