"""How numbers of things and moments are written, in answers and in reports."""

from __future__ import annotations

from datetime import UTC, datetime


def counted(number: int, one: str, many: str = "") -> str:
    """`1 service`, `2 services`; `many` where an s makes no plural."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def iso(at_s: float) -> str:
    """A moment in UTC, to the second: 2026-08-23T19:00:00Z."""
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
