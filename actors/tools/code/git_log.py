"""A repository's history, read once per host for all of the services in it, and commits looked up by id."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from math import inf

from actors.sources import Git, Window
from actors.tools.code.commit_records import LOG_FORMAT, parse_log
from actors.tools.code.commits import Commit, History, Node, landings, shown, stamp
from actors.tools.code.git import LIMITS, Limits, Repository, find_repository
from actors.tools.shared import Shared

LOOKBACK_MIN_S = 365 * 86_400.0  # who knows the code shows over a year, not over two days

_DIFF = ("--stdin", "-z", "-r", "--root", "--always", "--no-ext-diff", "--no-textconv", "--encoding=UTF-8")
_NEWEST = ("--sort=-committerdate", "--count=1", "--format=%(objectname) %(refname)")
_COUNTED = ("--numstat", "-M", "-l400")
_UNCOUNTED = ("--raw", "--abbrev=8", "-M100%")  # exact renames need no file's content


def read_history(shared: Shared, source: Git, window: Window, limits: Limits = LIMITS) -> History:
    """The repository's history, read once per host, repository and span: three windows, and at least a year."""
    repository = find_repository(source, limits)
    since_s = min(window.past_start_s - window.length_s, window.as_of_s - LOOKBACK_MIN_S)
    key = ("git history", str(repository.git_dir), since_s, window.as_of_s)
    return shared.get(key, lambda: _load(repository, since_s, window.as_of_s))


def _load(repository: Repository, since_s: float, until_s: float) -> History:
    head, gaps = _head(repository)
    if not head:
        return History((), since_s, (f"{repository.name!r} has no commits yet",))
    listed = repository.must("rev-list", "--timestamp", "--parents", head, "--", bytes_max=repository.limits.list_bytes)
    nodes, first_s = _nodes(listed.output, since_s)
    wanted = sorted((node for node in nodes if node.at_s <= until_s), key=lambda node: (-node.at_s, node.sha))
    commits, cut = _details(repository, [node.sha for node in wanted[: repository.limits.commits]])
    shallow = _shallow(repository)
    if cut or len(wanted) > repository.limits.commits or (listed.cut and first_s > since_s):
        first_s = min((commit.at_s for commit in commits), default=until_s)
        gaps.append(f"the history of {repository.name!r} is too large: only commits since {stamp(first_s)} were read")
    elif shallow and first_s > since_s:
        gaps.append(f"the clone {repository.name!r} is shallow: its history begins at {stamp(first_s)}")
    landed = landings(nodes, head)
    placed = (_placed(commit, landed.get(commit.sha), commit.sha in shallow) for commit in commits)
    return History(tuple(placed), max(since_s, min(first_s, until_s)), tuple(gaps), head)


def _placed(commit: Commit, landing: Node | None, is_cut_off: bool) -> Commit:
    """`commit` with its landing. Where a shallow clone was cut off, it looks like an import of every file: without."""
    files = () if is_cut_off else commit.files
    arrived = landing or Node(commit.at_s, commit.sha, ())
    return replace(commit, files=files, landing=arrived.sha, landed_at_s=arrived.at_s)


def _head(repository: Repository) -> tuple[str, list[str]]:
    """The commit that the history is read from: HEAD, or the newest branch where HEAD names none."""
    found = repository.run("rev-parse", "--verify", "--quiet", "HEAD^{commit}")
    if found.status == 0:
        return found.output.decode("ascii", "replace").split()[-1], []
    newest = repository.must("for-each-ref", *_NEWEST, "refs/heads/", "refs/remotes/")
    sha, _, name = newest.output.decode("utf-8", "replace").strip().partition(" ")
    said = f"HEAD of {repository.name!r} names no commit: its newest branch, {shown(name)!r}, was read instead"
    return sha, [said] if sha else []


def _nodes(output: bytes, since_s: float) -> tuple[list[Node], float]:
    """The lines of `rev-list --timestamp --parents` from `since_s` on, and the time of the oldest one of all.

    A line that was cut off is dropped.
    """
    nodes, first_s = [], inf
    for line in output[: output.rfind(b"\n") + 1].splitlines():
        at_s, sha, *parents = line.split()
        first_s = min(first_s, float(at_s))
        if float(at_s) >= since_s:
            nodes.append(Node(float(at_s), sha.decode("ascii"), tuple(parent.decode("ascii") for parent in parents)))
    return nodes, first_s


def _details(repository: Repository, shas: Sequence[str]) -> tuple[list[Commit], bool]:
    """The commits of `shas` with their files, and whether the output was cut at its limit.

    Where files' contents are missing (a partial clone), files are read without lines, and people without .mailmap.
    """
    stdin = "".join(f"{sha}\n" for sha in shas).encode()
    unmapped = LOG_FORMAT.replace("%aN", "%an").replace("%aE", "%ae")
    attempts = [(*_COUNTED, f"--format={LOG_FORMAT}"), (*_UNCOUNTED, f"--format={LOG_FORMAT}")]
    for options in attempts[len(shas) > repository.limits.counted_commits :]:
        ran = repository.run("diff-tree", *_DIFF, *options, stdin=stdin)
        if ran.status == 0:
            return parse_log(ran.output, complete=not ran.cut), ran.cut
    ran = repository.must("diff-tree", *_DIFF, *_UNCOUNTED, f"--format={unmapped}", stdin=stdin)
    return parse_log(ran.output, complete=not ran.cut), ran.cut


def _shallow(repository: Repository) -> frozenset[str]:
    """The ids at which a shallow clone was cut off; none in a complete one."""
    asked = repository.must("rev-parse", "--git-path", "shallow").output.decode("utf-8", "replace").strip()
    file = repository.git_dir / asked
    return frozenset(file.read_text("ascii", "replace").split()) if file.is_file() else frozenset()


def missing_commits(shared: Shared, source: Git, shas: Iterable[str]) -> set[str]:
    """Those of `shas` (hex, 7 characters at least) that name no commit, or more than one, in the repository."""
    repository = find_repository(source)
    asked = tuple(sorted(set(shas)))
    key = ("git commits", str(repository.git_dir), asked)
    return shared.get(key, lambda: _without_type(repository, {sha: sha for sha in asked}, "commit"))


def _without_type(repository: Repository, objects: Mapping[str, str], *types: str) -> set[str]:
    """The keys of those `objects` (names as git reads them) that are none of `types` in the repository."""
    if not objects:
        return set()
    stdin = "".join(f"{name}\n" for name in objects.values()).encode("utf-8", "surrogateescape")
    ran = repository.must("cat-file", "--batch-check=%(objecttype)", stdin=stdin)
    found = ran.output.decode("utf-8", "replace").splitlines()
    return {key for key, said in zip(objects, found, strict=True) if said not in types}


def missing_paths(shared: Shared, source: Git, head: str, paths: Sequence[str]) -> set[str]:
    """Those of `paths` that name nothing in the tree of commit `head`."""
    repository = find_repository(source)
    asked = tuple(path for path in paths if "\n" not in path)
    key = ("git paths", str(repository.git_dir), head, asked)
    return shared.get(
        key, lambda: _without_type(repository, {path: f"{head}:{path}" for path in asked}, "blob", "tree")
    )
