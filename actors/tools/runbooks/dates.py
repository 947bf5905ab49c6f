"""When a page was last reviewed and when the next review was due, from its front matter or its text. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

# Used when a page says when it was reviewed but not for how long that holds: one year, the longest review cycle
# that on-call handbooks commonly state. A page's own `review_in` (or the like) goes before it.
REVIEW_DAYS_DEFAULT = 365.0

_DONE_WORDS = """
    lastreviewed lastreviewedon lastreviewedat lastreviewdate lastreview reviewed reviewedon reviewedat
    revieweddate datereviewed lastverified lastverifiedon lastverifieddate verified verifiedon lastupdated
    lastupdatedon lastupdateddate lastupdate updated updatedon updatedat dateupdated lastmodified lastmod
    lastmodifiedon modified lastchecked lasttested lasttestedon tested testedon lastedited lastvalidated
    validatedon revdate
"""
_DONE = frozenset(_DONE_WORDS.split())
_DUE_WORDS = """
    reviewby reviewbefore reviewdue reviewdueon nextreview nextreviewon nextreviewdate nextreviewdue expires
    expireson expiry expirydate validuntil
"""
_DUE = frozenset(_DUE_WORDS.split())
_EVERY_WORDS = """
    reviewin reviewevery reviewinterval reviewperiod reviewcycle reviewfrequency validfor
"""
_EVERY = frozenset(_EVERY_WORDS.split())
_SAID = re.compile(
    r"(?<![^\W_])(?:reviewed|updated?|modified|verified|tested|edited|checked|revised|validated)\b(?P<rest>.{4,60})",
    re.IGNORECASE,
)
_DUE_SAID = re.compile(
    r"\b(?:next\s+review|review\s+(?:by|due|before)|valid\s+until)\b(?P<rest>.{4,60})", re.IGNORECASE
)
_LEAD = re.compile(
    r"^(?:\s+(?:on|at|date|due|by|for\s+\w+))?[\s*_|:=\-–—>\"'`)\]]*(?:(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*,?\s+)?",
    re.I,
)
_ISO = re.compile(r"(\d{4})[-/.](\d{1,2})(?:[-/.](\d{1,2}))?(?!\d)")
_NUMERIC = re.compile(r"(\d{1,2})[-/.](\d{1,2})[-/.](\d{4})(?!\d)")
_DAY_MONTH = re.compile(r"(\d{1,2})(?:st|nd|rd|th)?\s+(?:of\s+)?([A-Za-z]{3,9})\.?,?\s+(\d{4})(?!\d)")
_MONTH_NAMES = "jan feb mar apr may jun jul aug sep oct nov dec"
_MONTH_DAY = re.compile(r"([A-Za-z]{3,9})\.?\s+(?:(\d{1,2})(?:st|nd|rd|th)?,?\s+)?(\d{4})(?!\d)")
_MONTHS = {name: n for n, name in enumerate(_MONTH_NAMES.split(), start=1)}
_LENGTH = re.compile(
    r"(?:(\d+(?:\.\d+)?)\s*|\b(an?|one|two|three|six|twelve)\s+|\b)(day|week|month|quarter|year|[dwmqy](?![a-z]))"
)
_NUMBERS = {"a": 1.0, "an": 1.0, "one": 1.0, "two": 2.0, "three": 3.0, "six": 6.0, "twelve": 12.0}
_DAYS = {"d": 1.0, "w": 7.0, "m": 30.44, "q": 91.31, "y": 365.25}
_OFTEN = {
    "monthly": 30.44,
    "quarterly": 91.31,
    "biannually": 182.63,
    "semiannually": 182.63,
    "yearly": 365.25,
    "annually": 365.25,
    "annual": 365.25,
}


@dataclass(frozen=True, slots=True)
class Review:
    """A page's last review (Unix seconds, start of that day in UTC), how long it holds, and the line that says so."""

    reviewed_s: float | None
    due_s: float
    limit_days: float
    stated: bool  # the page itself states how long a review holds, or when the next one is due
    line: int

    def overdue_days(self, as_of_s: float) -> float:
        """Days past the due date at `as_of_s`; below zero while the review still holds."""
        return (as_of_s - self.due_s) / 86_400


