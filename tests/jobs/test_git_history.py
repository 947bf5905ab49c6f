"""Histories read by git itself, from repositories of every shape."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from actors.sources import Git, Window
from actors.tools.base import SourceError
from actors.tools.code.commits import History
from actors.tools.code.git import LIMITS, find_repository, literal_paths
from actors.tools.code.git_log import missing_commits, missing_paths, read_history
from actors.tools.shared import Shared
from support.git_repositories import DAY_S, NOW_S, MadeRepository

WINDOW = Window(NOW_S, 30 * DAY_S)


def read(base: Path, path: str = "repo") -> History:
    return read_history(Shared(), Git(str(base), path), WINDOW)


def subjects(history: History, *paths: str) -> list[str]:
    return [commit.subject for commit in history.of_paths(paths)]


@pytest.fixture
def made(tmp_path: Path) -> MadeRepository:
    """A repository of two services: 'a' changed 10 and 2 days ago, 'b' 5 days ago."""
    made = MadeRepository.begin(tmp_path / "repo")
    made.commit("Begin a", days_ago=10, files={"a/app.py": "1"})
    made.commit("Begin b", days_ago=5, files={"b/app.py": "1", "b/deep/er/x.py": "1"})
    made.commit("Change a", days_ago=2, files={"a/app.py": "2"}, author="Grace Hopper")
    return made


def test_each_service_sees_the_commits_of_its_paths_newest_first(made: MadeRepository) -> None:
    """One history, picked by literal path, with the files of that path only."""
    history = read(made.folder.parent)

    assert subjects(history) == ["Change a", "Begin b", "Begin a"]
    assert subjects(history, "a") == ["Change a", "Begin a"]
    assert subjects(history, "b/deep") == ["Begin b"]
    assert [change.path for change in history.of_paths(["b/deep"])[0].files] == ["b/deep/er/x.py"]
    assert subjects(history, "a/app.py", "b") == ["Change a", "Begin b", "Begin a"]
    assert subjects(history, "a/app") == []


def test_a_commit_carries_its_committers_date_its_author_and_its_lines(made: MadeRepository) -> None:
    newest = read(made.folder.parent).commits[0]

    assert newest.at_s == NOW_S - 2 * DAY_S
    assert (newest.author, newest.email) == ("grace hopper", "grace.hopper@example.org")
    assert [(f.path, f.lines_added, f.lines_deleted) for f in newest.files] == [("a/app.py", 1, 1)]
    assert newest.citation == f"commit:{made.git('rev-parse', 'HEAD')[:12]}"


def test_one_host_reads_a_repository_once_for_all_of_its_services(made: MadeRepository) -> None:
    """The second service of a monorepo costs no git process: it is given the very same history."""
    shared, source = Shared(), Git(str(made.folder.parent), "repo", ("a",))

    first = read_history(shared, source, WINDOW)
    made.commit("Later", days_ago=1)

    assert read_history(shared, replace(source, paths=("b",)), WINDOW) is first


def test_what_came_after_the_audits_now_is_not_seen(made: MadeRepository) -> None:
    history = read_history(Shared(), Git(str(made.folder.parent), "repo"), Window(NOW_S - 4 * DAY_S, 30 * DAY_S))

    assert subjects(history) == ["Begin b", "Begin a"]


def test_commits_are_found_whatever_the_order_of_their_dates(tmp_path: Path) -> None:
    """A rebase, or a clock that was wrong, puts old dates on top of new ones."""
    made = MadeRepository.begin(tmp_path / "repo")
    for number, days_ago in enumerate((3, 2_000, 20, 1_500, 1_600, 1_700, 1_800, 1_900, 1_950, 1_960, 1)):
        made.commit(f"Commit {number}", days_ago=days_ago)

    assert subjects(read(tmp_path)) == ["Commit 10", "Commit 0", "Commit 2"]


def test_a_bare_repository_and_a_linked_work_tree_tell_the_same(made: MadeRepository, tmp_path: Path) -> None:
    made.git("clone", "-q", "--bare", ".", str(tmp_path / "bare.git"))
    made.git("worktree", "add", "-q", "--detach", str(tmp_path / "linked"))

    expected = [commit.sha for commit in read(tmp_path).commits]

    assert [commit.sha for commit in read(tmp_path, "bare.git").commits] == expected
    assert [commit.sha for commit in read(tmp_path, "linked").commits] == expected


def test_a_head_that_names_no_branch_falls_back_to_the_newest_one_and_says_so(made: MadeRepository) -> None:
    """Bare repositories often keep a HEAD that names a branch which nobody ever pushed."""
    made.git("symbolic-ref", "HEAD", "refs/heads/master")

    history = read(made.folder.parent)

    assert len(history.commits) == 3
    assert "newest branch, 'refs/heads/main', was read instead" in history.gaps[0]


def test_an_empty_repository_is_a_gap_and_no_failure(tmp_path: Path) -> None:
    MadeRepository.begin(tmp_path / "repo")

    history = read(tmp_path)

    assert history.commits == ()
    assert history.gaps == ("'repo' has no commits yet",)


def test_a_shallow_clone_says_where_it_begins_and_its_first_commit_is_no_import(made: MadeRepository) -> None:
    base = made.folder.parent
    made.git("clone", "-q", "--depth", "2", f"file://{made.folder}", str(base / "shallow"))

    history = read(base, "shallow")

    assert subjects(history) == ["Change a", "Begin b"]
    assert history.commits[1].files == ()
    assert "shallow: its history begins at 2023-11-09" in history.gaps[0]


def test_commits_of_a_branch_land_with_its_merge(made: MadeRepository) -> None:
    made.git("checkout", "-q", "-b", "topic", "HEAD~1")
    first = made.commit("Topic one", days_ago=1.9, files={"c.py": "1"})
    made.commit("Topic two", days_ago=1.8, files={"c.py": "2"})
    made.git("checkout", "-q", "main")
    merge = made.merge("topic", days_ago=1)

    history = read(made.folder.parent)
    landed = history.find(first)

    assert subjects(history, "c.py") == ["Topic two", "Topic one"]
    assert landed is not None
    assert (landed.landing, landed.landed_at_s) == (merge, NOW_S - DAY_S)
    assert history.commits[0].subject == "Merge branch 'topic'"
    assert len(history.commits[0].parents) == 2


def test_a_renamed_file_belongs_to_both_of_its_names(made: MadeRepository) -> None:
    made.git("mv", "a/app.py", "b/moved.py")
    made.commit("Move it", days_ago=1, files={"b/other.py": "x"})

    history = read(made.folder.parent)

    assert subjects(history, "a")[0] == "Move it"
    assert subjects(history, "b")[0] == "Move it"
    assert [f.moved_from for f in history.of_paths(["b/moved.py"])[0].files] == ["a/app.py"]


@pytest.mark.parametrize(
    "name", ["with space.py", "-rf", "*.py", "a[b]c.py", "tab\there", "new\nline", "quote\"'.py", ":(top)x"]
)
def test_a_path_is_taken_literally(tmp_path: Path, name: str) -> None:
    """Blanks, globs, pathspec magic and dashes are parts of a name like any other."""
    made = MadeRepository.begin(tmp_path / "repo")
    made.commit("Other", days_ago=3, files={"aXc.py": "1", "top": "1"})
    made.commit("Odd name", days_ago=2, files={f"dir/{name}": "1", name: "1"})

    history = read(tmp_path)

    assert subjects(history, name) == ["Odd name"]
    assert subjects(history, f"dir/{name}") == ["Odd name"]


def test_names_and_messages_that_are_not_utf8_do_no_harm(tmp_path: Path) -> None:
    made = MadeRepository.begin(tmp_path / "repo")
    (made.folder / os.fsdecode(b"caf\xe9.py")).write_text("x")
    made.commit("First", days_ago=2)
    made.git("config", "i18n.commitEncoding", "ISO-8859-1")
    made.git("commit", "-q", "--amend", "--allow-empty", "-F", "-", stdin=b"Caf\xe9\n", environment=_dated())

    history = read(tmp_path)

    assert [commit.subject for commit in history.commits] == ["Café"]
    assert "caf\ufffd.py" in [change.path for change in history.commits[0].files]


def _dated() -> dict[str, str]:
    at = f"{int(NOW_S - DAY_S)} +0000"
    names = {f"GIT_{who}_{what}": "x@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    return {**names, "GIT_AUTHOR_DATE": at, "GIT_COMMITTER_DATE": at}


def test_a_message_that_looks_like_a_record_is_only_a_message(made: MadeRepository) -> None:
    made.commit(
        "Odd", days_ago=1, body=f"commit {'0' * 40}\n1\t1\tb/app.py\n:100644 100644 a b M", files={"a/app.py": "9"}
    )

    history = read(made.folder.parent)

    assert len(history.commits) == 4
    assert subjects(history, "b") == ["Begin b"]


def test_repositories_with_sha256_ids_are_read(tmp_path: Path) -> None:
    made = MadeRepository.begin(tmp_path / "repo", "--object-format=sha256")
    sha = made.commit("Only", days_ago=1)

    assert [commit.sha for commit in read(tmp_path).commits] == [sha]
    assert len(sha) == 64


def test_a_clone_without_file_contents_is_read_without_line_counts_and_without_network(made: MadeRepository) -> None:
    """Whatever is missing in a partial clone stays missing: nothing is fetched for an audit."""
    base = made.folder.parent
    made.commit("Name people", days_ago=1.5, files={".mailmap": "Grace <grace.hopper@example.org>"})
    made.git("config", "uploadpack.allowFilter", "true")
    made.git("clone", "-q", "--bare", "--filter=blob:none", f"file://{made.folder}", str(base / "partial.git"))
    made.folder.rename(base / "gone")

    history = read(base, "partial.git")

    assert subjects(history, "a") == ["Change a", "Begin a"]
    assert {change.lines_added for commit in history.commits for change in commit.files} == {None}


def test_a_mailmap_joins_the_names_of_one_person(made: MadeRepository) -> None:
    made.commit("Map", days_ago=1, files={".mailmap": "Ada <ada@example.org> <grace.hopper@example.org>"})

    assert {commit.author for commit in read(made.folder.parent).commits} == {"ada"}


def test_a_repository_that_is_too_large_is_read_from_its_newest_end_and_says_so(made: MadeRepository) -> None:
    limits = replace(LIMITS, commits=2)

    history = read_history(Shared(), Git(str(made.folder.parent), "repo"), WINDOW, limits)

    assert subjects(history) == ["Change a", "Begin b"]
    assert history.since_s == NOW_S - 5 * DAY_S
    assert "too large: only commits since 2023-11-09" in history.gaps[0]


def test_output_above_its_limit_loses_the_oldest_whole_commits_only(made: MadeRepository) -> None:
    limits = replace(LIMITS, output_bytes=400)

    history = read_history(Shared(), Git(str(made.folder.parent), "repo"), WINDOW, limits)

    assert 0 < len(history.commits) < 3
    assert all(commit.files for commit in history.commits)
    assert "too large" in history.gaps[0]


def test_lines_are_not_counted_where_that_would_take_long(made: MadeRepository) -> None:
    counted = read(made.folder.parent)
    uncounted = read_history(Shared(), Git(str(made.folder.parent), "repo"), WINDOW, replace(LIMITS, counted_commits=2))

    assert [subjects(counted, path) for path in "ab"] == [subjects(uncounted, path) for path in "ab"]
    assert uncounted.commits[0].files[0].lines_added is None


def test_a_git_that_hangs_is_stopped_and_named(made: MadeRepository) -> None:
    """A disk that does not answer looks like this: git waits for a file that never comes."""
    (made.folder / ".git" / "HEAD").unlink()
    os.mkfifo(made.folder / ".git" / "HEAD")

    with pytest.raises(SourceError, match=r"git rev-parse on 'repo' took longer than 0\.2 s"):
        read_history(Shared(), Git(str(made.folder.parent), "repo"), WINDOW, replace(LIMITS, timeout_s=0.2))


def test_a_damaged_repository_fails_with_what_git_says(made: MadeRepository) -> None:
    tree = made.git("rev-parse", "HEAD^{tree}")
    (made.folder / ".git" / "objects" / tree[:2] / tree[2:]).unlink()

    with pytest.raises(SourceError, match=r"git diff-tree failed on 'repo': fatal"):
        read(made.folder.parent)


def test_citations_are_looked_up_in_the_repository(made: MadeRepository) -> None:
    """Commits count; trees, unknown ids and options dressed as ids do not."""
    source, old = Git(str(made.folder.parent), "repo"), made.commit("Old", days_ago=900)
    tree = made.git("rev-parse", "HEAD^{tree}")

    missing = missing_commits(Shared(), source, [old[:12], old, tree[:12], "0123456789ab"])

    assert missing == {tree[:12], "0123456789ab"}


def test_paths_are_looked_up_in_the_newest_tree(made: MadeRepository) -> None:
    source, head = Git(str(made.folder.parent), "repo"), made.git("rev-parse", "HEAD")

    assert missing_paths(Shared(), source, head, ["a", "a/app.py", "nowhere", "--help"]) == {"nowhere", "--help"}


def test_literal_paths_are_cleaned_and_the_root_means_all() -> None:
    assert literal_paths(Git("/base", "repo", ("./a/", "a", "b//c"))) == ("a", "b/c")
    assert literal_paths(Git("/base", "repo", ("a", "."))) == ()


@pytest.mark.parametrize("path", ["../other", "/etc", "a/../../b"])
def test_a_path_that_leaves_the_repository_is_refused(path: str) -> None:
    with pytest.raises(SourceError, match="leaves the repository 'repo': write it relative"):
        literal_paths(Git("/base", "repo", (path,)))


def test_a_repository_named_like_an_option_is_a_folder(tmp_path: Path) -> None:
    made = MadeRepository.begin(tmp_path / "--upload-pack=touch x")
    made.commit("Only", days_ago=1)

    assert subjects(read(tmp_path, "--upload-pack=touch x")) == ["Only"]


def test_find_repository_runs_nothing(made: MadeRepository) -> None:
    assert find_repository(Git(str(made.folder.parent), "repo")).git_dir == made.folder / ".git"
