"""A run directory on a disk of this machine. A file is durable when its bytes, its name and its folder's entry are."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from budget.journal import sync_folder

LOCK = ".lock"
MAPPED_BYTES_MIN = 1 << 18
SPARE = ".spare"
SPARE_BYTES = 16 << 20  # a thousand sessions that end at once leave some 10 MB; the rest is for ledger and report
FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
NO_FILES = {errno.ELOOP: "it is a link", errno.ENXIO: "it is a socket"}
LOCK_WAIT_S = 1.0  # for a glance at the lock by somebody who only looks


class NoFileError(OSError):
    """A folder, a link or a pipe where a file should be."""


@dataclass(slots=True)
class LocalFiles:
    """A folder, the lock in it, and room that whoever holds the lock has set aside there for a disk that fills up."""

    path: Path
    spare_used: bool = False
    _lock: Any = None

    @property
    def shown(self) -> str:
        return str(self.path)

    @property
    def scratch(self) -> Path | None:
        return self.path

    def prepare(self, folders: tuple[str, ...]) -> None:
        for folder in folders:
            (self.path / folder).mkdir(parents=True, exist_ok=True)

    def names(self, folder: str) -> list[str]:
        try:
            return sorted(entry.name for entry in os.scandir(self.path / folder))
        except FileNotFoundError:
            return []

    def exists(self, name: str) -> bool:
        return (self.path / name).is_file()

    def folders(self) -> list[str]:
        return sorted(entry.name for entry in os.scandir(self.path) if entry.is_dir())

    def below(self, folder: str) -> LocalFiles:
        return LocalFiles(self.path / folder)

    def read(self, name: str) -> pa.Buffer:
        """Mapped where it is large; no file stays open. What is no file of its own (a link, a folder) is not followed.

        A process may have some 65,000 mappings, and a run that took weeks many small segments.
        """
        try:
            descriptor = os.open(self.path / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError as error:
            raise (NoFileError(error.errno, NO_FILES[error.errno]) if error.errno in NO_FILES else error) from None
        try:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                raise NoFileError(errno.EINVAL, "it is no regular file")
            if found.st_size < MAPPED_BYTES_MIN:
                return pa.py_buffer(os.read(descriptor, found.st_size))
            with pa.memory_map(str(self.path / name), "r") as mapped:
                return mapped.read_buffer()
        finally:
            os.close(descriptor)

    def put(self, name: str, data: bytes | pa.Buffer, *, durable: bool) -> None:
        try:
            self._put(name, data, durable)
        except OSError as error:
            if error.errno not in FULL or not (self.path / SPARE).exists():
                raise
            self.spare_used = True
            self.give_back()
            self._put(name, data, durable)

    def _put(self, name: str, data: bytes | pa.Buffer, durable: bool) -> None:
        target = self.path / name
        temporary = target.with_name(f".{target.name}.tmp")
        try:
            with temporary.open("wb") as file:
                file.write(data)
                file.flush()
                if durable:
                    os.fsync(file.fileno())
            temporary.replace(target)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise
        if durable:
            sync_folder(target.parent)

    def settle(self, folder: str) -> None:
        if (self.path / folder).is_dir():
            sync_folder(self.path / folder)

    def move(self, name: str, to: str) -> None:
        (self.path / to).parent.mkdir(parents=True, exist_ok=True)
        (self.path / name).rename(self.path / to)

    def remove(self, name: str) -> None:
        (self.path / name).unlink(missing_ok=True)

    def lock(self) -> bool:
        self._lock = (self.path / LOCK).open("a+")
        give_up_s = time.monotonic() + LOCK_WAIT_S
        while True:
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._set_aside()
                return True
            except BlockingIOError:
                if time.monotonic() > give_up_s:
                    self.unlock()
                    return False
                time.sleep(0.02)

    def locked(self) -> bool:
        try:
            with (self.path / LOCK).open("r") as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:  # none was ever taken here, or none can be
            return False
        return False

    def _set_aside(self) -> None:
        """Take room for what is under way when the disk is full. Raises OSError when it is full already."""
        descriptor = os.open(self.path / SPARE, os.O_WRONLY | os.O_CREAT, 0o644)
        try:
            os.posix_fallocate(descriptor, 0, SPARE_BYTES)
        except OSError as error:
            self.give_back()
            if error.errno in FULL:
                raise
        finally:
            os.close(descriptor)

    def give_back(self) -> None:
        (self.path / SPARE).unlink(missing_ok=True)

    def unlock(self) -> None:
        if self._lock is not None:
            self.give_back()
            self._lock.close()
            self._lock = None
