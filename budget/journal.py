"""The ledger's files: every batch is on the disk before it is answered, and the state comes back from there.

    FOLDER/lock                 held by the one process that writes here
    FOLDER/journal-000007.log   one line a batch:  <crc32 of what follows> <unix time in ms> <commands as JSON>
    FOLDER/snapshot-000007.log  one such line: the state in which journal 7 began (there is none for journal 0)

A batch whose last bytes are missing was never answered, and is cut off. Damage before the last batch is an error:
whoever repairs it must know that money was counted there.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zlib import crc32

from budget.errors import JournalError
from budget.ledger import BudgetLedger
from budget.snapshot import restored
from budget.wire import commands_read

COMPACT_BYTES_MIN = 16 << 20  # a journal is replaced by a snapshot when it is this large, and
COMPACT_RATIO = 4  # this many times the last snapshot: so that compaction costs a constant share of writing
LOCK_WAIT_S = 10.0  # for a process that was killed just now to be gone
_USABLE = "it has to be this user's to write, with room on its disk"
_MEND = "restore it from a copy; without one, what was spent here is known to outcomes/ and to the provider alone"


def framed(payload: bytes, time_ms: int) -> bytes:
    """One line of a journal."""
    rest = b"%d %s\n" % (time_ms, payload)
    return b"%08x %s" % (crc32(rest), rest)


def whole_records(data: bytes, *, name: str = "journal") -> tuple[list[bytes], int]:
    """The payloads of a journal's whole lines, and the bytes that they take; what follows those is a torn last line.

    Raises: JournalError, when a line is damaged and a whole one follows it.
    """
    payloads: list[bytes] = []
    good_bytes = 0
    for line in data.splitlines(keepends=True):
        payload = _payload(line)
        if payload is None:
            break
        payloads.append(payload)
        good_bytes += len(line)
    later = data[good_bytes:].splitlines(keepends=True)[1:]
    if any(_payload(line) is not None for line in later):
        raise JournalError(
            f"{name} is damaged at byte {good_bytes} and goes on after it: "
            "restore the file, or cut it there and count what follows by hand"
        )
    return payloads, good_bytes


class Journal:
    """The open journal of one ledger. Not for more than one thread at a time."""

    def __init__(
        self, folder: Path, *, clock: Callable[[], float] = time.time, lock_wait_s: float = LOCK_WAIT_S
    ) -> None:
        """Take the folder, read the ledger back into `self.ledger`, cut a torn last line off.

        Raises: JournalError, when the folder is in use, damaged or not writable.
        """
        self._folder, self._clock = folder, clock
        self._broken = ""
        self._file = self._lock = -1
        self.ledger = BudgetLedger()
        try:
            self._open(lock_wait_s)
        except OSError as error:
            self.close()
            named = error.filename or folder
            said = error.strerror or error
            raise JournalError(f"{named} cannot be used ({said}): {_USABLE}") from error
        except JournalError:
            self.close()
            raise

    def append(self, payloads: Sequence[bytes]) -> None:
        """Write batches down, and return when they are on the disk. If that fails, none of them is.

        Raises: JournalError; after a failed fsync nothing more is accepted, as nobody knows what the disk holds.
        """
        if self._broken:
            raise JournalError(self._broken)
        now_ms = int(self._clock() * 1000)
        data = b"".join(framed(payload, now_ms) for payload in payloads)
        try:
            _write_all(self._file, data)
        except OSError as error:
            self._take_back()
            raise JournalError(f"the ledger in {self._folder} cannot be written: {error}; make room, resume") from error
        try:
            os.fdatasync(self._file)
        except OSError as error:
            self._broken = f"the ledger in {self._folder} could not be made durable: {error}; resume from it anew"
            raise JournalError(self._broken) from error
        self._bytes += len(data)

    def _take_back(self) -> None:
        """Cut off what a failed write left; if even that fails, nothing may be written behind it."""
        try:
            os.ftruncate(self._file, self._bytes)
        except OSError as error:
            self._broken = f"the ledger in {self._folder} cannot be repaired: {error}; resume from it anew"

    @property
    def wants_compaction(self) -> bool:
        return self._bytes > max(COMPACT_BYTES_MIN, COMPACT_RATIO * self._snapshot_bytes)

    def compact(self, state: dict[str, Any]) -> None:
        """Begin a new journal from a ledger's state (its `snapshot`), which all that was appended so far has led to.

        A crash at any moment leaves either the old pair of files or the new one.
        """
        try:
            self._compact(framed(json.dumps(state).encode("ascii"), int(self._clock() * 1000)))
        except OSError as error:
            self._broken = f"the ledger in {self._folder} could not be compacted: {error}; make room, resume"
            raise JournalError(self._broken) from error

    def close(self) -> None:
        for descriptor in (self._file, self._lock):
            if descriptor >= 0:
                os.close(descriptor)
        self._file = self._lock = -1

    def _open(self, lock_wait_s: float) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._lock = _locked(self._folder / "lock", lock_wait_s)
        self._number, self._snapshot_bytes = self._read_snapshot()
        self._open_file(self._read_journal())
        self._remove_others()

    def _compact(self, data: bytes) -> None:
        number = self._number + 1
        temporary = self._folder / "snapshot.tmp"
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(self._snapshot_path(number))
        os.close(self._file)
        self._number, self._snapshot_bytes = number, len(data)
        self._open_file(0)
        self._remove_others()

    def _read_snapshot(self) -> tuple[int, int]:
        """Restore the last snapshot; returns its number and its bytes."""
        numbers = sorted(_numbers(self._folder, "snapshot"))
        journals = sorted(_numbers(self._folder, "journal"))
        number = numbers[-1] if numbers else 0
        if journals and journals[-1] > number:
            raise JournalError(f"{self._snapshot_path(journals[-1])} is missing: its journal means nothing without it")
        if not numbers:
            return 0, 0
        path = self._snapshot_path(number)
        data = _bytes_of(path)
        payload = _payload(data)
        if payload is None:
            raise JournalError(f"{path} is damaged: restore it from a copy")
        with _understood(path):
            self.ledger = restored(json.loads(payload))
        return number, len(data)

    def _read_journal(self) -> int:
        """Carry the journal's batches out again; returns the bytes of its whole lines."""
        path = self._journal_path(self._number)
        if not path.exists():
            return 0
        payloads, good_bytes = whole_records(_bytes_of(path), name=str(path))
        with _understood(path):
            for payload in payloads:
                for command in commands_read(payload):
                    self.ledger.answers(command)
        return good_bytes

    def _open_file(self, good_bytes: int) -> None:
        path = self._journal_path(self._number)
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self._bytes = good_bytes
        os.ftruncate(self._file, good_bytes)
        os.fsync(self._file)
        sync_folder(self._folder)

    def _remove_others(self) -> None:
        for kind in ("snapshot", "journal"):
            for number in _numbers(self._folder, kind):
                if number != self._number:
                    (self._folder / f"{kind}-{number:06d}.log").unlink()

    def _journal_path(self, number: int) -> Path:
        return self._folder / f"journal-{number:06d}.log"

    def _snapshot_path(self, number: int) -> Path:
        return self._folder / f"snapshot-{number:06d}.log"


