"""Reading a manifest from its file: all of its services, or one error that names every mistake."""

from __future__ import annotations

import stat
from collections.abc import Sequence
from pathlib import Path

from budget.errors import ManifestError
from jobs.catalog import Catalog
from jobs.entities import fingerprint_of, read_catalog
from jobs.entity import Problem
from jobs.kept_catalog import catalog_of

BYTES_MAX = 256 * 1024 * 1024  # 5,000 services take about 6 MB
PROBLEMS_SHOWN_MAX = 20


def load_manifest(path: str | Path, *, now_s: float, kept: bytes = b"") -> Catalog:
    """The catalog in the file `path`. `now_s` (Unix seconds) is the `as-of` of services that state none.

    `kept` is what `kept_catalog` made of a catalog; where it is of this very manifest, that is not read again.
    Raises ManifestError naming file, line, entity and annotation of the first PROBLEMS_SHOWN_MAX mistakes.
    """
    file = Path(path)
    text, base = _text(file), base_of(file)
    if kept and (known := catalog_of(kept, fingerprint=fingerprint_of(text), base=base, now_s=now_s)):
        return known
    catalog, problems = read_catalog(text, file=str(path), base=base, now_s=now_s)
    if problems:
        raise ManifestError(_message(str(path), problems))
    return catalog


def base_of(path: str | Path) -> str:
    """The folder that a manifest's paths are relative to."""
    return str(Path(path).resolve().parent)


def _text(file: Path) -> str:
    try:
        found = file.stat()
        if not (stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)):
            raise ManifestError(f"{file}: is a pipe, a socket or a device: save the manifest as a file")
        if found.st_size > BYTES_MAX:
            raise ManifestError(f"{file}: is {found.st_size} bytes, at most {BYTES_MAX} are read: split the manifest")
        return file.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ManifestError(f"{file}:{line}: is not UTF-8 (byte {error.start}): save it as UTF-8") from None
    except OSError as error:
        raise ManifestError(
            f"{file}: cannot be read ({error.strerror}): name a manifest of Backstage Components"
        ) from None


def _message(file: str, problems: Sequence[Problem]) -> str:
    lines = [_line(file, problem) for problem in sorted(problems, key=lambda p: p.line)[:PROBLEMS_SHOWN_MAX]]
    if len(problems) > PROBLEMS_SHOWN_MAX:
        lines.append(f"and {len(problems) - PROBLEMS_SHOWN_MAX} more mistakes in {file}")
    return "\n".join(lines)


def _line(file: str, problem: Problem) -> str:
    place = ", ".join(part for part in (problem.entity, problem.field) if part)
    return f"{file}:{problem.line}: {place + ' ' if place else ''}{problem.text}"
