"""Whether what the pages describe has moved on: the service's changes of the last year, from its Git history."""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress

from actors.contracts import JsonValue
from actors.sources import Git, Window
from actors.tools.base import SourceError, ToolContext
from actors.tools.code.change_kinds import FileKind, by_people, kinds
from actors.tools.code.commits import Commit, between
from actors.tools.code.git import literal_paths
from actors.tools.code.git_log import missing_commits, read_history

CHANGES_SPAN_S = 365 * 86_400.0  # a window of some days says little about whether a service changes
_SHA = re.compile(r"[0-9a-f]{7,64}")


def changes_json(context: ToolContext, window: Window) -> dict[str, JsonValue]:
    """How many changes of its code people made in the last year, and the latest, cited.

    `changes_days` is how much of that year the history reaches back. `changes` is None when the service has no
    repository, or one that cannot be read: that is another specialist's source, and the pages can be judged without.
    """
    source = Git.of(context.inputs)
    if source is None:
        return {"changes": None}
    try:
        paths, history = literal_paths(source), read_history(context.shared, source, window)
    except SourceError as error:
        return {"changes": None, "changes_gap": f"the repository could not be read: {error}"[:300]}
    since_s = max(history.since_s, window.as_of_s - CHANGES_SPAN_S)
    found = _changes(between(history.of_paths(paths), since_s, window.as_of_s))
    counts: dict[str, JsonValue] = {"changes": len(found), "changes_days": round((window.as_of_s - since_s) / 86_400)}
    return counts | ({"latest_change": found[0].citation} if found else {})


def _changes(commits: Iterable[Commit]) -> list[Commit]:
    """What people changed in the code, newest first; in the configuration, where a service is nothing but that."""
    listed = sorted(by_people(commits), key=lambda commit: (-commit.at_s, commit.sha))
    code = [commit for commit in listed if FileKind.CODE in kinds(commit)]
    return code or [commit for commit in listed if FileKind.CONFIG in kinds(commit)]


def missing_changes(context: ToolContext, citations: Iterable[str]) -> set[str]:
    """Those of the `commit:` citations that are not in the service's repository."""
    asked = {citation: citation.removeprefix("commit:") for citation in citations}
    shas = {sha for sha in asked.values() if _SHA.fullmatch(sha)}
    source = Git.of(context.inputs)
    found: set[str] = set()
    if source is not None and shas:
        with suppress(SourceError):
            found = shas - missing_commits(context.shared, source, shas)
    return {citation for citation, sha in asked.items() if sha not in found}
