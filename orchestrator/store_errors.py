"""What can go wrong with a run directory, said so that whoever runs the batch knows what to do."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from budget.errors import RunDirectoryError
from orchestrator.object_files import reason_of
from orchestrator.store_files import Files


class RunChangedError(RunDirectoryError):
    """Whoever works on the run replaced files while they were read: what was read so far is not all."""


@contextmanager
def usable(files: Files) -> Iterator[None]:
    """While files are used: what the system says against it is raised as RunDirectoryError."""
    try:
        yield
    except OSError as error:
        raise unusable(files, error) from None


def unusable(files: Files, error: OSError) -> RunDirectoryError:
    """With the file that it is about, where the system names one. Raises nothing."""
    name = error.filename2 or error.filename
    about = f": {os.fsdecode(name)!r}" if isinstance(name, str | bytes) else ""
    return RunDirectoryError(
        f"run directory {files.shown!r} cannot be used ({reason_of(error)}{about}): what is in it is kept; make room "
        "or repair it, then `muster resume` it"
    )
