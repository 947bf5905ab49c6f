"""Real Git repositories for tests: made with git itself, with dates and authors as told."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

NOW_S = 1_700_000_000.0  # 2023-11-14T22:13:20Z, a Tuesday
DAY_S = 86_400.0
ENVIRONMENT = {
    "PATH": os.environ.get("PATH", os.defpath),
    "HOME": os.devnull,
    "LC_ALL": "C",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
}


@dataclass(slots=True)
class MadeRepository:
    """A repository with a work tree in `folder`."""

    folder: Path
    files: dict[str, str] = field(default_factory=dict)

    @classmethod
    def begin(cls, folder: Path, *options: str) -> MadeRepository:
        folder.mkdir(parents=True)
        made = cls(folder)
        made.git("init", "-q", "-b", "main", *options)
        return made

    def git(self, *arguments: str, environment: Mapping[str, str] | None = None, stdin: bytes = b"") -> str:
        done = subprocess.run(
            ["git", *arguments],
            cwd=self.folder,
            env={**ENVIRONMENT, **(environment or {})},
            input=stdin,
            check=True,
            capture_output=True,
        )
        return done.stdout.decode("utf-8", "replace").strip()

    def commit(
        self,
        message: str,
        *,
        days_ago: float,
        files: Mapping[str, str] | None = None,
        author: str = "Ada",
        body: str = "",
    ) -> str:
        """Writes `files` (one line each, if none is given: the message), commits all, and says the commit's id."""
        for name, text in (files or {"app.py": message}).items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{text}\n")
        self.git("add", "--all")
        at = f"{int(NOW_S - days_ago * DAY_S)} +0000"
        dated = {f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER") for what, value in _person(author, at)}
        said = ["-m", message, *(["-m", body] if body else [])]
        self.git("commit", "-q", "--allow-empty", *said, environment=dated)
        return self.git("rev-parse", "HEAD")

    def merge(self, branch: str, *, days_ago: float) -> str:
        """Merges `branch` with a merge commit, and says its id."""
        at = f"{int(NOW_S - days_ago * DAY_S)} +0000"
        dated = {f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER") for what, value in _person("Ada", at)}
        self.git("merge", "-q", "--no-ff", "-m", f"Merge branch '{branch}'", branch, environment=dated)
        return self.git("rev-parse", "HEAD")


def _person(name: str, at: str) -> tuple[tuple[str, str], ...]:
    return ("NAME", name), ("EMAIL", f"{name.lower().replace(' ', '.')}@example.org"), ("DATE", at)
