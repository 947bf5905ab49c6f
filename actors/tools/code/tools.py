"""The four tools of the code specialist, and the check of its citations: sources in, compact JSON out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar, cast

from pydantic import Field, TypeAdapter

from actors.contracts import JsonValue
from actors.sources import Git, Incidents, Window
from actors.tools.base import SourceError, ToolContext, ToolError, tool
from actors.tools.code.change_files import hot_files as hottest
from actors.tools.code.change_incidents import before_incidents
from actors.tools.code.change_rework import rework
from actors.tools.code.change_summary import summarize
from actors.tools.code.commits import Commit, History
from actors.tools.code.git import literal_paths
from actors.tools.code.git_log import missing_commits, missing_paths, read_history
from actors.tools.incidents.records import Kind, incidents_of

T = TypeVar("T")
_COMMIT = re.compile(r"commit:([0-9a-f]{7,64})\Z")


@tool
def change_summary(context: ToolContext) -> JsonValue:
    """How much the service's code changed in the window and in the window before it, who knows it, and what kinds of
    files change. People, bots and merges are counted apart. Call this first: its gaps say how far to trust the rest."""
    read = _read(context)
    return _json(summarize(read.commits, read.history, read.window, gaps=read.gaps))


@tool
def find_rework(context: ToolContext, within_hours: Annotated[float, Field(gt=0, le=720)] = 72) -> JsonValue:
    """Changes that had to be undone or mended in the window: reverts and what they took back, hotfixes and rollbacks,
    and fixes that came within `within_hours` of a change of the same files, against what the change rate alone would
    bring."""
    read = _read(context)
    return _json(rework(read.commits, read.history, read.window, within_hours=within_hours))


@tool
def hot_files(context: ToolContext, files_max: Annotated[int, Field(ge=1, le=25)] = 8) -> JsonValue:
    """The files that people changed most often in the window, with how many of those changes were repairs. Generated
    files, lock files and documents are only counted."""
    read = _read(context)
    return _json(hottest(read.commits, read.window, files_max=files_max))


@tool
def changes_before_incidents(context: ToolContext, hours: Annotated[float, Field(gt=0, le=168)] = 24) -> JsonValue:
    """How many of the service's incidents in the window began within `hours` after a change of its code, how many
    would have by chance, and which changes those were."""
    read = _read(context)
    source = Incidents.of(context.inputs)
    if source is None:
        raise ToolError("this service has no incident records, so its changes cannot be compared with them")
    try:
        records = incidents_of(context.shared, source)
    except SourceError as error:  # somebody else's source: the code's own history still tells something
        raise ToolError(f"the incident records cannot be read: {error}") from None
    own = (r for r in records if r.kind is Kind.INCIDENT and not r.caused_by and r.started_at_s is not None)
    started = [(record.citation, cast(float, record.started_at_s)) for record in own]
    return _json(before_incidents(read.commits, started, read.history, read.window, hours=hours))


CODE_TOOLS = (change_summary, find_rework, hot_files, changes_before_incidents)


def check_citations(context: ToolContext, citations: Sequence[str]) -> Iterable[str]:
    """Those of `citations` that are neither `commit:<id>` of exactly one commit in the repository, nor the citation of
    an incident in the service's records."""
    source, window = _sources(context)
    shas = {citation: found.group(1) for citation in citations if (found := _COMMIT.match(citation))}
    history = read_history(context.shared, source, window)
    unknown = [sha for sha in shas.values() if history.find(sha) is None]
    missing = missing_commits(context.shared, source, unknown) if unknown else set()
    others = {citation for citation in citations if citation not in shas}
    unfounded = others - _incidents(context) if others else set()
    return [c for c in citations if c in unfounded or shas.get(c) in missing]


def _incidents(context: ToolContext) -> set[str]:
    """What may be cited of the service's incident records; nothing where they cannot be read."""
    source = Incidents.of(context.inputs)
    try:
        return {record.citation for record in incidents_of(context.shared, source)} if source else set()
    except SourceError:
        return set()


@dataclass(frozen=True, slots=True)
class _Read:
    """The service's commits, newest first, the repository's history, the audit's window, and what is missing."""

    commits: tuple[Commit, ...]
    history: History
    window: Window
    gaps: tuple[str, ...]


def _read(context: ToolContext) -> _Read:
    """What every tool begins with; the repository itself is read once per host.

    Raises SourceError when the service's paths are in the repository neither now nor in the history read.
    """
    source, window = _sources(context)
    paths = literal_paths(source)
    history = read_history(context.shared, source, window)
    commits = history.of_paths(paths)
    unchanged = [path for path in paths if not history.of_paths([path])] if history.head else []
    missing = missing_paths(context.shared, source, history.head, unchanged) if unchanged else set()
    if missing and missing == set(paths):
        raise SourceError(f"{source.path!r} holds no {', '.join(map(repr, sorted(missing)))}: correct git-path")
    gap = [f"not in the repository: git-path {', '.join(map(repr, sorted(missing)))}"] if missing else []
    return _Read(commits, history, window, (*history.gaps, *gap))


def _sources(context: ToolContext) -> tuple[Git, Window]:
    source, window = Git.of(context.inputs), Window.of(context.inputs)
    if source is None or window is None:
        raise SourceError("this task names no Git repository and window; the code specialist needs both")
    return source, window


def _json(record: object) -> JsonValue:
    return cast(JsonValue, records(type(record)).dump_python(record, mode="json"))


_KEPT: dict[type, TypeAdapter[Any]] = {}


def records(kind: type[T]) -> TypeAdapter[T]:
    """How records of the dataclass `kind` become JSON and come back. Kept: making one takes longer than using it."""
    if kind not in _KEPT:
        _KEPT[kind] = TypeAdapter(kind)
    return _KEPT[kind]
