"""The `reliability-audit/…` annotations of one Component, read into the records that the specialists' tools take."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias, TypeVar
from urllib.parse import urlsplit

from actors.sources import Git, Incidents, Metrics, Runbooks, Window
from actors.tools.base import SourceError
from actors.tools.metrics.selectors import parse_selector
from actors.wording import iso
from jobs.times import DAY_S, duration_s, instant_s

V = TypeVar("V")
PREFIX = "reliability-audit/"
WINDOW_DEFAULT_S = 90 * DAY_S
WINDOW_MIN_S, WINDOW_MAX_S = 60.0, 3_660 * DAY_S  # a minute to ten years: what lies outside is a slip of the pen
CLOCK_SLACK_S = 600.0  # how far ahead of ours the clock may be that wrote an `as-of`
VALUE_MAX = 8_000  # characters of one value
FORMATS = ("jsonl", "cstate", "markdown")

# Each annotation, and those of which one must stand beside it.
ANNOTATIONS: Mapping[str, tuple[str, ...]] = {
    "incidents": (),
    "incidents-format": ("incidents",),
    "incidents-service": ("incidents",),
    "git": (),
    "git-path": ("git",),
    "prometheus-url": ("prometheus-selector",),
    "prometheus-selector": ("prometheus-url", "metrics-file"),
    "metrics-file": (),
    "runbooks": (),
    "as-of": (),
    "window": (),
}


@dataclass(frozen=True, slots=True)
class Sources:
    """What one Component's annotations say; None where they are silent."""

    window: Window
    incidents: Incidents | None = None
    git: Git | None = None
    metrics: Metrics | None = None
    runbooks: Runbooks | None = None


# Takes note of a mistake: the annotation without its prefix ("" for none in particular), and what is wrong with it.
Note: TypeAlias = Callable[[str, str], None]


def is_ours(annotation: str) -> bool:
    """Whether an annotation is meant for the audit, also when its prefix is misspelt by a letter or two."""
    prefix, slash, _ = annotation.partition("/")
    return bool(slash) and _is_our_prefix(prefix)


@lru_cache(maxsize=256)  # a manifest of thousands of services has a few
def _is_our_prefix(prefix: str) -> bool:
    ours = PREFIX.rstrip("/")
    return abs(len(prefix) - len(ours)) <= 3 and difflib.SequenceMatcher(None, prefix.lower(), ours).ratio() > 0.88


def nearest(annotation: str) -> str:
    """The known annotation that comes nearest to `annotation`, or "" when none does."""
    known = [PREFIX + name for name in ANNOTATIONS]
    tail = annotation.partition("/")[2].lower()
    close = difflib.get_close_matches(tail, ANNOTATIONS, n=1, cutoff=0.5)
    return (
        PREFIX + close[0] if close else "".join(difflib.get_close_matches(annotation.lower(), known, n=1, cutoff=0.9))
    )


def read_sources(values: Mapping[str, str], *, base: str, now_s: float, note: Note) -> Sources:
    """The sources that `values` (annotations without their prefix) name, relative to the folder `base`.

    Every mistake goes to `note`; a value with a mistake counts as not given.
    """
    good = {name: text.strip() for name, text in values.items() if _is_sound(name, text, note)}
    for name in good:
        needed = ANNOTATIONS[name]
        if needed and not any(other in values for other in needed):
            note(name, f"needs {' or '.join(PREFIX + other for other in needed)} beside it")
    return Sources(
        window=_window(good, now_s, note),
        incidents=_incidents(good, base, note),
        git=Git(base, good["git"], _listed(good.get("git-path", ""))) if "git" in good else None,
        metrics=_metrics(good, base, note),
        runbooks=Runbooks(base, _listed(good["runbooks"])) if "runbooks" in good else None,
    )


def _is_sound(name: str, text: str, note: Note) -> bool:
    if not _listed(text):
        note(name, "is empty: give it a value, or leave it out when the service lacks this source")
    elif len(text) > VALUE_MAX:
        note(name, f"is {len(text)} characters long, at most {VALUE_MAX} are read")
    elif re.search(r"[\x00-\x1f\x7f]", text.strip()):
        note(name, "has a line break or another control character in it")
    else:
        return True
    return False


