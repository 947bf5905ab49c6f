"""Times and durations in the forms in which trackers and people write them."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from actors.tools.incidents.times import duration_in, is_whole_day, moment, moment_in


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("2026-08-13T11:03:31Z", "2026-08-13T11:03:31"),
        ("2026-08-13T11:03:31", "2026-08-13T11:03:31"),
        ("2026-08-13T13:03:31+02:00", "2026-08-13T11:03:31"),
        ("2026-08-13 11:03", "2026-08-13T11:03:00"),
        ("2026-08-13 11:03 UTC", "2026-08-13T11:03:00"),
        ("2026-08-13 11.03", "2026-08-13T11:03:00"),
        ("2026-08-13 1103", "2026-08-13T11:03:00"),
        ("2026-08-13 9:03", "2026-08-13T09:03:00"),
        ("2026-08-13 11:03 BST", "2026-08-13T10:03:00"),
        ("2026/08/13", "2026-08-13T00:00:00"),
        ("13 August 2026 11:03", "2026-08-13T11:03:00"),
        ("Aug 13th, 2026 11:03 UTC", "2026-08-13T11:03:00"),
        ("Thu, 13 Aug 2026 13:03:31 +0200", "2026-08-13T11:03:31"),
        (datetime(2026, 8, 13, 11, 3), "2026-08-13T11:03:00"),
        (date(2026, 8, 13), "2026-08-13T00:00:00"),
    ],
)
def test_a_time_is_read_in_every_usual_form(written: object, meant: str) -> None:
    """Trackers differ in how they write a time, not in what they mean; without a zone it is UTC."""
    assert moment(written) == at(meant)


@pytest.mark.parametrize("factor", [1, 1_000, 1_000_000, 1_000_000_000])
def test_epoch_numbers_are_read_in_every_unit(factor: int) -> None:
    """Seconds, milli-, micro- and nanoseconds are told apart by their size, as number and as text."""
    assert moment(1_786_619_011 * factor) == pytest.approx(1_786_619_011)
    assert moment(str(1_786_619_011 * factor)) == pytest.approx(1_786_619_011)


@pytest.mark.parametrize(
    "nonsense",
    [
        *("", "soon", "2026-13-45", "2026-08-13 25:99", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"),
        *(None, True, -5, 0, float("nan"), float("inf"), 10**400, [], {}),
    ],
)
def test_what_is_no_time_is_unknown(nonsense: object) -> None:
    """No text, number or type makes the reader raise or invent a time."""
    assert moment(nonsense) is None


def test_a_bare_clock_time_falls_on_the_day_it_belongs_to() -> None:
    """An end that is written as a clock time only is after the start, on the next day if need be."""
    started_s = at("2026-08-13T22:10:00")

    assert moment_in("Resolved: 23:40", day_of_s=started_s) == at("2026-08-13T23:40:00")
    assert moment_in("01:15", day_of_s=started_s) == at("2026-08-14T01:15:00")
    assert moment_in("01:15") is None


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("1d 6h 40m", 110_400),
        ("0h 22m", 1_320),
        ("35 minutes", 2_100),
        ("2 hrs 5 mins", 7_500),
        ("5h 09m (during support hours 10:00-17:00)", 18_540),
        ("PT2H30M", 9_000),
        ("P1D", 86_400),
        ("long", None),
        ("P", None),
    ],
)
def test_a_duration_is_read_as_people_write_it(written: str, seconds: float | None) -> None:
    """What stands in brackets behind it is a remark."""
    assert duration_in(written) == seconds


def test_a_day_is_told_from_a_moment() -> None:
    """From a day alone no duration can be computed."""
    assert is_whole_day("2026-08-13")
    assert is_whole_day(date(2026, 8, 13))
    assert not is_whole_day("2026-08-13 11:03")
    assert not is_whole_day(datetime(2026, 8, 13))
