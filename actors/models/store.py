"""A directory of JSON values under content-addressed keys. What is broken in it counts as not there."""

from __future__ import annotations

import hashlib
import itertools
import json
import logging
import os
from pathlib import Path
from typing import cast

from actors.contracts import JsonValue
from budget.errors import SettingsError

log = logging.getLogger("muster.cache")

FORMAT = 2  # of the files and what may be in them; a change of it leaves old entries unread
OWNER_ALONE = 0o700  # of folders; files are without the right to execute. Evidence is nobody else's to read.


def key_of(*parts: JsonValue) -> str:
    """A key over all of `parts`: equal values, equal key, whatever the order of names in objects."""
    body = json.dumps([FORMAT, *parts], sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(body.encode()).hexdigest()


class Store:
    """Values by key, written whole or not at all, readable by many processes at once. Blocks; call it in a thread.

    What it makes can be read by its owner alone; a directory that is there keeps its own mode.
    Raises SettingsError when the directory cannot be made or written to.
    """

    def __init__(self, directory: str | Path) -> None:
        self._root = Path(directory)
        self._serial = itertools.count()
        self._warned = False
        try:
            self._root.mkdir(OWNER_ALONE, parents=True, exist_ok=True)
        except OSError as error:
            raise SettingsError(f"cache directory {str(directory)!r} cannot be made: {error.strerror}") from None
        if not os.access(self._root, os.W_OK | os.X_OK):
            raise SettingsError(f"cache directory {str(directory)!r} cannot be written to: name another with --cache")

    def get(self, key: str) -> JsonValue:
        """The value under `key`; None when there is none, or when its file is broken or of another format."""
        try:
            raw = self._path(key).read_bytes()
            digest, _, body = raw.partition(b"\n")
            if digest.decode("ascii") != hashlib.sha256(body).hexdigest():
                raise ValueError("its digest does not fit")
            return cast(JsonValue, json.loads(body))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, RecursionError) as error:
            log.warning("cache entry ignored key=%s error=%s", key, error)
            return None

    def put(self, key: str, value: JsonValue) -> None:
        """Keep `value`. A disk that is full costs the entry, not the run."""
        body = json.dumps(value, separators=(",", ":")).encode()
        path = self._path(key)
        part = path.with_name(f".{key}.{os.getpid()}.{next(self._serial)}.part")
        try:
            path.parent.mkdir(OWNER_ALONE, exist_ok=True)
            with open(part, "xb", opener=_for_owner) as file:
                file.write(hashlib.sha256(body).hexdigest().encode() + b"\n" + body)
            part.replace(path)
        except OSError as error:
            part.unlink(missing_ok=True)
            if not self._warned:
                self._warned = True
                log.warning("cache not written directory=%s error=%s", self._root, error)

    def _path(self, key: str) -> Path:
        return self._root / key[:2] / f"{key}.json"


def _for_owner(path: str, flags: int) -> int:
    return os.open(path, flags, OWNER_ALONE & 0o666)
