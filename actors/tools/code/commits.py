"""Commits as values: indexed by path, picked for one service's paths, and placed on the main line."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

CITATION_HEX = 12


@dataclass(frozen=True, slots=True)
class FileChange:
    """One file in one commit. Lines are None where they were not counted or the file is binary."""

    path: str
    lines_added: int | None = None
    lines_deleted: int | None = None
    moved_from: str = ""


@dataclass(frozen=True, slots=True)
class Commit:
    """One commit. `at_s` is the committer's date in Unix seconds.

    `landing` is the commit of the main line that brought it there: itself, or the merge of its branch; `landed_at_s`
    is that one's date. Commits that landed together went live together.
    """

    sha: str
    at_s: float
    author: str  # the name that .mailmap gives, or the e-mail address; for counting people, not for showing
    email: str
    message: str
    parents: tuple[str, ...] = ()
    files: tuple[FileChange, ...] = ()
    landing: str = ""
    landed_at_s: float = 0.0

    def __post_init__(self) -> None:
        if not self.landing:
            object.__setattr__(self, "landing", self.sha)
            object.__setattr__(self, "landed_at_s", self.at_s)

    @property
    def subject(self) -> str:
        return self.message.partition("\n")[0]

    @property
    def body(self) -> str:
        return self.message.partition("\n")[2]

    @property
    def citation(self) -> str:
        return f"commit:{self.sha[:CITATION_HEX]}"


@dataclass(frozen=True, slots=True)
class History:
    """All commits of one repository from `since_s` on, newest first, and what is known to be missing (`gaps`).

    `head` is the commit that they were read from; empty in a repository without any.
    """

    commits: tuple[Commit, ...] = ()
    since_s: float = 0.0
    gaps: tuple[str, ...] = ()
    head: str = ""
    _touched: dict[str, list[tuple[int, FileChange]]] = field(
        default_factory=dict, init=False, compare=False, repr=False
    )
    _paths: list[str] = field(default_factory=list, init=False, compare=False, repr=False)
    _by_subject: dict[str, list[Commit]] = field(default_factory=dict, init=False, compare=False, repr=False)
    _by_sha: list[Commit] = field(default_factory=list, init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        ordered = sorted(self.commits, key=lambda commit: (-commit.at_s, commit.sha))
        object.__setattr__(self, "commits", tuple(ordered))
        for place, commit in enumerate(ordered):
            self._by_subject.setdefault(_plain(commit.subject), []).append(commit)
            for change in commit.files:
                for path in {change.path, change.moved_from or change.path}:
                    self._touched.setdefault(path, []).append((place, change))
        self._paths.extend(sorted(self._touched))
        self._by_sha.extend(sorted(ordered, key=lambda commit: commit.sha))

    def of_paths(self, paths: Sequence[str]) -> tuple[Commit, ...]:
        """The commits that touch a file at or below `paths`, newest first, each with those files only; no paths: all.

        Paths are literal and relative to the repository's root. Costs what the service changed, not what the
        repository did: one history serves a thousand services.
        """
        if not paths:
            return self.commits
        changes: dict[int, dict[str, FileChange]] = {}
        for path in {found for wanted in paths for found in self._below(wanted)}:
            for place, change in self._touched[path]:
                changes.setdefault(place, {})[change.path] = change
        return tuple(
            _with_files(self.commits[place], [touched[path] for path in sorted(touched)])
            for place, touched in sorted(changes.items())
        )

    def find(self, sha: str) -> Commit | None:
        """The one commit whose id begins with `sha`; None when there is none, or more than one."""
        place = bisect_left(self._by_sha, sha, key=lambda commit: commit.sha)
        found = [commit for commit in self._by_sha[place : place + 2] if commit.sha.startswith(sha)]
        return found[0] if len(found) == 1 else None

    def with_subject(self, subject: str) -> Sequence[Commit]:
        """The commits with this subject, newest first; the pull request's number behind it does not matter."""
        return self._by_subject.get(_plain(subject), ())

    def _below(self, wanted: str) -> Iterator[str]:
        if wanted in self._touched:
            yield wanted
        folder = wanted + "/"
        for place in range(bisect_left(self._paths, folder), len(self._paths)):
            if not self._paths[place].startswith(folder):
                return
            yield self._paths[place]


def _with_files(commit: Commit, files: Sequence[FileChange]) -> Commit:
    return commit if len(files) == len(commit.files) else replace(commit, files=tuple(files))


def _plain(subject: str) -> str:
    """A subject without the pull request's number that code hosts put behind it."""
    return re.sub(r"(?:\s*\(#\d+\))+$", "", subject.strip())


def shown(text: str, *, characters_max: int = 90) -> str:
    """Text of a repository, fit to be shown: one line, printable, cut."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= characters_max else line[: characters_max - 1] + "…"


@dataclass(frozen=True, slots=True)
class Node:
    """One commit of the graph: what `rev-list --timestamp --parents` says of it."""

    at_s: float
    sha: str
    parents: tuple[str, ...]


def landings(nodes: Iterable[Node], head: str) -> dict[str, Node]:
    """By commit id, the commit of the main line (first parents from `head` down) that brought it there."""
    graph = {node.sha: node for node in nodes}
    main, at = [], graph.get(head)
    while at is not None:
        main.append(at)
        at = graph.get(at.parents[0]) if at.parents else None
    landed: dict[str, Node] = {}
    for arrival in reversed(main):
        new = [arrival.sha]
        while new:
            sha = new.pop()
            if sha in graph and sha not in landed:
                landed[sha] = arrival
                new.extend(graph[sha].parents)
    return landed


def stamp(at_s: float) -> str:
    """Unix seconds as ISO 8601 in UTC, to the minute."""
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%dT%H:%MZ")


def between(commits: Iterable[Commit], from_s: float, until_s: float) -> list[Commit]:
    """Those with `from_s <= at_s < until_s`."""
    return [commit for commit in commits if from_s <= commit.at_s < until_s]
