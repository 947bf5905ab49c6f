"""What happened to a service in half a year: incidents as values, before any tracker's format."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import exp
from random import Random

from jobs.sample.estate import AS_OF_S, DAY_S, HOUR_S, MINUTE_S, WINDOW_S, Service, stream
from jobs.sample.kinds import Decoy, Planted
from jobs.sample.stories import CAUSES, IMPACTS, MINOR_TITLES, RECURRING, REPAIRS, TITLES
from jobs.sample.words import VENDORS, spoken

HISTORY_WINDOWS = 6
QUIET_MAX = 2  # unplanned incidents of any service in one window, at most: chance must not plant a problem
CRITICAL, HIGH, MEDIUM, LOW = 1, 2, 3, 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """One incident. `severity` is 1 (critical) to 4 (low); `ended_s` is None while it is open.

    `cause` is empty where nobody looked for one, `caused_by` names the service or vendor that caused it when
    that is another one.
    """

    service: str
    title: str
    severity: int
    started_s: int
    ended_s: int | None
    cause: str
    impact: str
    repair: str
    caused_by: str = ""
    affected: tuple[str, ...] = ()
    by_itself: bool = False

    @property
    def duration_minutes(self) -> float | None:
        return None if self.ended_s is None else round((self.ended_s - self.started_s) / MINUTE_S, 1)


def incidents_of(service: Service, seed: int) -> tuple[Incident, ...]:
    """All incidents of `service`, oldest first, none of them after the estate's now."""
    writer = _Writer(service, stream(seed, service.name, "incidents"))
    found = [incident for told in (_ordinary, _planted, _decoys, _faults) for incident in told(service, writer)]
    return tuple(sorted(found, key=lambda incident: (incident.started_s, incident.title)))


class _Writer:
    """Makes incidents of one service; titles and causes come up in a shuffled order, so neighbours differ."""

    def __init__(self, service: Service, rng: Random) -> None:
        self.rng = rng
        self._service = service
        self._titles, self._causes = _endless(TITLES, rng), _endless(CAUSES, rng)

    def incident(
        self,
        *,
        started_s: int,
        severity: int,
        duration_s: float,
        title: str = "",
        cause: str = "",
        caused_by: str = "",
        affected: tuple[str, ...] = (),
        by_itself: bool = False,
    ) -> Incident:
        ended_s = started_s + int(duration_s)
        return Incident(
            service=self._service.name,
            title=(title or next(self._titles)).format(thing=spoken(self._service.name)),
            severity=severity,
            started_s=started_s,
            ended_s=ended_s if ended_s <= AS_OF_S else None,
            cause="" if by_itself else cause or next(self._causes),
            impact=self.rng.choice(IMPACTS),
            repair="Recovered without action." if by_itself else self.rng.choice(REPAIRS),
            caused_by=caused_by,
            affected=affected,
            by_itself=by_itself,
        )

    def usual_duration_s(self) -> float:
        """Ten minutes to two hours, about 35 minutes in the middle."""
        return min(max(35 * exp(self.rng.gauss(0, 0.6)), 10), 120) * MINUTE_S

    def moments(self, count: int, *, windows_ago: int = 0) -> list[int]:
        """`count` times spread over one window, the first of them near its start; 0 windows ago is the last one.

        The last two days are left out, so that no ordinary incident is still open at the end.
        """
        start_s = AS_OF_S - (windows_ago + 1) * WINDOW_S
        slot_s = (WINDOW_S - 2 * DAY_S) // max(count, 1)
        return [start_s + n * slot_s + self.rng.randrange(slot_s) for n in range(count)]


def _endless(options: tuple[str, ...], rng: Random) -> Iterator[str]:
    order = list(options)
    rng.shuffle(order)
    while True:
        yield from order


def _ordinary(_: Service, writer: _Writer) -> Iterator[Incident]:
    """What happens to everybody: now and then one, rarely a bad one. The oldest window has one: no tracker is empty."""
    for windows_ago in range(HISTORY_WINDOWS):
        count = writer.rng.choices(range(QUIET_MAX + 1), (45, 35, 20))[0] or int(windows_ago == HISTORY_WINDOWS - 1)
        for started_s in writer.moments(count, windows_ago=windows_ago):
            severity = writer.rng.choices((CRITICAL, HIGH, MEDIUM, LOW), (2, 18, 45, 35))[0]
            yield writer.incident(started_s=started_s, severity=severity, duration_s=writer.usual_duration_s())


