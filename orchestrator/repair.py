"""Opening a run directory again: what cannot be believed is set aside by name, and what is missing is said."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import pyarrow as pa

from budget.errors import RunDirectoryError
from orchestrator.local_files import NoFileError
from orchestrator.segments import DamagedError, ForeignError, Named, NewerError, Stamp, examine, named, unfinished
from orchestrator.store_files import Files

log = logging.getLogger("muster.store")

ASIDE = "set-aside"
SEGMENTS_OF_DRIVER = 10_000_000  # one a second for a third of a year
GAPS_SHOWN_MAX = 5


@dataclass(frozen=True, slots=True)
class Folder:
    """One folder of a run's tables. `run` is the run's id, empty where it has none."""

    files: Files
    name: str
    schema: pa.Schema
    run: str

    def examine(self, name: str) -> None:
        """Raises DamagedError, ForeignError, NewerError, and OSError when the place cannot be read."""
        try:
            examine(name, self.files.read(f"{self.name}/{name}"), self.schema, self.place(name))
        except NoFileError as error:
            raise DamagedError(error.strerror) from None

    def place(self, name: str) -> Stamp:
        of = named(name)
        return Stamp(self.run, self.name, of.number if of else 0)

    def shown(self, name: str) -> str:
        return f"{self.files.shown.partition('?')[0]}/{self.name}/{name}"


def repair(folder: Folder, *, outcomes: Sequence[Named] = ()) -> int:
    """Set aside what is torn, changed or foreign. Gives the highest number of what stays, and of any Parquet.

    Whoever brings a Parquet back finds nothing below it that it does not hold. Other numbers may be made up.

    `outcomes`: for the history, what lies there; a history that a compaction left before its end is set aside.

    Raises RunDirectoryError when all that is there is another run's, or of a newer version; then nothing was moved.
    """
    names = list(_without_leftovers(folder))
    damaged = {name: error for name in names if (error := _damage(folder, name, outcomes)) is not None}
    foreign = [error for error in damaged.values() if isinstance(error, ForeignError)]
    if foreign and len(damaged) == len(names):
        raise RunDirectoryError(
            f"{folder.files.shown}/manifest.json is of run {folder.run!r}, and of the files in {folder.name} none is "
            f"({foreign[0]}): restore what belongs there"
        )
    for name, error in damaged.items():
        aside = _aside(folder, name)
        folder.files.move(f"{folder.name}/{name}", aside)
        log.warning("%s is set aside as %s: %s", folder.shown(name), aside, error)
    used = [of for name in names if (of := named(name)) and (name not in damaged or of.kind == "parquet")]
    return max((of.number for of in used), default=0)


def say_gaps(folder: Folder) -> None:
    """Segments that were there once and are not: nobody but who removed them can bring them back."""
    have = [of for name in folder.files.names(folder.name) if (of := named(name))]
    prefix = f"{folder.name}-"
    names = [one.removeprefix(prefix).partition(".torn")[0] for one in folder.files.names(ASIDE) if prefix in one]
    aside = [of for one in names if (of := named(one))]
    compacted = max((of.number for of in [*have, *aside] if of.kind == "parquet"), default=0)
    known = {of.number for of in aside}
    lost = (number for number in _gaps(sorted({of.number for of in have}), compacted) if number not in known)
    missing = list(islice(lost, GAPS_SHOWN_MAX + 1))
    if missing:
        shown = ", ".join(map(str, missing[:GAPS_SHOWN_MAX])) + ", …" * (len(missing) > GAPS_SHOWN_MAX)
        log.warning("%s: missing segments number %s: what only they held is done again", folder.shown(""), shown)


def _gaps(used: Sequence[int], compacted: int) -> Iterator[int]:
    """Numbers that were given and are not there; each driver of a run has a range of its own."""
    before: dict[int, int] = {}
    for number in used:
        if number > compacted:
            driver = number // SEGMENTS_OF_DRIVER
            last = before.get(driver, max(compacted, driver * SEGMENTS_OF_DRIVER))
            yield from range(last + 1, number)
            before[driver] = number


def _without_leftovers(folder: Folder) -> Iterator[str]:
    """The names in a folder; files of ours that were never whole are removed."""
    for name in folder.files.names(folder.name):
        if not (name.startswith(".") and name.endswith(".tmp")):
            yield name
            continue
        try:
            folder.files.remove(f"{folder.name}/{name}")
        except IsADirectoryError:  # somebody else's
            yield name


def _damage(folder: Folder, name: str, outcomes: Sequence[Named]) -> DamagedError | None:
    try:
        folder.examine(name)
    except DamagedError as error:
        return error
    except NewerError as error:
        raise RunDirectoryError(
            f"{folder.shown(name)} was written by a newer version: {error}; "
            "use the version that manifest.json names, or a later one"
        ) from None
    of = named(name)
    if of and unfinished(of, outcomes):
        return DamagedError("it was left by a compaction that did not end")
    return None


def _aside(folder: Folder, name: str) -> str:
    """A name that nothing has yet."""
    taken = set(folder.files.names(ASIDE))
    wanted = f"{folder.name}-{name}.torn"
    number = 1
    while wanted in taken:
        number += 1
        wanted = f"{folder.name}-{name}.torn-{number}"
    return f"{ASIDE}/{wanted}"
