"""What happened to a service and when: episodes of its indicators that belong together, and whose doing it was."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from actors.tools.metrics.bursts import SAMPLES_ALONE_MIN, Episode
from actors.tools.metrics.flow import Starvation
from actors.tools.metrics.signals import Scope, Signal

SLACK_S = 90.0  # clocks of two services are apart by so much, or by one and a half of their sampling intervals
WEIGHT_MIN = 0.5  # of an event's own size that a dependency's trouble must have, to explain it
DOUBLINGS_CAP = 6.0
TESTIFYING = frozenset({Signal.LATENCY, Signal.ERRORS, Signal.SATURATION})


class Evidence(StrEnum):
    """What moved, from the most fundamental to what may as well come from elsewhere."""

    RESOURCE = "resource"  # the service's own CPU, memory, queue
    ERRORS = "errors"
    SERVER = "server"  # latency that it measures itself
    CALLER = "caller"  # latency that its callers measure
    PASSING = "passing_on"  # it gets calls and does not make those that follow from them


@dataclass(frozen=True, slots=True)
class Event:
    """Episodes of one service at one time. `callers` saw it, `other_callers` have a view of it and did not."""

    start_s: float
    end_s: float
    episodes: tuple[Episode, ...]
    strength: Mapping[Evidence, float]  # doublings, the largest per kind of evidence
    callers: frozenset[str] = frozenset()
    other_callers: frozenset[str] = frozenset()
    slack_s: float = SLACK_S

    @property
    def size(self) -> float:
        return max(self.strength.values(), default=0.0)

    @property
    def minutes(self) -> float:
        return (self.end_s - self.start_s) / 60

    @property
    def resource(self) -> float:
        return self.strength.get(Evidence.RESOURCE, 0.0)

    @property
    def felt(self) -> bool:
        """Whether users of the service can have noticed."""
        return any(
            self.strength.get(kind, 0.0) > 0
            for kind in (Evidence.ERRORS, Evidence.SERVER, Evidence.CALLER, Evidence.PASSING)
        )

    def overlaps(self, other: Event) -> bool:
        slack_s = max(self.slack_s, other.slack_s)
        return self.start_s <= other.end_s + slack_s and other.start_s <= self.end_s + slack_s

    def may_explain(self, other: Event) -> bool:
        """Whether it began no later than `other`, was there with it, and is not small beside it."""
        slack_s = 2 * max(self.slack_s, other.slack_s)
        return self.overlaps(other) and self.start_s <= other.start_s + slack_s and self.size >= WEIGHT_MIN * other.size


@dataclass(frozen=True, slots=True)
class Blame:
    """Whose doing an event was: `cause` names another service, or is empty when it was the service's own."""

    cause: str = ""
    why: str = ""


def events(found: Iterable[Episode], callers: frozenset[str], interval_s: float) -> list[Event]:
    """Episodes that overlap, as one event each, in order of time.

    An event needs an episode that can stand alone (of a quiet indicator, three samples long), or two samples in each of
    two metrics. Traffic, the machine's own and outbound series belong to an event and make none.
    """
    ordered = sorted((e for e in found if e.subject.scope is not Scope.HOST), key=lambda e: (e.start_s, e.end_s))
    testimony = [e for e in ordered if _testifies(e)]
    made = []
    for group in _overlapping(testimony, slack_s=max(1.5 * interval_s, 1.0)):
        if _believed(group):
            made.append(replace(_event(group, ordered, callers), slack_s=max(SLACK_S, 1.5 * interval_s)))
    return made


def with_starvation(known: Sequence[Event], starving: Sequence[Starvation]) -> list[Event]:
    """`known` with what dependencies say of a service that does not pass on its traffic: as evidence, or as events."""
    made = list(known)
    for one in starving:
        alone = Event(one.start_s, one.end_s, (one.shown,), {Evidence.PASSING: min(one.gap, DOUBLINGS_CAP)})
        place = next((at for at, event in enumerate(made) if event.overlaps(alone)), None)
        if place is None:
            made.append(alone)
            continue
        event = made[place]
        gap = max(event.strength.get(Evidence.PASSING, 0.0), min(one.gap, DOUBLINGS_CAP))
        end_s = max(event.end_s, one.end_s) if set(event.strength) == {Evidence.PASSING} else event.end_s
        made[place] = replace(
            event,
            end_s=end_s,
            episodes=(*event.episodes, one.shown),
            strength={**event.strength, Evidence.PASSING: gap},
        )
    return sorted(made, key=lambda event: (event.start_s, event.end_s))


