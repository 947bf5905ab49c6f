"""Where a run directory lies: on this machine's disk, or wherever `pyarrow.fs` reaches. Whole files or none of them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Protocol
from urllib.parse import parse_qsl, urlencode

import pyarrow as pa
from pyarrow import fs

from budget.errors import RunDirectoryError
from orchestrator.local_files import LocalFiles
from orchestrator.object_files import ObjectFiles, reason_of

# Of a URI: how a server is reached, and who may not be told. Anything else may be a secret.
SHOWN_PARAMETERS = frozenset({"endpoint_override", "scheme", "region"})
# Seconds, and how often: a server that is gone is said within half a minute, not within the SDK's two minutes. What
# was sent counts as answered for a while, so that a write to a silent one takes twice as long as a look.
S3_CONNECT_S, S3_ANSWER_S, S3_TRIES = 3.0, 5.0, 3


class Files(Protocol):
    """The files of one run directory, by names relative to it. Errors of the system pass as OSError."""

    @property
    def shown(self) -> str:
        """How the directory is named to people, who may name it so themselves; without credentials."""
        ...

    @property
    def scratch(self) -> Path | None:
        """A folder of this machine for files that nobody keeps; None where the system's own must do."""
        ...

    @property
    def spare_used(self) -> bool:
        """Whether there was no more room, and what was set aside for that had to be used."""
        ...

    def give_back(self) -> None:
        """Room that was set aside is free for what comes now."""
        ...

    def prepare(self, folders: tuple[str, ...]) -> None: ...

    def names(self, folder: str) -> list[str]:
        """Names of what lies in a folder, sorted; empty when there is none."""
        ...

    def exists(self, name: str) -> bool: ...

    def folders(self) -> list[str]:
        """The names of folders right here."""
        ...

    def below(self, folder: str) -> Files: ...

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
    shown = without_credentials(text)
    if "@" in text.partition("?")[0]:
        raise RunDirectoryError(
            f"run directory {shown!r} is named with credentials, which every process list shows: leave them out, and "
            "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment"
        )
    try:
        system, base = _system_at(text)
    except (ValueError, OSError, NotImplementedError) as error:
        reason = reason_of(error) if isinstance(error, OSError) else " ".join(str(error).split())[:200]
        raise RunDirectoryError(f"run directory {shown!r} cannot be reached: {reason}") from None
    if isinstance(system, fs.LocalFileSystem):
        return LocalFiles(Path(base))
    return ObjectFiles(system, base.rstrip("/"), shown)


def without_credentials(uri: str) -> str:
    """A URI as it may be shown: no user, no password, and of its parameters those that say where it leads."""
    scheme, _, rest = uri.partition("://")
    address, _, query = rest.partition("?")
    head, slash, tail = address.partition("/")
    kept = [(name, re.sub(r"//[^/@]*@", "//", value)) for name, value in parse_qsl(query) if name in SHOWN_PARAMETERS]
    shown = f"{scheme}://{head.rpartition('@')[2]}{slash}{tail}"
    return shown + ("?" + urlencode(kept, safe=":/") if kept else "")


def _system_at(uri: str) -> tuple[fs.FileSystem, str]:
    """A URI's file system and its path in it. That of S3 writes small objects in one request, and gives up in time."""
    system, base = fs.FileSystem.from_uri(uri)
    query = dict(parse_qsl(uri.partition("?")[2]))
    if system.type_name != "s3" or not query.keys() <= SHOWN_PARAMETERS:
        return system, base
    return fs.S3FileSystem(
        **query,
        allow_delayed_open=True,
        connect_timeout=S3_CONNECT_S,
        request_timeout=S3_ANSWER_S,
        retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=S3_TRIES),
    ), base
