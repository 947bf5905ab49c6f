"""Commits as values, for tests of what is made of them."""

from __future__ import annotations

import hashlib
from typing import Any

from actors.sources import Window
from actors.tools.code.commits import Commit, FileChange, History

NOW_S = 1_700_000_000.0
HOUR_S, DAY_S = 3_600.0, 86_400.0
WINDOW = Window(NOW_S, 30 * DAY_S)


def a_commit(subject: str, days_ago: float, *files: str, author: str = "ada", **given: Any) -> Commit:
    """A commit with an id that follows from its subject and time; of `app.py` when no file is named."""
    sha = hashlib.sha1(f"{subject}@{days_ago}".encode()).hexdigest()
    message = subject + (f"\n\n{given.pop('body')}" if "body" in given else "")
    fields: dict[str, Any] = {"sha": sha, "email": f"{author}@example.org", "parents": ("0" * 40,), **given}
    changes = tuple(FileChange(path, 2, 1) for path in files or ("app.py",))
    return Commit(at_s=NOW_S - days_ago * DAY_S, author=author, message=message, files=changes, **fields)


def a_history(*commits: Commit, days: float = 365.0) -> History:
    """A history that reaches back `days`."""
    return History(commits, NOW_S - days * DAY_S)
