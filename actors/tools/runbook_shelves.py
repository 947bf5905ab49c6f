"""Reads runbook folders: pages, alert rules and the links between them. Each folder once per host."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from posixpath import join, normpath
from typing import NamedTuple

from actors.sources import Incidents, Runbooks
from actors.tools.base import SourceError, ToolContext
from actors.tools.files import inside, read_text
from actors.tools.runbook_lines import split_lines
from actors.tools.runbook_links import Exists, Link, Standing, standing
from actors.tools.runbook_match import Shelf
from actors.tools.runbook_pages import PAGE_SUFFIXES, Page, parse_page
from actors.tools.runbook_rules import RULE_SUFFIXES, Alert, parse_rules
from actors.tools.runbook_words import squeezed, tokens
from actors.tools.shared import Shared

FILES_MAX = 5_000  # of one folder; a handbook with more pages is no service's runbook folder
ALERTS_MAX = 1_000  # of one folder; the largest public sets of rules have some hundreds
FILE_BYTES_MAX = 1_000_000  # of one file; the longest public runbook pages have 100 kB


class DeadLink(NamedTuple):
    page: str
    line: int
    target: str
    why: str


@dataclass(frozen=True, slots=True)
class Folder:
    """One folder, read. All paths are relative to the manifest's folder. `line_counts` has every file that was read."""

    path: str
    pages: tuple[Page, ...]
    alerts: tuple[Alert, ...]
    dead_links: tuple[DeadLink, ...]
    links_checked: int
    links_unchecked: int
    line_counts: dict[str, int]
    gaps: tuple[str, ...]


def folders_of(context: ToolContext) -> tuple[Folder, ...]:
    """The service's folders in their order, own first.

    Raises SourceError naming the folder or file that is missing, leaves the manifest's folder or is not UTF-8.
    """
    source = Runbooks.of(context.inputs)
    if source is None or not source.folders:
        raise SourceError("the service names no runbook folder")
    listed = dict.fromkeys(normpath(folder) for folder in source.folders)
    return tuple(folder_of(context.shared, source.base, folder) for folder in listed)


def folder_of(shared: Shared, base: str, folder: str) -> Folder:
    """One folder, parsed the first time that a session of this host asks for it. Raises SourceError as `folders_of`."""
    return shared.get(("runbooks", base, folder), lambda: _read_folder(base, folder))


def text_of(context: ToolContext, path: str) -> str:
    """A page or rule file as it lies on the disk now. Raises SourceError as `folders_of`."""
    source = Runbooks.of(context.inputs)
    assert source is not None, "folders_of refuses before"
    return read_text(inside(source.base, path))


def shelf_of(context: ToolContext, folders: tuple[Folder, ...]) -> Shelf:
    """What the service has. Its own are the pages and alerts of the first folder (without a listed folder below it),
    and the alerts of any folder that name the service in their labels or expression."""
    others = [f"{folder.path}/" for folder in folders[1:]]
    first = f"{folders[0].path}/" if folders[0].path != "." else ""
    names = _names(context)
    squeezed_names = frozenset(squeezed(name) for name in names)

    def is_own(path: str) -> bool:
        return path.startswith(first) and not any(o.startswith(first) and path.startswith(o) for o in others)

    pages = {page.path: page for folder in folders for page in folder.pages}.values()
    alerts = {(alert.path, alert.line): alert for folder in folders for alert in folder.alerts}.values()
    own_alerts = [alert for alert in alerts if is_own(alert.path) or alert.about & squeezed_names]
    return Shelf(
        own=tuple(page for page in pages if is_own(page.path)),
        shared=tuple(page for page in pages if not is_own(page.path)),
        own_alerts=_once(own_alerts),
        shared_alerts=_once([alert for alert in alerts if alert not in own_alerts]),
        ignored=tokens(" ".join([*names, os.path.basename(folders[0].path)])),
    )


def _names(context: ToolContext) -> list[str]:
    service = context.inputs.get("service")
    incidents = Incidents.of(context.inputs)
    return [name for name in (service, *(incidents.names if incidents else ())) if isinstance(name, str) and name]


