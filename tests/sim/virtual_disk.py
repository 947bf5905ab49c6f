"""A disk that forgets: what was not synced may be gone, or torn, after the machine has died."""

from __future__ import annotations

import errno
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa


class Died(BaseException):
    """The machine died in the middle of something."""


@dataclass(slots=True)
class _File:
    data: bytes
    safe: bool  # bytes and name are on the disk, whatever happens
    synced: bool = False  # the bytes are


@dataclass(slots=True)
class VirtualDisk:
    """The `Files` of a run directory. `dies` is asked at each step of a write, `full` before it."""

    dice: random.Random
    dies: Callable[[str], bool] = lambda _: False
    full: Callable[[], bool] = lambda: False
    shown: str = "disk"
    _files: dict[str, _File] = field(default_factory=dict)
    _holder: bool = False

    def prepare(self, folders: tuple[str, ...]) -> None:
        pass

    def names(self, folder: str) -> list[str]:
        prefix = f"{folder}/" if folder else ""
        own = (name[len(prefix) :] for name in self._files if name.startswith(prefix))
        return sorted(name for name in own if "/" not in name)

    @property
    def spare_used(self) -> bool:
        return False

    def give_back(self) -> None:
        """A disk that is full has no room set aside here: the harder case."""

    @property
    def scratch(self) -> Path | None:
        return None

    def exists(self, name: str) -> bool:
        return name in self._files

    def folders(self) -> list[str]:
        return sorted({name.partition("/")[0] for name in self._files if "/" in name})

    def below(self, folder: str) -> VirtualDisk:
        raise NotImplementedError(folder)

    def read(self, name: str) -> pa.Buffer:
        if name not in self._files:
            raise FileNotFoundError(name)
        return pa.py_buffer(self._files[name].data)

    def put(self, name: str, data: bytes | pa.Buffer, *, durable: bool) -> None:
        whole = bytes(memoryview(data))
        folder, _, own = name.rpartition("/")
        temporary = f"{folder}/.{own}.tmp" if folder else f".{own}.tmp"
        if self.full():
            raise OSError(errno.ENOSPC, "No space left on device")
        self._files[temporary] = _File(whole, False)
        self._step("written")
        self._step("synced")
        del self._files[temporary]
        # The name may reach the disk before the bytes of a file that nobody synced.
        self._files[name] = _File(whole, False, synced=durable)
        self._step("renamed")
        self._files[name].safe = durable

    def settle(self, folder: str) -> None:
        for name in self.names(folder):
            file = self._files[f"{folder}/{name}" if folder else name]
            file.safe = file.safe or file.synced

    def move(self, name: str, to: str) -> None:
        self._files[to] = self._files.pop(name)

    def remove(self, name: str) -> None:
        self._files.pop(name, None)

    def lock(self) -> bool:
        taken, self._holder = self._holder, True
        return not taken

    def locked(self) -> bool:
        return self._holder

    def unlock(self) -> None:
        self._holder = False

    def process_dies(self) -> None:
        """What was written stays: the system still has it."""
        self._holder = False

    def machine_dies(self) -> None:
        """What was not synced is there, torn, or gone, as it happens; of what was, only the name may be lost."""
        self._holder = False
        for name, file in list(self._files.items()):
            if file.safe:
                continue
            fate = self.dice.choice(("there", "torn", "empty", "gone"))
            if fate == "gone":
                del self._files[name]
            elif fate != "there":
                cut = 0 if fate == "empty" else self.dice.randrange(len(file.data) + 1)
                if not file.synced:  # bytes that were synced before their name are there whenever the name is
                    self._files[name] = _File(file.data[:cut], True)
            if name in self._files:
                self._files[name].safe = True

    def _step(self, at: str) -> None:
        if self.dies(at):
            raise Died(at)