def _window(good: Mapping[str, str], now_s: float, note: Note) -> Window:
    as_of_s = _read(good, "as-of", instant_s, now_s, note, shown=True)
    if as_of_s > now_s + CLOCK_SLACK_S:
        note("as-of", f"is {good['as-of']}, which is yet to come (it is {iso(now_s)}): the audit looks back")
        as_of_s = now_s
    length_s = _read(good, "window", _window_s, WINDOW_DEFAULT_S, note, shown=True)
    if as_of_s - 2 * length_s < 0:  # the window is compared with the one before it
        note("window" if "window" in good else "as-of", "reaches back to before 1970, with the window before it")
    return Window(as_of_s, length_s)


def _window_s(text: str) -> float:
    if text.startswith("-"):
        raise ValueError("is negative: the audit looks back by itself, write P90D for the last 90 days")
    length_s = duration_s(text)
    if not WINDOW_MIN_S <= length_s <= WINDOW_MAX_S:
        raise ValueError("is impossible: a window lasts from a minute (PT1M) to ten years (P10Y)")
    return length_s


def _incidents(good: Mapping[str, str], base: str, note: Note) -> Incidents | None:
    if "incidents" not in good:
        return None
    path = good["incidents"]
    given = good.get("incidents-format", "jsonl" if path.endswith((".jsonl", ".ndjson")) else "")
    if given in FORMATS:
        return Incidents(base, path, given, _listed(good.get("incidents-service", "")))
    if "incidents-format" in good:
        note("incidents-format", f"is {given!r}: write one of {', '.join(FORMATS)}")
    else:
        note("incidents", f"needs {PREFIX}incidents-format beside it: one of {', '.join(FORMATS)}")
    return None


def _metrics(good: Mapping[str, str], base: str, note: Note) -> Metrics | None:
    url = _read(good, "prometheus-url", _base_url, "", note)
    selector = _read(good, "prometheus-selector", _selector, "", note)
    file = good.get("metrics-file", "")
    if "prometheus-url" in good and file:
        note("metrics-file", f"stands beside {PREFIX}prometheus-url: metrics come from one of them, remove the other")
    return Metrics(base, url=url, selector=selector, file=file) if file or (url and selector) else None


def _base_url(text: str) -> str:
    """A server's base URL as it may stand in a manifest. Raises ValueError, never repeating what may be a secret."""
    try:
        parts = urlsplit(text)
        host, _port = parts.hostname, parts.port
    except ValueError:
        raise ValueError("is no URL: write http://host:9090") from None
    if "@" in parts.netloc:
        raise ValueError("has credentials in it: keys belong in the environment, remove them from the manifest")
    if parts.scheme not in ("http", "https") or not host or re.search(r"\s", text):
        raise ValueError("is no http or https URL: write http://host:9090")
    if parts.query or parts.fragment:
        raise ValueError("has a query or a fragment: write the server's base URL, keys belong in the environment")
    return text.rstrip("/")


def _selector(text: str) -> str:
    try:
        matchers = parse_selector(text)
    except SourceError as error:
        raise ValueError(f"is wrong: {error}") from None
    if all(matcher.test()("") for matcher in matchers):
        raise ValueError(f"is {text!r}, which picks every series there is: name a label that must not be empty")
    return text


def _read(
    good: Mapping[str, str], name: str, parse: Callable[[str], V], default: V, note: Note, *, shown: bool = False
) -> V:
    """The value of annotation `name`, or `default` when it is missing or wrong. `shown`: an error repeats the value."""
    if name not in good:
        return default
    try:
        return parse(good[name])
    except ValueError as error:
        note(name, f"is {good[name][:80]!r}, which {error}" if shown else str(error))
        return default


def _listed(text: str) -> tuple[str, ...]:
    """The parts of a comma-separated list, without the empty ones."""
    return tuple(part.strip() for part in text.split(",") if part.strip())