def _once(alerts: list[Alert]) -> tuple[Alert, ...]:
    """One alert per name: of several rules with one name, the one that wakes somebody up."""
    best: dict[str, Alert] = {}
    for alert in alerts:
        known = best.get(alert.name)
        if known is None or (alert.pages and not known.pages):
            best[alert.name] = alert
    return tuple(best.values())


def _read_folder(base: str, folder: str) -> Folder:
    root = inside(base, folder)
    if not root.is_dir():
        raise SourceError(f"{folder!r} is a file; runbooks are named by their folder")
    pages: list[Page] = []
    alerts: list[Alert] = []
    counts: dict[str, int] = {}
    gaps: list[str] = []
    for path, file in _files(base, folder):
        text = _text(path, file, gaps)
        if text is None:
            continue
        counts[path] = len(split_lines(text))
        if path.lower().endswith(PAGE_SUFFIXES):
            pages.append(parse_page(path, text))
        else:
            rules = parse_rules(path, text)
            alerts.extend(rules.alerts)
            gaps.extend([rules.gap] if rules.gap else [])
    if len(alerts) > ALERTS_MAX:
        gaps.append(f"{folder} defines {len(alerts)} alerts, the first {ALERTS_MAX} were looked at")
    dead, checked, unchecked = _links(base, folder, pages)
    return Folder(
        folder, tuple(pages), tuple(alerts[:ALERTS_MAX]), tuple(dead), checked, unchecked, counts, tuple(gaps)
    )


def _files(base: str, folder: str) -> Iterator[tuple[str, Path]]:
    """Pages and rule files below `folder`, sorted, no hidden ones. Raises SourceError when a link leaves `base`."""
    count = 0
    for at, names, files in os.walk(inside(base, folder)):
        here = normpath(join(folder, os.path.relpath(at, inside(base, folder))))
        for name in names:
            if os.path.islink(os.path.join(at, name)):
                inside(base, join(here, name))
        names[:] = sorted(name for name in names if not name.startswith("."))
        for name in sorted(files):
            if name.startswith(".") or not name.lower().endswith(PAGE_SUFFIXES + RULE_SUFFIXES):
                continue
            count += 1
            if count > FILES_MAX:
                raise SourceError(f"{folder!r} holds more than {FILES_MAX} pages: name the folder of this service")
            yield normpath(join(here, name)), inside(base, join(here, name))


def _text(path: str, file: Path, gaps: list[str]) -> str | None:
    """A file's text, or None with a gap when it is too large. Raises SourceError naming it when it is no UTF-8 text."""
    try:
        size = file.stat().st_size
        if size > FILE_BYTES_MAX:
            gaps.append(f"{path} has {size} bytes, at most {FILE_BYTES_MAX} are read: it was left out")
            return None
        text = read_text(file)
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}") from None
    except SourceError as error:
        raise SourceError(f"{path}: {error}") from None
    if "\0" in text:
        raise SourceError(f"{path} is not UTF-8 text (it has zero bytes): save it as UTF-8")
    return text


def _links(base: str, folder: str, pages: list[Page]) -> tuple[list[DeadLink], int, int]:
    root = Path(base).resolve()
    exists: Exists = cache(lambda path: (root / path).exists())
    known = {page.path: page for page in pages}
    dead, checked, unchecked = [], 0, 0
    for page in pages:
        for link in page.links:
            found, path = standing(page.path, link, folder, exists)
            why = "the page is not there" if found is Standing.DEAD else _anchor_lack(link, known.get(path))
            checked += found is not Standing.UNCHECKED
            unchecked += found is Standing.UNCHECKED and not link.external
            if why:
                dead.append(DeadLink(page.path, link.line, link.target[:160], why))
    return dead, checked, unchecked


def _anchor_lack(link: Link, page: Page | None) -> str:
    """Why an anchor leads nowhere; empty when it does, when there is none, or when the page cannot tell."""
    anchor = link.anchor
    if not anchor or page is None or page.anchors is None or anchor == "top":
        return ""
    if anchor in page.anchors or anchor.rstrip("0123456789") in page.anchors or anchor[1:].isdigit():
        return ""
    return "the page has no such heading"
