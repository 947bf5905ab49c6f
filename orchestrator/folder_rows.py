"""Reading a run's tables back: which files of a folder count, and the rows in them."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pyarrow as pa

from budget.errors import RunDirectoryError
from orchestrator.local_files import NoFileError
from orchestrator.repair import Folder
from orchestrator.segments import DamagedError, Named, NewerError, batches_of, named, unfinished
from orchestrator.store_errors import RunChangedError, unusable, usable
from orchestrator.store_files import Files

log = logging.getLogger("muster.store")


def rows_of(folder: Folder) -> Iterator[pa.RecordBatch]:
    """All rows of a folder, in the order in which they were added. Files that are damaged are named and passed over.

    Raises RunDirectoryError when one cannot be read or is of a newer version, RunChangedError when one vanished.
    """
    for name in _current(folder):
        try:
            yield from batches_of(name, _read(folder, name), folder.schema, folder.place(name))
        except DamagedError as error:
            log.warning("%s is not read: %s", folder.shown(name), error)
        except NewerError as error:
            raise RunDirectoryError(f"{folder.shown(name)} was written by a newer version: {error}") from None


def files_in(files: Files, kind: str) -> list[tuple[Named, str]]:
    """The files of a folder that are ours by their names, and these. Raises RunDirectoryError."""
    with usable(files):
        return [(of, name) for name in files.names(kind) if (of := named(name))]


def _current(folder: Folder) -> list[str]:
    """The files that count, in order: the last whole Parquet and the segments after it."""
    known = sorted(files_in(folder.files, folder.name))
    if folder.name == "history":
        outcomes = [of for of, _ in files_in(folder.files, "outcomes")]
        return [name for of, name in known if not unfinished(of, outcomes)]
    tables = [(of, name) for of, name in known if of.kind == "parquet"]
    last = next((one for one in reversed(tables) if len(tables) == 1 or _is_whole(folder, one[1])), None)
    segments = [name for of, name in known if of.kind == "arrow" and (last is None or of.number > last[0].number)]
    return segments if last is None else [last[1], *segments]


def _is_whole(folder: Folder, name: str) -> bool:
    try:
        with usable(folder.files):
            folder.examine(name)
    except (DamagedError, NewerError):
        return False
    return True


def _read(folder: Folder, name: str) -> pa.Buffer:
    try:
        return folder.files.read(f"{folder.name}/{name}")
    except NoFileError as error:
        raise DamagedError(error.strerror) from None
    except FileNotFoundError:
        raise RunChangedError(f"{folder.shown(name)} has gone while it was to be read: look again") from None
    except OSError as error:
        raise unusable(folder.files, error) from None
