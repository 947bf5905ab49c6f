"""Times and durations as trackers and people write them. All answers are Unix seconds, or seconds."""

from __future__ import annotations

import math
import re
from datetime import UTC, date, datetime, time
from email.utils import parsedate_to_datetime

EARLIEST_S = 0.0  # 1970; a number below is no time
LATEST_S = 7_258_118_400.0  # 2200-01-01
TEXT_CHARACTERS_MAX = 200  # a longer text is none that is meant as a time
_MILLISECONDS_FROM = 1e11  # as seconds that is the year 5138, as milliseconds 1973
_DAY = r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}"
_MONTH_NAMES = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = rf"(?:{'|'.join(_MONTH_NAMES)})[a-z]*"
_NTH = r"[0-9]{1,2}(?:st|nd|rd|th)?"
_NAMED = rf"(?:{_NTH}\s+(?:of\s+)?{_MONTH}\.?,?\s+[0-9]{{4}}|{_MONTH}\.?\s+{_NTH},?\s+[0-9]{{4}})"
_CLOCK = r"(?:\d{1,2}:\d{2}(?::\d{2})?(?:[.,]\d+)?|\d{1,2}\.\d{2}(?![.\d])|(?<=[ T])\d{4}(?!\d))"
_ZONE = r"(?:\s?(?:Z\b|UTC|GMT|BST|[+-]\d{2}:?\d{2}\b))?"
MOMENT = re.compile(rf"(?P<day>{_DAY}|{_NAMED})(?:(?:T|,?\s+(?:at\s+)?)(?P<clock>{_CLOCK})(?P<zone>{_ZONE}))?", re.I)
CLOCK_ONLY = re.compile(rf"(?<![\d:.])(?P<clock>\d{{1,2}}:\d{{2}}(?::\d{{2}})?)(?![\d:])(?P<zone>{_ZONE})")
_PART = re.compile(
    r"(\d+(?:\.\d+)?)\s*(weeks?|w|days?|d|hours?|hrs?|h|minutes?|mins?|m|seconds?|secs?|s)(?![a-z])\.?", re.I
)
_SECONDS = {"w": 604_800.0, "d": 86_400.0, "h": 3_600.0, "m": 60.0, "s": 1.0}
_ISO_DURATION = re.compile(
    r"^P(?:(?P<w>[\d.]+)W)?(?:(?P<d>[\d.]+)D)?(?:T(?:(?P<h>[\d.]+)H)?(?:(?P<m>[\d.]+)M)?(?:(?P<s>[\d.]+)S)?)?$"
)


def moment(value: object) -> float | None:
    """A time in any usual form as Unix seconds; None for what is no time, and for times outside 1970 to 2200.

    Numbers (and texts of digits) are seconds, milliseconds, microseconds or nanoseconds by their size. A time
    without a zone is UTC, a day without a time its first second.
    """
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, datetime):
        return _within((value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp())
    if isinstance(value, date):
        return _within(datetime.combine(value, time(), UTC).timestamp())
    if isinstance(value, int | float):
        return _number(value)
    return _text(value.strip()[:TEXT_CHARACTERS_MAX]) if isinstance(value, str) else None


def is_whole_day(value: object) -> bool:
    """Whether a time is known to the day only."""
    if isinstance(value, str):
        return re.fullmatch(rf"{_DAY}|{_NAMED}", value.strip(), re.I) is not None
    return isinstance(value, date) and not isinstance(value, datetime)


def moment_in(text: str, *, day_of_s: float | None = None) -> float | None:
    """The first time that is written out in a line of text; a bare clock time falls on the day of `day_of_s`."""
    found = MOMENT.search(text)
    if found:
        return _text(found.group().strip())
    bare = CLOCK_ONLY.search(text)
    if bare is None or day_of_s is None:
        return None
    day = datetime.fromtimestamp(day_of_s, UTC).strftime("%Y-%m-%d")
    at_s = _text(f"{day} {bare.group().strip()}")
    return at_s + 86_400.0 if at_s is not None and at_s < day_of_s else at_s  # past midnight


def duration_in(text: str) -> float | None:
    """A duration as people write it (`1d 6h 40m`, `35 minutes`, `PT2H`) in seconds; None when there is none."""
    text = text[:TEXT_CHARACTERS_MAX]
    iso = _ISO_DURATION.match(text.strip())
    if iso and any(iso.groups()):
        return sum(float(amount) * _SECONDS[unit] for unit, amount in iso.groupdict().items() if amount)
    parts = _PART.findall(text.split("(")[0])
    return sum(float(amount) * _SECONDS[unit[0].lower()] for amount, unit in parts) if parts else None


def _number(value: float) -> float | None:
    try:
        seconds = float(value)
    except OverflowError:
        return None
    while math.isfinite(seconds) and seconds >= _MILLISECONDS_FROM:
        seconds /= 1_000.0
    return _within(seconds)


def _within(at_s: float) -> float | None:
    return at_s if EARLIEST_S < at_s < LATEST_S else None


def _text(text: str) -> float | None:
    text = re.sub(r"(?<=[ T]\d{2})\.(?=\d{2}$)", ":", text)  # 11.03 is a clock time, not the hour's decimals
    if re.fullmatch(r"\d{9,19}(\.\d+)?", text):
        return _number(float(text))
    for read in (datetime.fromisoformat, _written_out, parsedate_to_datetime):
        try:
            found = read(text)
            return moment(found)
        except (ValueError, OverflowError, TypeError, IndexError):
            continue
    return None


def _written_out(text: str) -> datetime:
    """Raises ValueError when `text` does not begin with a day."""
    found = MOMENT.match(text)
    if found is None:
        raise ValueError(text)
    numbers = [int(n) for n in re.findall(r"\d+", found["day"])]
    named = re.search("|".join(_MONTH_NAMES), found["day"].lower())
    if named:
        day, year = numbers
        start = datetime(year, _MONTH_NAMES.index(named.group()) + 1, day, tzinfo=UTC)
    else:
        start = datetime(*numbers, tzinfo=UTC)  # type: ignore[misc, arg-type]
    return _at_clock(start, found["clock"] or "0:00", (found["zone"] or "").strip().upper())


def _at_clock(day: datetime, clock: str, zone: str) -> datetime:
    digits = re.findall(r"\d+", clock if not clock.isdigit() else f"{clock[:2]}:{clock[2:]}")
    hour, minute, second = (*(int(d) for d in digits[:3]), 0)[:3]
    offset = "+01:00" if zone == "BST" else zone if zone[:1] in "+-" and zone else "+00:00"
    iso = f"{day:%Y-%m-%d}T{hour:02}:{minute:02}:{second:02}{offset}"
    return datetime.fromisoformat(iso)
