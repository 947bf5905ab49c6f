"""A service's incidents, from whatever its tracker exports. Read once per host, found by name.

incidents_of(context.shared, source)      the service's records, of all times, oldest first
tracker_of(context.shared, source)        the whole source: every record, by service and by id
in_period(records, start_s, end_s)        those that were going on or are dated within it
"""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable, Iterable, Iterator
from pathlib import Path
from typing import TypeAlias

from actors.sources import Incidents
from actors.tools.base import SourceError
from actors.tools.files import inside, read_text
from actors.tools.incidents.lines import incidents_in_lines
from actors.tools.incidents.markdown import incidents_in_markdown
from actors.tools.incidents.pages import incident_on_status_page
from actors.tools.incidents.tracker import Tracker, in_period
from actors.tools.incidents.types import Incident, Kind, Severity, Status
from actors.tools.shared import Shared

__all__ = ["Incident", "Kind", "Severity", "Status", "Tracker", "in_period", "incidents_of", "tracker_of"]

Parse: TypeAlias = "Callable[[str, str, str], Iterable[Incident]]"  # text, where it stands, id by its file name
LINES_ENDINGS = (".jsonl", ".ndjson", ".json")
PAGE_ENDINGS = (".md", ".markdown", ".txt")
FILES_MAX = 20_000  # of one source; more is no tracker's folder


def incidents_of(shared: Shared, source: Incidents) -> tuple[Incident, ...]:
    """The records of the service that `source` names, oldest first; undated ones last.

    Raises SourceError naming file and line when the source is missing, leaves its base or does not parse.
    """
    return tracker_of(shared, source).of_names(source.names)


def tracker_of(shared: Shared, source: Incidents) -> Tracker:
    """The whole source, parsed once as long as none of its files changes. Raises SourceError as `incidents_of`."""
    parse = _PARSERS.get(source.format)
    if parse is None:
        raise SourceError(f"incidents-format is {source.format!r}; known are {', '.join(sorted(_PARSERS))}")
    root = inside(source.base, source.path)
    key = ("incidents", source.format, str(root), _state(str(root)))
    return shared.get(key, lambda: Tracker.of(_parsed(source, root, parse), key=key))


def _parsed(source: Incidents, root: Path, parse: Parse) -> Iterator[Incident]:
    base = Path(source.base).resolve()
    for file in _files(source, root):
        id = (file.relative_to(root) if file != root else Path(file.name)).with_suffix("").as_posix()
        yield from parse(read_text(file), file.relative_to(base).as_posix(), id)


def _files(source: Incidents, root: Path) -> list[Path]:
    """The files to read, each of them checked to lie below the base."""
    if not root.is_dir():
        return [root]
    endings = LINES_ENDINGS if source.format == "jsonl" else PAGE_ENDINGS
    found = sorted(file for file in root.rglob("*") if file.suffix.lower() in endings)
    if not found:
        raise SourceError(f"{source.path!r} holds no file that ends in {', '.join(endings)}")
    if len(found) > FILES_MAX:
        raise SourceError(
            f"{source.path!r} holds {len(found)} files, at most {FILES_MAX} are read: name a smaller folder"
        )
    base = Path(source.base).resolve()
    for file in found:
        inside(str(base), str(file.relative_to(base)))
    return [file for file in found if file.is_file()]


def _state(root: str) -> tuple[Hashable, ...]:
    """What tells that no file of a source has changed: names, times and sizes. Every call of a tool asks, so it is
    as cheap as it can be; where the files lie, and whether they can be read, is looked at when they are."""
    if not os.path.isdir(root):
        return (_stamp(root),)
    found: list[Hashable] = []
    for folder, _, names in os.walk(root):
        found += [_stamp(f"{folder}/{name}") for name in sorted(names)]
    return tuple(found)


def _stamp(file: str) -> tuple[str, int, int]:
    try:
        stat = os.stat(file)
    except OSError:
        return file, -1, -1
    return file, stat.st_mtime_ns, stat.st_size


_PARSERS: dict[str, Parse] = {
    "jsonl": incidents_in_lines,
    "cstate": incident_on_status_page,
    "markdown": incidents_in_markdown,
}
