"""Points in time and lengths of time as a manifest writes them: ISO 8601, read into seconds."""

from __future__ import annotations

import re
from datetime import UTC, datetime

DAY_S = 86_400.0
# A year is 365 days and a month 30: a look-back needs a fixed length, not a calendar.
_UNITS_S = {"Y": 365 * DAY_S, "M": 30 * DAY_S, "W": 7 * DAY_S, "D": DAY_S, "h": 3600.0, "m": 60.0, "s": 1.0}
_NUMBER = r"(\d+(?:[.,]\d+)?)"
_DURATION = re.compile(
    rf"P(?:{_NUMBER}Y)?(?:{_NUMBER}M)?(?:{_NUMBER}W)?(?:{_NUMBER}D)?(?:(T)(?:{_NUMBER}H)?(?:{_NUMBER}M)?(?:{_NUMBER}S)?)?"
)
_LENGTH_MAX = 64  # characters; longer ones are no date and no duration


def duration_s(text: str) -> float:
    """Seconds of an ISO 8601 duration such as P90D or PT12H. Raises ValueError when it is none."""
    found = _DURATION.fullmatch(text) if len(text) <= _LENGTH_MAX else None
    if found is None:
        raise ValueError("is no ISO 8601 duration: write P90D for 90 days or PT12H for 12 hours")
    *date, time_mark, hours, minutes, seconds = found.groups()
    time = (hours, minutes, seconds)
    if not any(part is not None for part in (*date, *time)) or (time_mark and not any(time)):
        raise ValueError("is a duration without a number: write P90D for 90 days or PT12H for 12 hours")
    amounts = zip((*date, *time), _UNITS_S.values(), strict=True)
    return sum(float(amount.replace(",", ".")) * unit_s for amount, unit_s in amounts if amount is not None)


def instant_s(text: str) -> float:
    """Unix seconds of an ISO 8601 date or time; without a zone it is UTC. Raises ValueError when it is none."""
    try:
        read = datetime.fromisoformat(text if len(text) <= _LENGTH_MAX else "")
        return (read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise ValueError("is no ISO 8601 date or time: write 2026-08-23T19:00:00Z") from None


def duration_text(length_s: float) -> str:
    """A length of time in the largest unit that keeps it readable: days, hours, or minutes."""
    for unit_s, name in ((DAY_S, "days"), (3600.0, "hours")):
        if length_s >= 2 * unit_s or (length_s >= unit_s and length_s % unit_s == 0):
            return f"{length_s / unit_s:g} {name if length_s != unit_s else name[:-1]}"
    return f"{length_s / 60:g} minutes"
