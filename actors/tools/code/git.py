"""Running git: find the repository that a manifest names, and run one command on it.

Git is a program with settings, hooks and helpers, and a repository may come from anybody. So it runs with no settings
of the machine or the user, with plumbing commands only (they run no hook, pager or helper program), without network,
and what comes from a manifest, a repository or a model is never in a place where it could be read as an option.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from actors.sources import Git
from actors.tools.base import SourceError
from actors.tools.code.commits import shown
from actors.tools.files import inside

_SAFE = {
    "LC_ALL": "C",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_SYSTEM": os.devnull,
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_NO_REPLACE_OBJECTS": "1",  # a commit is what its id says
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_ALLOW_PROTOCOL": "none",
}
_SETTINGS = ("safe.directory=*", "mailmap.blob=HEAD:.mailmap", "core.quotePath=false", "core.fsmonitor=false")


@dataclass(frozen=True, slots=True)
class Limits:
    """What reading one repository may take at most.

    Measured on 2 cores with a public repository of 18,400 commits: 0.8 ms a commit with line counts, 0.04 ms without.
    So lines are counted where that stays within a few seconds, and a monorepo's year is read without them.
    """

    timeout_s: float = 60.0  # of one process; the largest histories take a tenth of it on an idle machine
    commits: int = 100_000
    counted_commits: int = 3_000
    output_bytes: int = 32 * 1024 * 1024  # about 400,000 changed files
    list_bytes: int = 64 * 1024 * 1024  # the newest 600,000 commits or so, 100 bytes each


LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Ran:
    """What one git process printed. `cut`: it was stopped at the size limit."""

    output: bytes
    status: int
    cut: bool
    said: str


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository below the manifest's folder. `name` is what the manifest calls it."""

    name: str
    git_dir: Path
    limits: Limits = LIMITS

    def run(self, *arguments: str, stdin: bytes = b"", bytes_max: int | None = None) -> Ran:
        """One git command; its output is cut at `bytes_max` (or the limits' own).

        Raises SourceError when git is missing or takes too long.
        """
        bytes_max = self.limits.output_bytes if bytes_max is None else bytes_max
        settings = [word for setting in _SETTINGS for word in ("-c", setting)]
        command = ["git", "--no-pager", f"--git-dir={self.git_dir}", *settings, *arguments]
        environment = {**_SAFE, "PATH": os.environ.get("PATH", os.defpath), "HOME": os.devnull}
        with tempfile.TemporaryFile() as fed, tempfile.TemporaryFile() as errors:
            fed.write(stdin)
            fed.seek(0)
            try:
                process = subprocess.Popen(
                    command, cwd=self.git_dir, env=environment, stdin=fed, stdout=subprocess.PIPE, stderr=errors
                )
            except OSError as error:
                raise SourceError(f"git cannot be run ({error.strerror}); install it to read {self.name!r}") from None
            output, late = _read(process, bytes_max, self.limits.timeout_s)
            errors.seek(0)
            said = shown(errors.read(2_000).decode("utf-8", "replace"), characters_max=300)
        if late:
            raise SourceError(
                f"git {arguments[0]} on {self.name!r} took longer than {self.limits.timeout_s:g} s and was stopped; "
                "run `git gc` there, or put the repository on a faster disk"
            )
        cut = len(output) > bytes_max
        return Ran(output[:bytes_max], 0 if cut else process.returncode, cut, said)

    def must(self, *arguments: str, stdin: bytes = b"", bytes_max: int | None = None) -> Ran:
        """As `run`. Raises SourceError with what git said when it fails."""
        ran = self.run(*arguments, stdin=stdin, bytes_max=bytes_max)
        if ran.status != 0:
            raise SourceError(f"git {arguments[0]} failed on {self.name!r}: {ran.said or f'status {ran.status}'}")
        return ran


def _read(process: subprocess.Popen[bytes], bytes_max: int, timeout_s: float) -> tuple[bytes, bool]:
    """Standard output up to one byte above the limit, and whether the time was over before its end."""
    late = threading.Event()

    def stop() -> None:
        late.set()
        process.kill()

    timer = threading.Timer(timeout_s, stop)
    timer.start()
    try:
        with process:
            assert process.stdout is not None
            output = process.stdout.read(bytes_max + 1)
            if len(output) > bytes_max:
                process.kill()
            process.wait()
    finally:
        timer.cancel()
    return output, late.is_set()


def find_repository(source: Git, limits: Limits = LIMITS) -> Repository:
    """The repository of `source`: a bare one, a work tree's root, or a linked work tree. Runs nothing.

    Raises SourceError when there is none, or when it (or what it links to) lies outside of the manifest's folder.
    """
    try:
        git_dir = _git_dir(source.base, inside(source.base, source.path))
        found = (git_dir / "HEAD").exists() and ((git_dir / "objects").is_dir() or (git_dir / "commondir").is_file())
    except OSError as error:
        raise SourceError(f"{source.path!r} cannot be read: {error.strerror}") from None
    if not found:
        raise SourceError(
            f"{source.path!r} is not a Git repository (no .git in it, and not a bare one): "
            "name the repository's root, and the folder in it as git-path"
        )
    return Repository(source.path, git_dir, limits)


def _git_dir(base: str, root: Path) -> Path:
    """Where the repository of `root` keeps its things. Everything on the way there must lie below `base`."""
    git_dir = root / ".git"
    if git_dir.is_file():  # a linked work tree or submodule: one line that says where the repository is
        git_dir = root / _line(git_dir).removeprefix("gitdir:").strip()
    elif not git_dir.exists():
        git_dir = root
    git_dir = inside(base, str(git_dir))
    shared = git_dir / "commondir"
    if shared.is_file():
        inside(base, str(git_dir / _line(shared)))
    return git_dir


def _line(file: Path) -> str:
    with file.open("rb") as opened:
        return opened.read(4_096).decode("utf-8", "replace").strip()


def literal_paths(source: Git) -> tuple[str, ...]:
    """The service's paths, cleaned: none where one of them is the root. Raises SourceError when one leaves it."""
    cleaned = []
    for path in source.paths:
        pure = PurePosixPath(path)
        if pure.is_absolute() or ".." in pure.parts:
            raise SourceError(f"git-path {path!r} leaves the repository {source.path!r}: write it relative to its root")
        cleaned.append(str(pure))
    return () if "." in cleaned else tuple(dict.fromkeys(cleaned))
