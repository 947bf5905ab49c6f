"""The journal's lines: what was written whole comes back, a torn end is cut off, damage is never passed over."""

from __future__ import annotations

import json
import os
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from budget.commands import Close, Command, Expire, ExpireOwner, Open, Reconcile, Renew, Reserve, SetLimit, Verdict
from budget.errors import JournalError
from budget.journal import Journal, framed, whole_records
from budget.snapshot import snapshot
from budget.wire import commands_read, commands_written

TIME_MS = 1_790_000_000_000
COMMANDS: list[Command] = [
    Open("batch", None, 1000, None, (50,), "client"),
    Open("run", "batch", None, None, ()),
    Reserve("t#1", "run", 100, 0, "h", 3, True),
    Reserve("t#2", "run", 950, None, "höst \n\udc80", 3, False),
    Reserve("t#3", "run", 950, 5),
    Reconcile("t#1", 10, None),
    Expire(("t#3",)),
    ExpireOwner("h", "batch"),
    SetLimit("batch", 2000, None),
    Renew("batch", "2026-11"),
    Close("run"),
]


def carried_out(folder: Path, commands: list[Command]) -> dict[str, Any]:
    """Write commands to the folder's journal one by one, carry them out, and close it."""
    journal = Journal(folder, clock=lambda: 0.0)
    for command in commands:
        journal.append([commands_written([command])])
        journal.ledger.apply(command)
    state = snapshot(journal.ledger)
    journal.close()
    return state


def reopened(folder: Path) -> dict[str, Any]:
    journal = Journal(folder)
    try:
        journal.ledger.check()
        return snapshot(journal.ledger)
    finally:
        journal.close()


def test_commands_come_back_as_they_were_written() -> None:
    """Every kind, with empty fields and names of any letters."""
    assert commands_read(commands_written(COMMANDS)) == COMMANDS


def test_a_line_can_be_read_without_this_program() -> None:
    """Checksum, time in milliseconds, and JSON."""
    checksum, time_ms, payload = framed(b'[["close","run"]]', TIME_MS).split(b" ", 2)

    assert (len(checksum), int(time_ms), json.loads(payload)) == (8, TIME_MS, [["close", "run"]])


@given(cut=st.integers(0, 2000))
def test_cut_at_any_byte_the_whole_lines_come_back(cut: int) -> None:
    """However little of the last line reached the disk."""
    lines = [framed(commands_written([command]), TIME_MS) for command in COMMANDS]
    data = b"".join(lines)[:cut]

    payloads, good_bytes = whole_records(data)

    whole = [line for n, line in enumerate(lines) if sum(map(len, lines[: n + 1])) <= cut]
    assert payloads == [commands_written([command]) for command in COMMANDS[: len(whole)]]
    assert good_bytes == sum(map(len, whole))


@given(place=st.integers(0, 10_000), mask=st.integers(1, 255))
def test_a_changed_byte_is_never_taken_for_money(place: int, mask: int) -> None:
    """In the last line it looks torn, and is cut; before it, it is an error that names the byte."""
    lines = [framed(commands_written([command]), TIME_MS) for command in COMMANDS]
    data = bytearray(b"".join(lines))
    place %= len(data)
    data[place] ^= mask
    last_line_at = len(data) - len(lines[-1])

    if place < last_line_at - 1:
        with pytest.raises(JournalError, match="is damaged at byte"):
            whole_records(bytes(data))
    else:
        payloads, _ = whole_records(bytes(data))
        assert payloads == [commands_written([command]) for command in COMMANDS[: len(payloads)]]
        assert len(payloads) < len(COMMANDS)


def test_a_ledger_comes_back_from_its_folder(tmp_path: Path) -> None:
    """With its holds, its line, its closed names and its alerts."""
    assert reopened(tmp_path) == snapshot(Journal(tmp_path / "empty").ledger)

    state = carried_out(tmp_path, COMMANDS)

    assert reopened(tmp_path) == state


def test_a_torn_end_is_cut_off_and_written_over(tmp_path: Path) -> None:
    """What follows a torn line would otherwise be lost with it."""
    state = carried_out(tmp_path, COMMANDS[:3])
    with (tmp_path / "journal-000000.log").open("ab") as file:
        file.write(framed(commands_written([COMMANDS[3]]), TIME_MS)[:-5])
    assert reopened(tmp_path) == state

    after = carried_out(tmp_path, COMMANDS[4:6])

    assert reopened(tmp_path) == after


def test_damage_in_the_middle_stops_the_ledger(tmp_path: Path) -> None:
    """Money was counted there: nobody may go on as if it had not been."""
    carried_out(tmp_path, COMMANDS)
    path = tmp_path / "journal-000000.log"
    data = bytearray(path.read_bytes())
    data[20] ^= 1
    path.write_bytes(data)

    with pytest.raises(JournalError, match=r"journal-000000\.log is damaged at byte 0"):
        Journal(tmp_path)

    assert path.read_bytes() == bytes(data)


