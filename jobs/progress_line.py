"""What progress says: all of it in a line of a log, and what a terminal has room for in its row."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain

from actors.tables import OK
from budget import dollars
from orchestrator.tally import Tally


@dataclass(frozen=True, slots=True, kw_only=True)
class Ceilings:
    """What a batch may come to; None is not known, or no limit."""

    runs: int | None = None
    tokens: int | None = None
    microusd: int | None = None


@dataclass(frozen=True, slots=True)
class _Words:
    """How a row is written: the shorter, the more of it fits."""

    between: str
    count: Callable[[int], str]
    tokens: str
    rate: str
    left: Callable[[float], str]


def line(tally: Tally, ceilings: Ceilings, runs_per_s: float) -> str:
    """Runs done, sub-agents done and in flight, failures by reason, spend against the ceilings, rate, time left."""
    ended = sum(tally.statuses.values())
    runs = "?" if ceilings.runs is None else f"{ceilings.runs:,}"
    failed = [f"{count:,} {reason}" for reason, count in sorted(tally.statuses.items()) if reason != OK]
    parts = [
        f"{tally.runs_finished:,}/{runs} runs",
        f"{ended:,} sub-agents, {tally.tasks_in_flight:,} in flight",
        *([f"failed: {', '.join(failed)}"] if failed else []),
        f"{tally.spent_tokens:,}{'' if ceilings.tokens is None else f' of {ceilings.tokens:,}'} tokens",
        dollars(tally.cost_microusd) + ("" if ceilings.microusd is None else f" of {dollars(ceilings.microusd)}"),
        f"{runs_per_s:,.1f} runs/s",
    ]
    left = _left(tally, ceilings, runs_per_s, duration)
    return " · ".join([*parts, left] if left else parts)


def row(tally: Tally, ceilings: Ceilings, runs_per_s: float, columns: int) -> str:
    """The fullest that does not wrap. On a narrow terminal amounts are rounded and words short, then parts are missing:
    the sub-agents that have ended and the failures' reasons first, the runs last.
    """
    said = ""
    for said in chain([line(tally, ceilings, runs_per_s)], _ever_shorter(tally, ceilings, runs_per_s)):
        if len(said) < columns:
            return said
    return fitting(said, columns)


def duration(seconds: float) -> str:
    """`45 s`, `12 min`, `3 h 20 min`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def brief(seconds: float) -> str:
    """`45s`, `12m`, `3h20m`."""
    return duration(seconds).replace("min", "m").replace(" ", "")


def rounded(count: float) -> str:
    """`950`, `9.6k`, `20M`."""
    units = iter("kMGTPE")
    unit = ""
    while count >= 999.5:
        count, unit = count / 1000, next(units)
    return f"{count:.0f}{unit}" if count >= 9.95 or not unit else f"{count:.1f}".removesuffix(".0") + unit


def rounded_dollars(microusd: int | None) -> str:
    """`$1.25`, `$5`, `$120`, `$12k`; `<$0.01` is not nothing, and `$?` is not known."""
    if microusd is None:
        return "$?"
    if 0 < microusd < 10_000:
        return "<$0.01"
    whole = round(microusd / 1_000_000)
    if whole >= 10_000:
        return f"${rounded(whole)}"
    return f"${whole:,}" if whole >= 100 or microusd % 1_000_000 == 0 else f"${microusd / 1_000_000:.2f}"


def fitting(said: str, columns: int) -> str:
    """A line that does not wrap: a terminal clears one row, not two."""
    return said if len(said) < columns else f"{said[: max(0, columns - 2)]}…"


def _exactly(count: int) -> str:
    return f"{count:,}"


_EVER_SHORTER = (
    _Words(" · ", _exactly, "tokens", " runs/s", duration),
    _Words("  ", _exactly, "tok", "/s", brief),
    _Words("  ", rounded, "tok", "/s", brief),
)
_LEAST_FIRST = ("rate", "in flight", "tokens", "cost", "left", "failed")


def _ever_shorter(tally: Tally, ceilings: Ceilings, runs_per_s: float) -> Iterator[str]:
    reasons = len([status for status in tally.statuses if status != OK])
    for words in _EVER_SHORTER:
        for shown in range(reasons, -1, -1):
            parts = _parts(tally, ceilings, runs_per_s, words, shown)
            yield words.between.join(parts.values())
    for name in _LEAST_FIRST:
        if parts.pop(name, ""):
            yield words.between.join(parts.values())


def _parts(tally: Tally, ceilings: Ceilings, runs_per_s: float, words: _Words, reasons_shown: int) -> dict[str, str]:
    runs = "?" if ceilings.runs is None else words.count(ceilings.runs)
    tokens = "" if ceilings.tokens is None else f"/{rounded(ceilings.tokens)}"
    parts = {
        "runs": f"{words.count(tally.runs_finished)}/{runs} runs",
        "in flight": f"{words.count(tally.tasks_in_flight)} in flight",
        "failed": _failed(tally, words, reasons_shown),
        "tokens": f"{rounded(tally.spent_tokens)}{tokens} {words.tokens}",
        "cost": rounded_dollars(tally.cost_microusd)
        + ("" if ceilings.microusd is None else f"/{rounded_dollars(ceilings.microusd)}"),
        "rate": f"{runs_per_s:,.{0 if runs_per_s >= 10 else 1}f}{words.rate}",
        "left": _left(tally, ceilings, runs_per_s, words.left),
    }
    return {name: said for name, said in parts.items() if said}


def _failed(tally: Tally, words: _Words, reasons_shown: int) -> str:
    """How many failures, and the most frequent reasons."""
    by_reason = [(count, status) for status, count in tally.statuses.items() if status != OK]
    if not by_reason:
        return ""
    shown = [f"{words.count(count)} {status}" for count, status in sorted(by_reason, reverse=True)[:reasons_shown]]
    more = ["…"] if shown and len(shown) < len(by_reason) else []
    total = f"{words.count(sum(count for count, _ in by_reason))} failed"
    return f"{total}: {', '.join(shown + more)}" if shown else total


def _left(tally: Tally, ceilings: Ceilings, runs_per_s: float, spelled: Callable[[float], str]) -> str:
    if ceilings.runs is None or runs_per_s <= 0 or tally.runs_finished >= ceilings.runs:
        return ""
    return f"{spelled((ceilings.runs - tally.runs_finished) / runs_per_s)} left"