def _planted(service: Service, writer: _Writer) -> Iterator[Incident]:
    if service.plants(Planted.INCIDENT_PRONE):
        yield from _many_bad_ones(writer)
    if service.plants(Planted.SLOW_TO_RESTORE):
        yield from _long_ones(writer)
    if service.plants(Planted.RECURRING_CAUSE):
        yield from _the_same_again(writer)


def _many_bad_ones(writer: _Writer) -> Iterator[Incident]:
    """Seven to ten in the window, most of them high or critical; two in the window before."""
    for windows_ago, count in ((0, writer.rng.randint(7, 10)), (1, 2)):
        for started_s in writer.moments(count, windows_ago=windows_ago):
            severity = writer.rng.choices((CRITICAL, HIGH, MEDIUM), (30, 50, 20))[0]
            yield writer.incident(started_s=started_s, severity=severity, duration_s=writer.usual_duration_s())


def _long_ones(writer: _Writer) -> Iterator[Incident]:
    """Three or four that took most of a day or more, sometimes one that is still open; before, they took as usual."""
    for started_s in writer.moments(writer.rng.randint(3, 4)):
        duration_s = writer.rng.uniform(14, 40) * HOUR_S
        yield writer.incident(started_s=started_s, severity=writer.rng.choice((HIGH, MEDIUM)), duration_s=duration_s)
    if writer.rng.random() < 0.5:
        started_s = AS_OF_S - writer.rng.randint(20, 40) * HOUR_S
        yield writer.incident(started_s=started_s, severity=MEDIUM, duration_s=WINDOW_S)
    for started_s in writer.moments(2, windows_ago=1):
        yield writer.incident(started_s=started_s, severity=MEDIUM, duration_s=writer.usual_duration_s())


def _the_same_again(writer: _Writer) -> Iterator[Incident]:
    """Four in the window and two before it under six titles, with one cause in other words each time."""
    told = _endless(writer.rng.choice(RECURRING), writer.rng)
    for windows_ago, count in ((1, 2), (0, 4)):
        for started_s in writer.moments(count, windows_ago=windows_ago):
            severity = writer.rng.choice((HIGH, MEDIUM))
            duration_s = writer.usual_duration_s()
            yield writer.incident(started_s=started_s, severity=severity, duration_s=duration_s, cause=next(told))


def _decoys(service: Service, writer: _Writer) -> Iterator[Incident]:
    if service.part.decoy is Decoy.MINOR_INCIDENTS:
        yield from _small_ones(writer)
    if service.part.decoy is Decoy.CAUSED_ELSEWHERE:
        yield from _vendors(writer)


def _small_ones(writer: _Writer) -> Iterator[Incident]:
    """About a dozen of low severity in every window, over within minutes and by themselves."""
    titles = _endless(MINOR_TITLES, writer.rng)
    for windows_ago in range(4):
        for started_s in writer.moments(writer.rng.randint(10, 13), windows_ago=windows_ago):
            duration_s = writer.rng.randint(2, 6) * MINUTE_S
            yield writer.incident(
                started_s=started_s, severity=LOW, duration_s=duration_s, title=next(titles), by_itself=True
            )


def _vendors(writer: _Writer) -> Iterator[Incident]:
    """Five to seven bad ones in the window that a vendor caused."""
    vendor = writer.rng.choice(VENDORS)
    for started_s in writer.moments(writer.rng.randint(5, 7)):
        yield writer.incident(
            started_s=started_s,
            severity=writer.rng.choice((CRITICAL, HIGH)),
            duration_s=writer.usual_duration_s(),
            cause=f"Outage at {vendor}",
            caused_by=vendor,
        )


def _faults(service: Service, writer: _Writer) -> Iterator[Incident]:
    """A faulty dependency's episodes, as its own team and as the teams of its callers wrote them down."""
    cause = service.part.symptom_of
    for start_s, end_s in service.faults:
        noticed_s = start_s + writer.rng.randint(5, 25) * MINUTE_S
        if noticed_s > AS_OF_S or (cause and writer.rng.random() < 0.4):
            continue
        yield writer.incident(
            started_s=noticed_s,
            severity=writer.rng.choice((HIGH, MEDIUM)),
            duration_s=end_s - noticed_s + writer.rng.randint(0, 10) * MINUTE_S,
            cause=f"Errors from {cause}" if cause else "",
            caused_by=cause,
            affected=() if cause else service.dependents,
        )