def blame(
    event: Event,
    own: frozenset[str],
    dependencies: Mapping[str, Sequence[Event]],
    dependents: Mapping[str, tuple[frozenset[str], Sequence[Event]]],
) -> Blame:
    """Who caused `event` of the service called `own`, from what its neighbours went through at the same time.

    A service whose own resources moved is the cause. Otherwise a dependency that was in trouble at the same time is.
    What only one caller measured, while that caller's own resources moved, is the caller's doing.
    `dependents` come with what their labels call them.
    """
    troubled = [(name, other) for name, theirs in dependencies.items() for other in theirs if other.may_explain(event)]
    guilty = [(name, other) for name, other in troubled if not _is_view_of(other, own)]
    if guilty:
        name, worst = max(guilty, key=lambda pair: (_weight(pair[1]), pair[0]))
        stopped = event.strength.get(Evidence.PASSING, 0.0)
        if event.resource < worst.resource or not (event.resource or stopped > worst.size):
            return Blame(name, _reason(event, worst))
    if set(event.strength) == {Evidence.CALLER}:
        for name, (names, theirs) in dependents.items():
            if event.callers <= names and any(other.resource and other.overlaps(event) for other in theirs):
                return Blame(name, "only this caller measured it, and its own resources moved at that time")
    if event.resource:
        return Blame("", "its own resources moved" + (", and more than those of its dependencies" if guilty else ""))
    if Evidence.PASSING in event.strength:
        return Blame("", "it went on getting calls, and did not make those that follow from them")
    if len(troubled) > len(guilty):
        return Blame("", "its dependencies looked slow from here alone")
    return Blame("", "no dependency with readable series was in trouble at that time")


def _reason(event: Event, worst: Event) -> str:
    when = "began earlier" if worst.start_s < event.start_s else "at the same time"
    what = "its own resources moved" if worst.resource else "it was slow or failing itself"
    return f"{what} ({when}, {worst.size:.1f} doublings)"


def _is_view_of(other: Event, own: frozenset[str]) -> bool:
    """Whether only this service saw that trouble of a dependency, which others call as well without noticing."""
    return set(other.strength) == {Evidence.CALLER} and other.callers <= own and bool(other.other_callers - own)


def _weight(event: Event) -> tuple[float, float]:
    return event.resource, event.size


def _testifies(episode: Episode) -> bool:
    one = episode.subject
    return one.signal in TESTIFYING and one.scope in (Scope.OWN, Scope.CALLER)


def _believed(group: Sequence[Episode]) -> bool:
    if any(e.samples >= SAMPLES_ALONE_MIN for e in group):
        return True
    return len({e.subject.metric for e in group if e.samples >= 2}) >= 2


def _overlapping(found: Sequence[Episode], slack_s: float) -> list[list[Episode]]:
    groups: list[list[Episode]] = []
    end_s = float("-inf")
    for episode in found:
        if not groups or episode.start_s > end_s + slack_s:
            groups.append([])
            end_s = episode.end_s
        groups[-1].append(episode)
        end_s = max(end_s, episode.end_s)
    return groups


def _event(group: Sequence[Episode], everything: Sequence[Episode], callers: frozenset[str]) -> Event:
    solid = [e for e in group if e.samples >= 2] or list(group)
    start_s, end_s = min(e.start_s for e in solid), max(e.end_s for e in solid)
    beside = [
        e for e in everything if not _testifies(e) and e.start_s <= end_s + SLACK_S and e.end_s >= start_s - SLACK_S
    ]
    strength: dict[Evidence, float] = {}
    for episode in solid:
        kind = _evidence(episode)
        strength[kind] = max(strength.get(kind, 0.0), min(episode.doublings, DOUBLINGS_CAP))
    saw = frozenset(e.subject.caller for e in solid if e.subject.scope is Scope.CALLER)
    ranked = sorted(solid, key=lambda e: (-e.doublings, e.subject.title)) + [e for e in group if e not in solid]
    return Event(start_s, end_s, (*ranked, *beside), strength, saw, callers - saw)


def _evidence(episode: Episode) -> Evidence:
    one = episode.subject
    if one.signal is Signal.SATURATION:
        return Evidence.RESOURCE
    if one.scope is Scope.CALLER:
        return Evidence.CALLER
    return Evidence.ERRORS if one.signal is Signal.ERRORS else Evidence.SERVER