def review_of(front: Mapping[str, tuple[int, str]], prose: Iterable[tuple[int, str]]) -> Review | None:
    """The review that a page states, or None when it states none: then it is not stale but unknown.

    `front` maps front matter keys to line and value, `prose` gives numbered lines. The latest date wins.
    """
    keys = {re.sub(r"[\W_]", "", key).lower(): where for key, where in front.items()}
    done = [(when, line) for key, (line, value) in keys.items() if key in _DONE and (when := day_of(value)) is not None]
    due = [(when, line) for key, (line, value) in keys.items() if key in _DUE and (when := day_of(value)) is not None]
    lengths = [days for key, (_, value) in keys.items() if key in _EVERY and (days := days_of(value)) is not None]
    for line, text in prose:
        if (found := _said(_DUE_SAID, text)) is not None:
            due.append((found, line))
        elif (found := _said(_SAID, text)) is not None:
            done.append((found, line))
    return _review(done, due, min(lengths) if lengths else None)


def _review(done: Sequence[tuple[float, int]], due: Sequence[tuple[float, int]], days: float | None) -> Review | None:
    if not done and not due:
        return None
    reviewed_s, line = max(done) if done else (None, 0)
    limit_days = days or REVIEW_DAYS_DEFAULT
    if due:
        due_s, line = max(due)
        return Review(reviewed_s, due_s, limit_days, True, line)
    assert reviewed_s is not None
    return Review(reviewed_s, reviewed_s + limit_days * 86_400, limit_days, days is not None, line)


def _said(pattern: re.Pattern[str], text: str) -> float | None:
    """The date that directly follows 'last updated' and the like; further on it belongs to something else."""
    for match in pattern.finditer(text[:2_000]):
        rest = match["rest"]
        when = day_of(rest[_LEAD.match(rest).end() :], anchored=True)  # type: ignore[union-attr]
        if when is not None:
            return when
    return None


def day_of(text: str, *, anchored: bool = False) -> float | None:
    """The first date in `text` as Unix seconds (midnight UTC), or None. A month without a day is its last day.

    `03/04/2021` is read as the later of its two meanings, so that nobody is called stale by a convention.
    """
    find = re.match if anchored else re.search
    if match := find(_ISO, text):
        return _latest([(match[1], match[2], match[3] or "28")])
    if match := find(_NUMERIC, text):
        return _latest([(match[3], match[2], match[1]), (match[3], match[1], match[2])])
    if (match := find(_DAY_MONTH, text)) and match[2][:3].lower() in _MONTHS:
        return _latest([(match[3], str(_MONTHS[match[2][:3].lower()]), match[1])])
    if (match := find(_MONTH_DAY, text)) and match[1][:3].lower() in _MONTHS:
        return _latest([(match[3], str(_MONTHS[match[1][:3].lower()]), match[2] or "28")])
    return None


def _latest(readings: Sequence[tuple[str, str, str]]) -> float | None:
    found = []
    for year, month, day in readings:
        try:
            read = date(int(year), int(month), int(day))
        except ValueError:
            continue
        if 1990 <= read.year <= 2200:
            found.append(datetime(read.year, read.month, read.day, tzinfo=UTC).timestamp())
    return max(found, default=None)


def days_of(text: str) -> float | None:
    """A length such as `6 months`, `P90D`, `quarterly` or `1y` in days; a bare number is days. None: not a length."""
    said = text.strip().strip("'\"").lower()
    if said in _OFTEN:
        return _OFTEN[said]
    if re.fullmatch(r"\d{1,5}", said):
        return float(said) or None
    match = _LENGTH.search(said)
    if match is None:
        return None
    days = (_NUMBERS[match[2]] if match[2] else float(match[1] or 1)) * _DAYS[match[3][0]]
    return days or None
