"""Reads a runbook folder: pages, alert rules and the links between them. Once per host, however many share it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from posixpath import join, normpath
from typing import NamedTuple

from actors.tools.base import SourceError
from actors.tools.files import inside, read_text
from actors.tools.runbooks.lines import split_lines
from actors.tools.runbooks.links import Exists, Link, Standing, standing
from actors.tools.runbooks.pages import PAGE_SUFFIXES, Page, parse_page
from actors.tools.runbooks.rules import RULE_SUFFIXES, Alert, parse_rules
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


def folder_of(shared: Shared, base: str, folder: str) -> Folder:
    """One folder, parsed the first time that a session asks for it. Raises SourceError naming what is wrong."""
    return shared.get(("runbooks", base, folder), lambda: _read_folder(base, folder))


def _read_folder(base: str, folder: str) -> Folder:
    root = inside(base, folder)
    if not root.is_dir():
        raise SourceError(f"{folder!r} is a file; runbooks are named by their folder")
    pages: list[Page] = []
    alerts: list[Alert] = []
    counts: dict[str, int] = {}
    gaps: list[str] = []
    for path in _files(base, folder):
        text = _text(base, path, gaps)
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


def _files(base: str, folder: str) -> Iterator[str]:
    """Paths of pages and rule files below `folder`, sorted, no hidden ones.

    Raises SourceError for a folder that cannot be listed, a linked one out of `base`, and a name that is not UTF-8.
    """
    root = inside(base, folder)
    count = 0
    for at, names, files in os.walk(root, onerror=_refuse):
        here = normpath(join(folder, os.path.relpath(at, root)))
        for name in names:
            if os.path.islink(os.path.join(at, name)):
                inside(base, join(here, name))
        names[:] = sorted(name for name in names if not name.startswith("."))
        for name in sorted(files):
            if name.startswith(".") or not name.lower().endswith(PAGE_SUFFIXES + RULE_SUFFIXES):
                continue
            if os.path.exists(file := os.path.join(at, name)) and not os.path.isfile(file):
                continue  # a pipe or a device is no page, and would be waited for
            count += 1
            if count > FILES_MAX:
                raise SourceError(f"{folder!r} holds more than {FILES_MAX} pages: name the folder of this service")
            if not name.isprintable():
                raise SourceError(f"{join(here, name)!r} has a name that is not printable UTF-8: rename it")
            yield normpath(join(here, name))


def _refuse(error: OSError) -> None:
    raise SourceError(f"{error.filename!r} cannot be read: {error.strerror}")


def _text(base: str, path: str, gaps: list[str]) -> str | None:
    """A file's text; None with a gap when it is too large or a link to nothing.

    Raises SourceError naming it when it leads out of `base`, cannot be read, or is no UTF-8 text.
    """
    try:
        if _leads_nowhere(base, path):
            gaps.append(f"{path} is a link to a file that is not there")
            return None
        file = inside(base, path)
        size = file.stat().st_size if file.is_file() else -1
        if size > FILE_BYTES_MAX:
            gaps.append(f"{path} has {size} bytes, at most {FILE_BYTES_MAX} are read: it was left out")
        if not 0 <= size <= FILE_BYTES_MAX:
            return None
        text = read_text(file)
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}") from None
    except SourceError as error:
        raise SourceError(f"{path}: {error}") from None
    if "\0" in text:
        raise SourceError(f"{path} is not UTF-8 text (it has zero bytes): save it as UTF-8")
    return text


def _leads_nowhere(base: str, path: str) -> bool:
    file = Path(base) / path
    if not file.is_symlink() or file.exists():
        return False
    try:
        return file.resolve().is_relative_to(Path(base).resolve())
    except (OSError, RuntimeError):  # links that lead in a circle, as Python up to 3.12 tells them
        return True


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
