"""All records of one source, by service and by id."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce

from actors.tools.incidents.types import Incident, Kind, Severity, Status, fold

_WORST_FIRST = (Severity.CRITICAL, Severity.MAJOR, Severity.UNKNOWN, Severity.MINOR, Severity.INFO)


@dataclass(frozen=True, slots=True)
class Tracker:
    """A source's records. `by_service` is keyed by the folded name; `unassigned` say no service at all.

    `times_s` are the records' times in order, mere references aside; `ended_share` is how many of the incidents
    that began also ended.
    """

    key: Hashable  # under which it is shared
    records: tuple[Incident, ...]
    by_service: Mapping[str, tuple[Incident, ...]]
    unassigned: tuple[tuple[str, Incident], ...]  # with the words to look for a name in
    services: frozenset[str]  # folded
    times_s: tuple[float, ...]
    ended_share: float

    @classmethod
    def of(cls, incidents: Iterable[Incident], *, key: Hashable = None) -> Tracker:
        records = tuple(_joined(list(incidents)))
        services = {record.id: record.services for record in records}
        records = tuple(_origin_resolved(record, services) for record in records)
        by_service: dict[str, list[Incident]] = {}
        for record in records:
            for name in dict.fromkeys(fold(service) for service in record.services):
                by_service.setdefault(name, []).append(record)
        unassigned = tuple((_words(f"{r.id} {r.title} {r.body}"), r) for r in records if not r.services)
        began = [r for r in records if r.kind is Kind.INCIDENT and r.started_at_s is not None]
        return cls(
            key=key,
            records=records,
            by_service={name: tuple(found) for name, found in by_service.items()},
            unassigned=unassigned,
            services=frozenset(by_service),
            times_s=tuple(sorted(r.at_s for r in records if r.at_s is not None and r.kind is not Kind.REFERENCE)),
            ended_share=sum(record.ended_at_s is not None for record in began) / max(len(began), 1),
        )

    def has_any(self, start_s: float, end_s: float) -> bool:
        """Whether the tracker was in use after `start_s` and not after `end_s`, for any service."""
        return bisect_right(self.times_s, end_s) > bisect_right(self.times_s, start_s)

    def of_names(self, names: Sequence[str]) -> tuple[Incident, ...]:
        """The records of a service, oldest first, one per id; without names, all.

        A record that says no service belongs to those that its id, title or text names.
        """
        if not names:
            return _by_time(_one_per_id(self.records))
        own = [record for name in dict.fromkeys(fold(n) for n in names) for record in self.by_service.get(name, ())]
        wanted = [_words(name) for name in names if _words(name).strip()]
        mentioned = [record for words, record in self.unassigned if any(name in words for name in wanted)]
        return _by_time(_one_per_id([*own, *mentioned]))


def in_period(records: Iterable[Incident], start_s: float, end_s: float) -> tuple[Incident, ...]:
    """The records that touch a period."""
    return tuple(record for record in records if touches(record, start_s, end_s))


def touches(record: Incident, start_s: float, end_s: float) -> bool:
    """Whether it began after `start_s` and not after `end_s`, or began earlier and was still going on then."""
    at_s = record.at_s
    if at_s is None or at_s > end_s:
        return False
    still_open = record.status is Status.OPEN and record.ended_at_s is None and record.started_at_s is not None
    return at_s > start_s or still_open or (record.ended_at_s is not None and record.ended_at_s > start_s)


def _joined(records: list[Incident]) -> list[Incident]:
    """Rows that tell the same of several services, one row each, become one record of all of them."""
    rows: dict[tuple[object, ...], list[Incident]] = {}
    for record in records:
        rows.setdefault((record.id, record.title, record.at_s, record.ended_at_s), []).append(record)
    return [reduce(_updated, same) for same in rows.values()]


def _one_per_id(records: Sequence[Incident]) -> list[Incident]:
    """Later rows of one id are updates of it: they add to what the earlier said."""
    found: dict[str, Incident] = {}
    for record in records:
        known = found.get(record.id)
        found[record.id] = record if known is None or known is record else _updated(known, record)
    return list(found.values())


def _updated(known: Incident, later: Incident) -> Incident:
    """`known` with what a later row of its id adds; one that says open again takes the end back."""
    started_at_s = min((at_s for at_s in (known.started_at_s, later.started_at_s) if at_s is not None), default=None)
    reopened = later.status is Status.OPEN and later.ended_at_s is None
    ended_at_s = later.ended_at_s if later.ended_at_s is not None or reopened else known.ended_at_s
    duration_s = later.duration_s if later.duration_s is not None or reopened else known.duration_s
    if started_at_s is not None and ended_at_s is not None and duration_s is not None:
        duration_s = ended_at_s - started_at_s
    return replace(
        later,
        title=later.title or known.title,
        services=tuple(dict.fromkeys((*known.services, *later.services))),
        owner=later.owner if later.owner == known.owner else "",
        severity=min(known.severity, later.severity, key=_WORST_FIRST.index),
        status=later.status if later.status is not Status.UNKNOWN else known.status,
        kind=later.kind if known.kind is Kind.REFERENCE else known.kind,
        started_at_s=started_at_s,
        ended_at_s=ended_at_s,
        mentioned_at_s=later.mentioned_at_s if known.mentioned_at_s is None else known.mentioned_at_s,
        duration_s=duration_s,
        cause=later.cause or known.cause,
        caused_by=later.caused_by or known.caused_by,
        body=later.body or known.body,
    )


def _origin_resolved(record: Incident, services: dict[str, tuple[str, ...]]) -> Incident:
    """A record that names another record as its origin was caused by that one's services."""
    if not any(origin in services for origin in record.caused_by):
        return record
    named = (service for origin in record.caused_by for service in (services.get(origin) or (origin,)))
    return replace(record, caused_by=tuple(dict.fromkeys(named)))


def _by_time(records: Sequence[Incident]) -> tuple[Incident, ...]:
    return tuple(sorted(records, key=lambda r: (r.at_s is None, r.at_s or 0.0, r.id)))


def _words(text: str) -> str:
    """Words with one blank around each, so that a name is found as a whole: 'db' is not in 'dbus'."""
    return f" {re.sub(r'[^a-z0-9]+', ' ', text.casefold()).strip()} "