def _payload(line: bytes) -> bytes | None:
    """A line's commands, or None when the line is not as it was written."""
    if not line.endswith(b"\n") or len(line) < 12:
        return None
    crc, rest = line[:8], line[9:]
    if line[8:9] != b" " or crc != b"%08x" % crc32(rest):
        return None
    return rest[rest.index(b" ") + 1 : -1]


def _bytes_of(path: Path) -> bytes:
    """A whole file. A pipe or a device would be waited for: it is refused."""
    if not path.is_file():
        raise JournalError(f"{path} is no file: {_MEND}")
    return path.read_bytes()


@contextmanager
def _understood(path: Path) -> Iterator[None]:
    """What lies here is whole, and may still be of another program or another version: it means nothing to us."""
    try:
        yield
    except Exception as error:
        raise JournalError(f"{path} is no ledger of this version ({error!r:.200}): {_MEND}") from error


def _numbers(folder: Path, kind: str) -> Iterator[int]:
    for path in folder.glob(f"{kind}-*.log"):
        number = path.stem.removeprefix(f"{kind}-")
        if number.isdecimal() and number.isascii():
            yield int(number)


def _locked(path: Path, wait_s: float) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    give_up_s = time.monotonic() + wait_s
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return descriptor
        except BlockingIOError:
            if time.monotonic() > give_up_s:
                os.close(descriptor)
                raise JournalError(f"the ledger in {path.parent} is in use by another process") from None
            time.sleep(0.05)


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def sync_folder(folder: Path) -> None:
    """Make what was created, renamed or removed in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
