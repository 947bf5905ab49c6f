"""Reading files that a manifest names, and nothing outside of its folder."""

from __future__ import annotations

import os
import stat
from functools import lru_cache
from pathlib import Path

from actors.tools.base import SourceError


def inside(base: str, path: str) -> Path:
    """`path` under `base`, resolved through links: a file or a folder.

    Raises SourceError when it leaves the folder, is missing, or is something that could keep a reader waiting for ever.
    """
    root = _resolved(base)
    found = Path(os.path.realpath(root / path))  # takes links in a circle as they are: `stat` names them
    if not found.is_relative_to(root):
        raise SourceError(f"{path!r} leaves the manifest's folder {str(root)!r}; only what lies below it is read")
    try:
        mode = found.stat().st_mode
    except FileNotFoundError:
        raise SourceError(f"{path!r} does not exist below {str(root)!r}") from None
    except OSError as error:
        raise SourceError(f"{path[:200]!r} cannot be read: {error.strerror}") from None
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise SourceError(f"{path!r} is a pipe, a socket or a device; only files and folders are read")
    return found


@lru_cache(maxsize=64)
def _resolved(base: str) -> Path:
    """A manifest's folder: one for all of its services, and looked at with every file of theirs."""
    return Path(base).resolve()


def read_text(file: Path) -> str:
    """A file as UTF-8 (a byte order mark is dropped). Raises SourceError naming the byte that is not."""
    try:
        return file.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SourceError(f"{file.name} is not UTF-8 (byte {error.start}): save it as UTF-8") from None
    except OSError as error:
        raise SourceError(f"{file.name} cannot be read: {error.strerror}") from None