def test_a_compacted_journal_answers_as_before(tmp_path: Path) -> None:
    """The snapshot takes the place of all that led to it; the old files go."""
    journal = Journal(tmp_path)
    for command in COMMANDS[:5]:
        journal.append([commands_written([command])])
        journal.ledger.apply(command)
    journal.compact(snapshot(journal.ledger))
    for command in COMMANDS[5:]:
        journal.append([commands_written([command])])
        journal.ledger.apply(command)
    state = snapshot(journal.ledger)
    journal.close()

    assert reopened(tmp_path) == state
    assert sorted(path.name for path in tmp_path.iterdir()) == ["journal-000001.log", "lock", "snapshot-000001.log"]


def test_a_crash_while_compacting_leaves_one_whole_pair(tmp_path: Path) -> None:
    """Before the rename the old pair counts, after it the new one, though its journal is not there yet."""
    carried_out(tmp_path, COMMANDS[:5])
    (tmp_path / "snapshot.tmp").write_bytes(b"half a snap")
    before = reopened(tmp_path)
    journal = Journal(tmp_path)
    journal.compact(snapshot(journal.ledger))
    journal.close()
    (tmp_path / "journal-000001.log").unlink()
    (tmp_path / "journal-000000.log").write_bytes(b"")

    assert reopened(tmp_path) == before


@pytest.mark.parametrize("harm", ["remove", "damage"])
def test_a_missing_or_damaged_snapshot_stops_the_ledger(tmp_path: Path, harm: str) -> None:
    """The journal after it means nothing without it."""
    journal = Journal(tmp_path)
    journal.compact(snapshot(journal.ledger))
    journal.close()
    path = tmp_path / "snapshot-000001.log"
    if harm == "remove":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-2])

    with pytest.raises(JournalError, match=r"snapshot-000001\.log is (missing|damaged)"):
        Journal(tmp_path)


def test_compaction_comes_when_the_journal_outgrows_its_snapshot(tmp_path: Path) -> None:
    """Not before a least size, so that small ledgers are never rewritten."""
    journal = Journal(tmp_path)
    line = commands_written([Reserve("t", "nobody", 1, 1)] * 100_000)
    wants = []
    for _ in range(5):
        journal.append([line])
        wants.append(journal.wants_compaction)
    journal.close()

    assert (wants[0], wants[-1]) == (False, True)


def test_a_full_disk_is_said_and_costs_nothing_that_was_written(tmp_path: Path) -> None:
    """The half-written group is taken back, and writing goes on when there is room again."""
    journal = Journal(tmp_path)
    journal.append([commands_written([COMMANDS[0]])])
    size = (tmp_path / "journal-000000.log").stat().st_size
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 10, hard))
    try:
        with pytest.raises(JournalError, match="File too large; make room, resume"):
            journal.append([commands_written([COMMANDS[1]])])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    journal.append([commands_written([COMMANDS[1]])])
    journal.close()

    state = reopened(tmp_path)

    assert [account[0][0] for account in state["accounts"]] == ["batch", "run"]


@pytest.mark.parametrize(
    "payload",
    [
        b'[["transfer","a","b"]]',
        b"[[]]",
        b"7",
        b'{"a":1}',
        b'[["reserve","t#9","run","many",0]]',
        b"[" * 100_000,
        b"\xff",
    ],
)
def test_lines_of_something_else_are_named_as_no_ledger(tmp_path: Path, payload: bytes) -> None:
    """A journal of another program, or of a later version, is not half understood, however it is wrong."""
    carried_out(tmp_path, COMMANDS[:3])
    with (tmp_path / "journal-000000.log").open("ab") as journal:
        journal.write(framed(payload, TIME_MS))

    with pytest.raises(JournalError, match=r"journal-000000\.log is no ledger of this version .* restore it"):
        Journal(tmp_path)


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_a_journal_that_is_no_file_is_refused_at_once(tmp_path: Path, make: Callable[[Path], None]) -> None:
    """A pipe would be waited for until somebody writes into it."""
    make(tmp_path / "journal-000000.log")

    with pytest.raises(JournalError, match=r"journal-000000\.log is no file: restore it"):
        Journal(tmp_path)


def test_names_with_other_digits_are_no_journals(tmp_path: Path) -> None:
    """Who reads a folder with its own alphabet finds no number there."""
    (tmp_path / "journal-\u00b2\u00b3.log").write_text("")

    Journal(tmp_path).close()


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    """As an error of the caller, not as a traceback of the system."""
    (tmp_path / "file").write_text("")

    with pytest.raises(JournalError, match=r"file cannot be used \(File exists\): it has to be this user's"):
        Journal(tmp_path / "file")


def test_answers_after_a_restart_are_those_before_it(tmp_path: Path) -> None:
    """Whoever says a command again, after the answer was lost with the process, learns what became of it."""
    carried_out(tmp_path, COMMANDS[:6])
    journal = Journal(tmp_path)

    answers = [journal.ledger.apply(command).verdict for command in COMMANDS[:6]]

    assert answers == [Verdict.OPEN, Verdict.OPEN, Verdict.RECONCILED, Verdict.SKIPPED, Verdict.HELD, 3]
    journal.close()
