"""What commits and files are taken for."""

from __future__ import annotations

import pytest

from actors.tools.code.change_kinds import (
    FileKind,
    Purpose,
    by_bot,
    file_kind,
    purpose,
    reverted_id,
    reverted_subject,
    substantive,
)
from support.commits import a_commit

ID = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize(
    ("subject", "expected"),
    [
        ('Revert "Add retries"', Purpose.REVERT),
        ('Revert "Fix the cache" (#12)', Purpose.REVERT),
        ("revert: feat(api): add retries", Purpose.REVERT),
        ("revert(api): add retries", Purpose.REVERT),
        ("fix(api): revert the new client", Purpose.REVERT),
        ("[SHOP-12] Revert the new client", Purpose.REVERT),
        ("SHOP-12 Reverting to the old client", Purpose.REVERT),
        ("Backed out changeset 0123456789ab for failures", Purpose.REVERT),
        ("Back out the new client", Purpose.REVERT),
        ('Revert "Revert "Add retries""', Purpose.RELAND),
        ('Reapply "Add retries"', Purpose.RELAND),
        ("Re-land the new client", Purpose.RELAND),
        ("Hotfix: guard against a missing header", Purpose.HOTFIX),
        ("hot-fix for checkout", Purpose.HOTFIX),
        ("Emergency patch for the login", Purpose.HOTFIX),
        ("urgent: fix crash in checkout", Purpose.HOTFIX),
        ("Rollback to 1.2.3", Purpose.HOTFIX),
        ("chore: roll back the deploy of yesterday", Purpose.HOTFIX),
        ("Rolled back to the previous image", Purpose.HOTFIX),
        ("fix: handle empty carts", Purpose.FIX),
        ("fix(cart)!: handle empty carts", Purpose.FIX),
        ("Bugfix in rounding", Purpose.FIX),
        ("Avoid a crash on empty input", Purpose.FIX),
        ("fix typo", Purpose.CHANGE),
        ("fix(deps): update dependency x to v2", Purpose.CHANGE),
        ("Fix lint warnings", Purpose.CHANGE),
        ("Fix a flaky test", Purpose.CHANGE),
        ("Add rollback support to the deployer", Purpose.CHANGE),
        ("Describe the hotfix process", Purpose.CHANGE),
        ("Add an emergency contact to profiles", Purpose.CHANGE),
        ("Convert prefixes", Purpose.CHANGE),
        ("Irreversible migration", Purpose.CHANGE),
        ("", Purpose.CHANGE),
    ],
)
def test_the_purpose_is_told_by_the_subject(subject: str, expected: Purpose) -> None:
    assert purpose(a_commit(subject, 1)) is expected


def test_a_merge_is_a_merge_whatever_it_says() -> None:
    assert purpose(a_commit("Merge branch 'revert-12' into 'main'", 1, parents=("a", "b"))) is Purpose.MERGE


def test_a_body_that_says_what_it_reverts_makes_a_revert_but_a_squashed_branchs_list_does_not() -> None:
    """A squash quotes the messages of its branch, where something may have been taken back before it landed."""
    reverting = a_commit("Back to the old client", 1, body=f"This reverts commit {ID}.")
    squashed = a_commit("Add retries (#12)", 1, body=f"* Add them\n\n* Revert part\n\nThis reverts commit {ID}.")

    assert purpose(reverting) is Purpose.REVERT
    assert purpose(squashed) is Purpose.CHANGE


def test_a_trailer_that_names_what_it_fixes_makes_a_fix() -> None:
    assert purpose(a_commit("Hold the lock longer", 1, body='Fixes: 0123456789ab ("Add the lock")')) is Purpose.FIX
    assert purpose(a_commit("Hold the lock longer", 1, body="Fixes: all of it")) is Purpose.CHANGE


def test_what_is_reverted_is_named_by_id_or_by_subject() -> None:
    by_id = a_commit('Revert "Add retries"', 1, body=f"This reverts commit {ID}.")

    assert reverted_id(by_id) == ID
    assert reverted_subject(by_id) == "Add retries"
    assert reverted_subject(a_commit('Revert "Say "hi" twice" (#3)', 1)) == 'Say "hi" twice'
    assert reverted_id(a_commit("Revert the client", 1)) == reverted_subject(a_commit("Revert the client", 1)) == ""


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("src/main.go", FileKind.CODE),
        ("Dockerfile", FileKind.CODE),
        ("infra/main.tf", FileKind.CODE),
        ("requirements.txt", FileKind.CODE),
        ("deploy/values.yaml", FileKind.CONFIG),
        ("package.json", FileKind.CONFIG),
        ("tests/test_app.py", FileKind.TEST),
        ("src/app.spec.ts", FileKind.TEST),
        ("pkg/store_test.go", FileKind.TEST),
        ("README.md", FileKind.DOCS),
        ("source/page.html.md.erb", FileKind.DOCS),
        ("LICENSE", FileKind.DOCS),
        ("docs/openapi.yaml", FileKind.DOCS),
        ("package-lock.json", FileKind.GENERATED),
        ("web/yarn.lock", FileKind.GENERATED),
        ("vendor/x/y.go", FileKind.GENERATED),
        ("api/x.pb.go", FileKind.GENERATED),
        ("logo.png", FileKind.GENERATED),
        (".github/workflows/ci.yml", FileKind.TOOLING),
        (".gitlab-ci.yml", FileKind.TOOLING),
        (".gitignore", FileKind.TOOLING),
        ("src/latest.py", FileKind.CODE),
        ("src/contest.ts", FileKind.CODE),
    ],
)
def test_the_kind_of_a_file_is_told_by_its_path(path: str, expected: FileKind) -> None:
    assert file_kind(path) is expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("dependabot[bot]", True),
        ("renovate", True),
        ("bot-12ab", True),
        ("release bot", True),
        ("update-bot", True),
        ("ada", False),
        ("abbot costello", False),
        ("bothwell", False),
        ("jo talbot", False),
    ],
)
def test_programs_are_told_from_people(name: str, expected: bool) -> None:
    assert by_bot(a_commit("x", 1, author=name, email="x@example.org")) is expected


def test_documents_tests_pipelines_and_merges_change_nothing_that_runs() -> None:
    assert substantive(a_commit("x", 1, "README.md", "app.py"))
    assert substantive(a_commit("x", 1, "values.yaml"))
    assert not substantive(a_commit("x", 1, "README.md", "package-lock.json", "tests/test_x.py", ".github/ci.yml"))
    assert not substantive(a_commit("x", 1, "app.py", parents=("a", "b")))
