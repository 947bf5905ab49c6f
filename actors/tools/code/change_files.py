"""The files of a service that change most, and how many of their changes were repairs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from actors.sources import Window
from actors.tools.code.chance import share
from actors.tools.code.change_kinds import FileKind, Purpose, by_people, file_kind, purpose
from actors.tools.code.change_summary import in_window
from actors.tools.code.commits import Commit, FileChange, shown

REPAIRS = (Purpose.FIX, Purpose.HOTFIX)
CITED_MAX = 3


@dataclass(frozen=True, slots=True)
class HotFile:
    """One file under its newest name. `lines` were added or deleted, None where that was not counted.

    `repairs` are fixes and hotfixes; citations name the newest of them, or the newest changes.
    """

    path: str
    changes: int
    repairs: int
    repair_share: float
    authors: int
    lines: int | None
    citations: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class HotFiles:
    """The window's files of code and configuration by number of changes by people; others are counted at most."""

    files: tuple[HotFile, ...]
    files_changed: int
    generated_changes: int
    document_changes: int


def hot_files(commits: Sequence[Commit], window: Window, *, files_max: int = 8) -> HotFiles:
    """`commits` are the service's, newest first."""
    touched: dict[str, list[tuple[Commit, FileChange]]] = defaultdict(list)
    newest: dict[str, str] = {}
    for commit in by_people(in_window(commits, window)):
        for change in commit.files:
            name = newest.get(change.path, change.path)
            if change.moved_from:
                newest[change.moved_from] = name
            touched[name].append((commit, change))
    kept = {path: seen for path, seen in touched.items() if file_kind(path) in (FileKind.CODE, FileKind.CONFIG)}
    files = sorted((_hot(path, seen) for path, seen in kept.items()), key=lambda f: (-f.changes, -f.repairs, f.path))
    return HotFiles(tuple(files[:files_max]), len(kept), _of(touched, FileKind.GENERATED), _of(touched, FileKind.DOCS))


def _hot(path: str, seen: Sequence[tuple[Commit, FileChange]]) -> HotFile:
    repairs = [commit for commit, _ in seen if purpose(commit) in REPAIRS]
    lines = [change.lines_added + (change.lines_deleted or 0) for _, change in seen if change.lines_added is not None]
    return HotFile(
        path=shown(path, characters_max=160),
        changes=len(seen),
        repairs=len(repairs),
        repair_share=share(len(repairs), len(seen)),
        authors=len({commit.author for commit, _ in seen}),
        lines=sum(lines) if lines else None,
        citations=tuple(commit.citation for commit in (repairs or [commit for commit, _ in seen])[:CITED_MAX]),
    )


def _of(touched: Mapping[str, Sequence[object]], kind: FileKind) -> int:
    return sum(len(seen) for path, seen in touched.items() if file_kind(path) is kind)
