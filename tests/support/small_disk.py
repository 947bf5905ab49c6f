"""A file system of a few megabytes, in memory, that nobody else sees: to be filled, and to be made larger."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

MOUNT = 'mount -t tmpfs -o "size=$1" none "$2" && echo mounted && cat'


@dataclass(frozen=True, slots=True)
class SmallDisk:
    """`path` leads there from anywhere on this machine, as long as its holder lives."""

    path: Path
    mounted_at: Path
    holder: int

    def resize(self, kilobytes: int) -> None:
        inside = ["nsenter", "--preserve-credentials", "-U", "-m", "-t", str(self.holder)]
        subprocess.run([*inside, "mount", "-o", f"remount,size={kilobytes}k", self.mounted_at], check=True)


@contextmanager
def small_disk(folder: Path, kilobytes: int) -> Iterator[SmallDisk]:
    """A disk of this size, mounted in a namespace of its own. Skips the test where that is not allowed."""
    folder.mkdir()
    try:
        holder = subprocess.Popen(
            ["unshare", "-rm", "sh", "-c", MOUNT, "sh", f"{kilobytes}k", folder],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
    except FileNotFoundError:
        pytest.skip("there is no unshare here to mount a small disk with")
    assert holder.stdout is not None
    try:
        if holder.stdout.readline() != "mounted\n":
            pytest.skip("a small disk may not be mounted here: user namespaces are off")
        yield SmallDisk(Path(f"/proc/{holder.pid}/root{folder}"), folder, holder.pid)
    finally:
        holder.kill()
        holder.wait()
