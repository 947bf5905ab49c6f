"""What a repository, a manifest or the machine's settings could try on whoever audits."""

from __future__ import annotations

from pathlib import Path

import pytest

from actors.sources import Git, Window
from actors.tools.base import SourceError
from actors.tools.code.git_log import read_history
from actors.tools.shared import Shared
from support.git_repositories import DAY_S, NOW_S, MadeRepository

WINDOW = Window(NOW_S, 30 * DAY_S)


def read(base: Path, path: str) -> list[str]:
    return [commit.subject for commit in read_history(Shared(), Git(str(base), path), WINDOW).commits]


@pytest.fixture
def made(tmp_path: Path) -> MadeRepository:
    made = MadeRepository.begin(tmp_path / "base" / "repo")
    made.commit("First", days_ago=3, files={"app.py": "1"})
    made.commit("Second", days_ago=2, files={"app.py": "2"})
    return made


def test_a_repositorys_settings_start_no_program(made: MadeRepository, tmp_path: Path) -> None:
    """Signature checkers, pagers, diff and monitor programs, text converters: none of them is run."""
    mark = tmp_path / "was-run"
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\ntouch '{mark}'\n")
    program.chmod(0o755)
    (made.folder / ".git" / "info").mkdir(exist_ok=True)
    (made.folder / ".git" / "info" / "attributes").write_text("* diff=evil\n")
    settings = {
        "log.showSignature": "true",
        "gpg.program": str(program),
        "core.pager": str(program),
        "core.fsmonitor": str(program),
        "core.sshCommand": str(program),
        "core.alternateRefsCommand": str(program),
        "diff.external": str(program),
        "diff.evil.textconv": str(program),
        "diff.evil.command": str(program),
        "alias.rev-list": f"!{program}",
    }
    for name, value in settings.items():
        made.git("config", name, value)

    assert read(made.folder.parent, "repo") == ["Second", "First"]
    assert not mark.exists()


def test_the_users_and_the_machines_settings_change_nothing(
    made: MadeRepository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = tmp_path / "settings"
    settings.write_text("[log]\n\tshowSignature = true\n[diff]\n\tnoprefix = true\n[core]\n\tbare = nonsense\n")
    other = MadeRepository.begin(tmp_path / "other")
    for name, value in {
        "GIT_CONFIG_GLOBAL": str(settings),
        "GIT_DIR": str(other.folder / ".git"),
        "GIT_WORK_TREE": str(other.folder),
        "GIT_OBJECT_DIRECTORY": str(other.folder / ".git" / "objects"),
        "GIT_TRACE": "1",
        "GIT_LITERAL_PATHSPECS": "nonsense",
    }.items():
        monkeypatch.setenv(name, value)

    assert read(made.folder.parent, "repo") == ["Second", "First"]


def test_replaced_commits_show_what_their_ids_say(made: MadeRepository) -> None:
    made.git("replace", made.git("rev-parse", "HEAD"), made.git("rev-parse", "HEAD~1"))

    assert read(made.folder.parent, "repo") == ["Second", "First"]


def test_a_folder_that_is_no_repository_says_what_to_name(made: MadeRepository) -> None:
    """The repository around it is not taken instead, though git itself would find it."""
    (made.folder / "services").mkdir()

    with pytest.raises(SourceError, match=r"'repo/services' is not a Git repository .* the folder in it as git-path"):
        read(made.folder.parent, "repo/services")


@pytest.mark.parametrize("path", ["missing", "https://example.org/x.git", "../elsewhere"])
def test_a_repository_that_is_missing_or_outside_is_named(made: MadeRepository, path: str) -> None:
    MadeRepository.begin(made.folder.parent.parent / "elsewhere")

    with pytest.raises(SourceError, match=r"does not exist below|leaves the manifest's folder"):
        read(made.folder.parent, path)


@pytest.mark.parametrize("how", ["git link", "git file", "common folder", "folder link"])
def test_a_repository_whose_contents_lie_outside_is_refused(made: MadeRepository, how: str, tmp_path: Path) -> None:
    outside = MadeRepository.begin(tmp_path / "outside")
    outside.commit("Secret", days_ago=1)
    inner = made.folder.parent / "inner"
    if how == "folder link":
        inner.symlink_to(outside.folder)
    else:
        inner.mkdir()
    if how == "git link":
        (inner / ".git").symlink_to(outside.folder / ".git")
    if how == "git file":
        (inner / ".git").write_text(f"gitdir: {outside.folder / '.git'}\n")
    if how == "common folder":
        (inner / ".git").mkdir()
        (inner / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
        (inner / ".git" / "commondir").write_text(f"{outside.folder / '.git'}\n")

    with pytest.raises(SourceError, match="leaves the manifest's folder"):
        read(made.folder.parent, "inner")


def test_a_file_is_no_repository(made: MadeRepository) -> None:
    (made.folder.parent / "file").write_text("x")

    with pytest.raises(SourceError, match="'file' is not a Git repository"):
        read(made.folder.parent, "file")
