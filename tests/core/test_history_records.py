"""Git's output as commits, and histories picked by path."""

from __future__ import annotations

import pytest

from actors.tools.code.commit_records import parse_log
from actors.tools.code.commits import FileChange, History, Node, landings, shown
from support.commits import NOW_S, a_commit, a_history

A, B = "a" * 40, "b" * 40


def record(sha: str, *files: str, message: str = "Say", parents: str = "") -> bytes:
    """As git prints it: a header of six fields, an empty one, then the files, all ended by NUL."""
    header = "\0".join((f"commit {sha}", parents, "1700000000", "Ada  L", "Ada@Example.org", message, ""))
    listed = "".join(f"{file}\0" for file in files)
    return (header + "\0" + (f"\n{listed}" if files else "")).encode("utf-8", "surrogateescape")


def test_a_record_becomes_a_commit() -> None:
    (commit,) = parse_log(record(A, "3\t1\tapp.py", "-\t-\tlogo.bin", message="Say\n\nmore", parents=f"{B} {A}"))

    assert (commit.sha, commit.at_s, commit.author, commit.email) == (A, 1.7e9, "ada l", "ada@example.org")
    assert (commit.subject, commit.parents) == ("Say", (B, A))
    assert commit.files == (FileChange("app.py", 3, 1), FileChange("logo.bin"))


@pytest.mark.parametrize(
    ("printed", "expected"),
    [
        (("0\t0\t", "old.py", "new.py"), (FileChange("new.py", 0, 0, "old.py"),)),
        (("1\t1\ta\tb",), (FileChange("a\tb", 1, 1),)),
        ((":100644 100644 aaaa bbbb M", "app.py"), (FileChange("app.py"),)),
        ((":100644 100644 aaaa bbbb R100", "old.py", "new.py"), (FileChange("new.py", moved_from="old.py"),)),
        ((":000000 100644 0000 bbbb A", f"commit {B}"), (FileChange(f"commit {B}"),)),
        (("0\t0\t", f"commit {B}", "1\t1\tx"), (FileChange("1\t1\tx", 0, 0, f"commit {B}"),)),
    ],
)
def test_files_are_read_with_and_without_lines(printed: tuple[str, ...], expected: tuple[FileChange, ...]) -> None:
    """Also names that look like records: what they are follows from where they stand."""
    commits = parse_log(record(A, *printed) + record(B, "1\t1\tz"))

    assert [commit.files for commit in commits] == [expected, (FileChange("z", 1, 1),)]


def test_a_message_cannot_pass_for_a_record() -> None:
    (commit,) = parse_log(record(A, "1\t1\tx", message=f"commit {B}\n1\t1\ty"))

    assert commit.files == (FileChange("x", 1, 1),)


def test_of_output_that_was_cut_only_whole_commits_are_kept() -> None:
    """Wherever the cut falls: what is kept is exact, and at most one whole commit more than needed is dropped."""
    whole = b"".join(record(sha * 40, "1\t1\tx", "1\t1\ty") for sha in "abc")
    expected, each = parse_log(whole), len(whole) // 3

    for size in range(len(whole)):
        kept = parse_log(whole[:size], complete=False)

        assert kept == expected[: len(kept)]
        assert size // each - 1 <= len(kept) <= size // each


def test_bytes_that_are_not_utf8_keep_their_place() -> None:
    (commit,) = parse_log(record(A, "1\t1\tcaf\udce9.py", message="Caf\udce9"))

    assert (commit.subject, commit.files[0].path) == ("Caf\ufffd", "caf\ufffd.py")


def test_a_history_is_newest_first_whatever_the_order_given() -> None:
    history = History((a_commit("old", 3), a_commit("new", 1), a_commit("middle", 2)))

    assert [commit.subject for commit in history.commits] == ["new", "middle", "old"]


def test_paths_select_files_at_or_below_them_and_nothing_beside() -> None:
    history = a_history(a_commit("one", 2, "svc/a.py", "svc2/b.py"), a_commit("two", 1, "svc-old/c.py", "svc"))

    picked = history.of_paths(["svc"])

    assert [(c.subject, [f.path for f in c.files]) for c in picked] == [("two", ["svc"]), ("one", ["svc/a.py"])]
    assert history.of_paths([]) == history.commits


def test_an_id_is_found_by_its_beginning_unless_two_commits_share_it() -> None:
    history = a_history(a_commit("one", 1, sha="abc1" + "0" * 36), a_commit("two", 2, sha="abc2" + "0" * 36))

    found = history.find("abc1")

    assert found is not None
    assert found.subject == "one"
    assert history.find("abc") is None
    assert history.find("abd") is None


def test_commits_land_with_the_first_commit_of_the_main_line_that_has_them() -> None:
    """m1 - m2 - m4 - m5 is the main line; t1, t2 were merged by m4, and m5 is a plain commit after it."""
    graph = [("m1", ()), ("m2", ("m1",)), ("t1", ("m1",)), ("t2", ("t1",)), ("m4", ("m2", "t2")), ("m5", ("m4",))]
    nodes = [Node(float(at), sha, parents) for at, (sha, parents) in enumerate(graph)]

    landed = {sha: node.sha for sha, node in landings(nodes, "m5").items()}

    assert landed == {"m1": "m1", "m2": "m2", "t1": "m4", "t2": "m4", "m4": "m4", "m5": "m5"}


def test_text_of_a_repository_is_shown_on_one_printable_line() -> None:
    assert shown("a\x1b[31m\nb\u202ec\t d") == "a [31m b c d"
    assert shown("x" * 200, characters_max=10) == "x" * 9 + "…"
    assert a_commit("x", 1).citation.startswith("commit:")
    assert len(a_commit("x", 1).citation) == len("commit:") + 12
    assert NOW_S > 0
