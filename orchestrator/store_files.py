"""Where a run directory lies: on this machine's disk, or wherever `pyarrow.fs` reaches. Whole files or none of them."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, cast

import pyarrow as pa
from pyarrow import fs

from budget.errors import RunDirectoryError

LOCK = ".lock"
LOCK_WAIT_S = 1.0  # for a glance at the lock by somebody who only looks
LEASE_S = 120.0  # of an object store's lock: it is renewed while its holder writes, and lapses when it is gone
RENEW_S = 30.0


class Files(Protocol):
    """The files of one run directory, by names relative to it. Errors of the system pass as OSError."""

    @property
    def shown(self) -> str:
        """How the directory is named to people; without credentials."""
        ...

    def prepare(self, folders: tuple[str, ...]) -> None: ...

    def names(self, folder: str) -> list[str]:
        """Names of the files in a folder, sorted; empty when there is none."""
        ...

    def read(self, name: str) -> pa.Buffer: ...

    def put(self, name: str, data: bytes | pa.Buffer, *, durable: bool) -> None:
        """A whole file, or what was there before: never a half. Durable when it says so and has returned."""
        ...

    def settle(self, folder: str) -> None:
        """Make durable what is seen in a folder: who wrote it may have died between a rename and its sync."""
        ...

    def move(self, name: str, to: str) -> None: ...

    def remove(self, name: str) -> None: ...

    def lock(self) -> bool:
        """Take the directory for this process. False when another has it."""
        ...

    def locked(self) -> bool:
        """Whether a process works on the directory, as far as can be told without taking it."""
        ...

    def unlock(self) -> None: ...


def files_at(place: Path | str | Files) -> Files:
    """The files at a path or a URI. Raises RunDirectoryError for a URI that nothing here can read."""
    if not isinstance(place, Path | str):
        return place
    text = str(place)
    if "://" not in text:
        return LocalFiles(Path(text))
    try:
        system, base = fs.FileSystem.from_uri(text)
    except (ValueError, OSError, NotImplementedError) as error:
        reason = " ".join(str(error).split())[:200]
        raise RunDirectoryError(f"run directory {without_credentials(text)!r} cannot be reached: {reason}") from None
    if isinstance(system, fs.LocalFileSystem):
        return LocalFiles(Path(base))
    return ObjectFiles(system, base, without_credentials(text))


def without_credentials(uri: str) -> str:
    """A URI as it may be shown: no user, no password, no parameters."""
    scheme, _, rest = uri.partition("://")
    head, slash, tail = rest.partition("?")[0].partition("/")
    return f"{scheme}://{head.rpartition('@')[2]}{slash}{tail}"


@dataclass(slots=True)
class LocalFiles:
    """A folder of this machine. A file is durable when its bytes, its name and its folder's entry are."""

    path: Path
    _lock: Any = None

    @property
    def shown(self) -> str:
        return str(self.path)

    def prepare(self, folders: tuple[str, ...]) -> None:
        for folder in folders:
            (self.path / folder).mkdir(parents=True, exist_ok=True)

    def names(self, folder: str) -> list[str]:
        try:
            return sorted(entry.name for entry in os.scandir(self.path / folder) if entry.is_file())
        except FileNotFoundError:
            return []

    def read(self, name: str) -> pa.Buffer:
        with pa.memory_map(str(self.path / name), "r") as file:
            return file.read_buffer()

    def put(self, name: str, data: bytes | pa.Buffer, *, durable: bool) -> None:
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
            _sync_folder(target.parent)

    def settle(self, folder: str) -> None:
        if (self.path / folder).is_dir():
            _sync_folder(self.path / folder)

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
                return True
            except OSError:
                if time.monotonic() > give_up_s:
                    self.unlock()
                    return False
                time.sleep(0.02)

    def locked(self) -> bool:
        try:
            with (self.path / LOCK).open("r") as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except OSError:
            return True
        return False

    def unlock(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None


@dataclass(slots=True)
class ObjectFiles:
    """A prefix in an object store, or a folder of any other file system that `pyarrow.fs` knows.

    Its lock is a lease: an object that names its holder and until when. Two processes that take it within the same
    moment are told apart by reading it back; no store is asked for more than to read what was written.
    """

    system: fs.FileSystem
    base: str
    shown_as: str
    _token: str = field(default_factory=lambda: uuid.uuid4().hex)
    _renewed_s: float = 0.0  # 0: not held

    @property
    def shown(self) -> str:
        return self.shown_as

    @property
    def _is_object_store(self) -> bool:
        return self.system.type_name in ("s3", "gcs", "abfs")

    def prepare(self, folders: tuple[str, ...]) -> None:
        if not self._is_object_store:
            for folder in folders:
                self.system.create_dir(f"{self.base}/{folder}", recursive=True)

    def names(self, folder: str) -> list[str]:
        selector = fs.FileSelector(f"{self.base}/{folder}", allow_not_found=True)
        return sorted(info.base_name for info in self.system.get_file_info(selector) if info.is_file)

    def read(self, name: str) -> pa.Buffer:
        with self.system.open_input_file(f"{self.base}/{name}") as file:
            return file.read_buffer()

    def put(self, name: str, data: bytes | pa.Buffer, *, durable: bool) -> None:  # noqa: ARG002  (a put is durable)
        if self._renewed_s and time.time() - self._renewed_s > RENEW_S:
            self._write_lease()
        self._put(name, data)

    def settle(self, folder: str) -> None:
        """What is seen in an object store is durable."""

    def move(self, name: str, to: str) -> None:
        if not self._is_object_store:
            self.system.create_dir(f"{self.base}/{to}".rpartition("/")[0], recursive=True)
        self.system.move(f"{self.base}/{name}", f"{self.base}/{to}")

    def remove(self, name: str) -> None:
        self.system.delete_file(f"{self.base}/{name}")

    def lock(self) -> bool:
        if self.locked():
            return False
        self._write_lease()
        return bool(self._lease().get("token") == self._token)

    def locked(self) -> bool:
        lease = self._lease()
        if not lease or lease.get("token") == self._token:
            return False
        here = lease.get("host") == socket.gethostname()
        if here and not Path(f"/proc/{lease.get('pid')}").exists() and Path("/proc/self").exists():
            return False  # its holder is gone
        return float(lease.get("until_s", 0.0)) > time.time()

    def unlock(self) -> None:
        if self._renewed_s and self._lease().get("token") == self._token:
            self.remove(LOCK)
        self._renewed_s = 0.0

    def _put(self, name: str, data: bytes | pa.Buffer) -> None:
        """In an object store an object appears when it is whole; elsewhere a rename makes it so."""
        target = f"{self.base}/{name}"
        folder, _, own = target.rpartition("/")
        written = target if self._is_object_store else f"{folder}/.{own}.tmp"
        with self.system.open_output_stream(written) as file:
            file.write(data)
        if written != target:
            self.system.move(written, target)

    def _lease(self) -> dict[str, Any]:
        try:
            return cast(dict[str, Any], json.loads(self.read(LOCK).to_pybytes()))
        except (FileNotFoundError, ValueError):
            return {}

    def _write_lease(self) -> None:
        now_s = time.time()
        holder = {"token": self._token, "host": socket.gethostname(), "pid": os.getpid(), "until_s": now_s + LEASE_S}
        self._put(LOCK, json.dumps(holder).encode())
        self._renewed_s = now_s


def _sync_folder(folder: Path) -> None:
    """Make a rename durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
