"""Git's own output as commits: records between NULs, which no message or file name can imitate."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from actors.tools.code.commits import Commit, FileChange

# One record: id, parents, committer time, author name, author e-mail, message; then the files that it changed.
LOG_FORMAT = "commit %H%x00%P%x00%ct%x00%aN%x00%aE%x00%B%x00"
MESSAGE_CHARACTERS_MAX = 4_000  # enough for a subject and the line that names a reverted commit

_HEADER_FIELDS = 6
_START = re.compile(rb"\n?commit [0-9a-f]{40,64}\Z")
_COUNTED = re.compile(rb"\n?(\d+|-)\t(\d+|-)\t(.*)\Z", re.DOTALL)  # --numstat: added, deleted, path (empty: a rename)
_RAW = re.compile(rb"\n?:\d+ \d+ \S+ \S+ ([A-Z])\d*\Z")  # --raw: modes, ids, status; paths follow


def parse_log(output: bytes, *, complete: bool = True) -> list[Commit]:
    """`output` of `git diff-tree --stdin -z --always` under LOG_FORMAT, with --numstat or --raw.

    Not `complete` (cut at a size limit): the last commit is left out, since its files may be missing.
    Names and messages that are not UTF-8 keep their place with U+FFFD for the bytes that are not.
    """
    tokens = output.split(b"\0")
    starts = list(_starts(tokens))
    if not complete:
        starts = starts[:-1]
    known: dict[bytes, str] = {}
    return [_commit(tokens, start, known) for start in starts]


def _starts(tokens: Sequence[bytes]) -> Iterator[int]:
    """Where records begin. Fields are skipped by count, so that no message or path can pass for a record."""
    at = 0
    while at < len(tokens):
        if not _START.match(tokens[at]):
            at += 1
            continue
        if at + _HEADER_FIELDS > len(tokens):
            return
        yield at
        at += _HEADER_FIELDS
        while at < len(tokens) and not _START.match(tokens[at]):
            at += _width(tokens[at])


def _width(token: bytes) -> int:
    """How many tokens the file entry takes that begins with `token`: a rename brings both names behind it."""
    counted = _COUNTED.match(token)
    if counted:
        return 1 if counted.group(3) else 3
    raw = _RAW.match(token)
    if raw:
        return 3 if raw.group(1) in (b"R", b"C") else 2
    return 1


def _commit(tokens: Sequence[bytes], start: int, known: dict[bytes, str]) -> Commit:
    sha, parents, at_s, author, email, message = tokens[start : start + _HEADER_FIELDS]
    address = _text(email).strip().casefold()
    return Commit(
        sha=sha.strip().removeprefix(b"commit ").decode("ascii"),
        at_s=float(at_s or 0),
        author=" ".join(_text(author).split()).casefold() or address,
        email=address,
        message=_text(message[: 4 * MESSAGE_CHARACTERS_MAX]).strip()[:MESSAGE_CHARACTERS_MAX],
        parents=tuple(parents.decode("ascii", "replace").split()),
        files=tuple(_files(tokens, start + _HEADER_FIELDS, known)),
    )


def _files(tokens: Sequence[bytes], at: int, known: dict[bytes, str]) -> Iterator[FileChange]:
    """The file entries from `at` on. `known` keeps one string per path, however many commits touch it."""

    def path(raw: bytes) -> str:
        return known.setdefault(raw, _text(raw))

    while at < len(tokens) and not _START.match(tokens[at]):
        token, width = tokens[at], _width(tokens[at])
        names = tokens[at + 1 : at + width]
        counted = _COUNTED.match(token)
        if counted and len(names) == width - 1:
            added, deleted, name = counted.groups()
            moved = path(names[0]) if names else ""
            yield FileChange(path(names[1] if names else name), _count(added), _count(deleted), moved)
        elif _RAW.match(token) and len(names) == width - 1:
            yield FileChange(path(names[-1]), moved_from=path(names[0]) if len(names) > 1 else "")
        at += width


def _count(digits: bytes) -> int | None:
    return None if digits == b"-" else int(digits)


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")
