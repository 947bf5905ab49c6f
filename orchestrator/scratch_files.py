"""Files that are too large to be held whole: made on this machine's disk first, and nobody's until they are."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa

from orchestrator.store_files import Files

SCRATCH = ".compaction-"


@contextmanager
def scratch_folder(files: Files) -> Iterator[Path]:
    """A folder that is gone afterwards: in the run directory where that lies on this machine."""
    with tempfile.TemporaryDirectory(prefix=SCRATCH, dir=files.scratch) as folder:
        yield Path(folder)


def remove_scratch(files: Files) -> None:
    """Remove what a process that was killed has left."""
    if files.scratch is not None:
        for left in files.scratch.glob(f"{SCRATCH}*"):
            if left.is_dir() and not left.is_symlink():
                shutil.rmtree(left)


def put_parts(files: Files, name: str, parts: Iterable[bytes]) -> None:
    """A whole file out of parts that come one after the other, durably; or the one before it. Raises OSError."""
    with scratch_folder(files) as folder:
        made = folder / "whole"
        with made.open("wb") as file:
            file.writelines(parts)
            file.flush()
            os.fsync(file.fileno())
        if files.scratch is None:
            with pa.memory_map(str(made), "r") as whole:
                files.put(name, whole.read_buffer(), durable=True)
        else:
            files.move(str(made.relative_to(files.scratch)), name)
            files.settle("")
