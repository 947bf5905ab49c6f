"""What reply headers say about rate limits. Pure: headers in, values out."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from actors.models.pace import Told

AXES = ("requests", "tokens", "input-tokens", "output-tokens")
PREFIX = "anthropic-ratelimit-"


def told_limits(headers: Mapping[str, str], now_unix_s: float) -> dict[str, Told]:
    """By axis, what `anthropic-ratelimit-*` states. An axis whose numbers do not parse is left out."""
    found = {}
    for axis in AXES:
        limit = headers.get(f"{PREFIX}{axis}-limit")
        if limit is None:
            continue
        told = _told(limit, headers.get(f"{PREFIX}{axis}-remaining"), headers.get(f"{PREFIX}{axis}-reset"), now_unix_s)
        if told is not None:
            found[axis] = told
    return found


def _told(limit: str, remaining: str | None, reset: str | None, now_unix_s: float) -> Told | None:
    try:
        most, left = float(limit), float(remaining or "")
    except ValueError:
        return None
    if not (0 < most < float("inf") and 0 <= left <= most):
        return None
    return Told(most, left, _seconds_until(reset, now_unix_s))


def _seconds_until(reset: str | None, now_unix_s: float) -> float | None:
    """`reset` is RFC 3339. A clock that is wrong by more than an hour makes it worthless: None."""
    if not reset:
        return None
    try:
        moment = datetime.fromisoformat(reset)
    except ValueError:
        return None
    if moment.tzinfo is None:
        return None
    in_s = moment.timestamp() - now_unix_s
    return max(0.0, in_s) if abs(in_s) < 3600 else None
