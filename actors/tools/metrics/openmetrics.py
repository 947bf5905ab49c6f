"""OpenMetrics text files: parsed once, indexed by label, selected as a server would."""

from __future__ import annotations

import gzip
import lzma
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import IO, cast

import numpy as np

from actors.tools.base import SourceError
from actors.tools.metrics.selectors import Matcher, parse_selector
from actors.tools.metrics.series import Family, Series, cleaned

FILE_BYTES_MAX = 512 * 1024 * 1024  # unpacked; a week of 1,000 series at a sample a minute has about 800 MB
LINES_MAX = 20_000_000  # a week of 1,000 series at a sample a minute has 10 million
SECONDS_MAX = 1e11  # the year 5138; a larger time counts milliseconds
_KEY = re.compile(rb"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})?")
_LABEL = re.compile(r'\s*([a-zA-Z_][a-zA-Z0-9_]*+)="((?:[^"\\]|\\.)*+)"\s*(?:,|$)')
_UNESCAPED = {"n": "\n", "\\": "\\", '"': '"'}


@dataclass(frozen=True, slots=True)
class Exposition:
    """A file's series, and where to find those with a label's value."""

    series: tuple[Series, ...]
    families: dict[str, Family]
    postings: dict[tuple[str, str], list[int]] = field(default_factory=dict)

    def select(self, selector: str) -> list[Series]:
        """The series that the selector picks; an empty selector picks all. Raises SourceError if it does not parse."""
        if not selector.strip():
            return list(self.series)
        matchers = parse_selector(selector)
        tests = [(matcher.label, matcher.test()) for matcher in matchers]
        return [
            series
            for series in self._candidates(matchers)
            if all(test(series.name if label == "__name__" else series.labels.get(label, "")) for label, test in tests)
        ]

    def _candidates(self, matchers: Iterable[Matcher]) -> list[Series]:
        """The shortest posting list among the equalities, or everything."""
        lists = [self.postings.get((m.label, m.value), []) for m in matchers if m.operator == "=" and m.value]
        return [self.series[at] for at in min(lists, key=len)] if lists else list(self.series)


def read_exposition(file: Path) -> Exposition:
    """A file as series. Raises SourceError naming file, line and what is wrong there."""
    return parse_exposition(_unpacked(file), file.name)


def parse_exposition(text: bytes, name: str) -> Exposition:
    """OpenMetrics text with a time (in seconds) on every sample, ended by `# EOF`."""
    found, families = _scan(text, name)
    series = []
    for key, pairs in found.items():
        metric, labels = _parsed_key(key)
        try:
            numbers = np.array(list(map(float, b" ".join(pairs).split())))
            values, times = numbers.reshape(len(pairs), 2).T
        except ValueError:
            raise _bad_pair(text, key, name) from None
        if times.size and np.nanmax(times) > SECONDS_MAX:
            raise SourceError(f"{name}: {metric} has a time of {np.nanmax(times):.0f}; OpenMetrics counts seconds")
        series.append(Series(metric, labels, *cleaned(times, values)))
    postings: dict[tuple[str, str], list[int]] = {}
    for at, one in enumerate(series):
        for pair in (("__name__", one.name), *one.labels.items()):
            postings.setdefault(pair, []).append(at)
    return Exposition(tuple(series), families, postings)


def _scan(text: bytes, name: str) -> tuple[dict[bytes, list[bytes]], dict[str, Family]]:
    """`value time` of each sample by series, and families by name. One plain loop: it sees every line of every file."""
    found: dict[bytes, list[bytes]] = {}
    families: dict[str, Family] = {}
    ended = False
    for number, line in enumerate(BytesIO(text), 1):  # line by line: a list of them all may be larger than the file
        key, _, pair = line.rpartition(b"} ")
        if key in found:
            found[key].append(pair)
        elif line.strip():
            if ended:
                raise SourceError(f"{name} line {number}: text after # EOF")
            if line[:1] == b"#":
                ended = _note(line, families)
            else:
                key, pair = _sample(line.removesuffix(b"\n"), name, number)
                found.setdefault(key, []).append(pair)
    if not ended:
        lines = text.rstrip().count(b"\n") + 1
        raise SourceError(f"{name} line {lines}: does not end in '# EOF'; it was cut off, or is no OpenMetrics text")
    return found, families


def _sample(line: bytes, name: str, number: int) -> tuple[bytes, bytes]:
    """A sample's series (without its closing brace) and its `value time`; of a line that is not known by its start."""
    parts = line.split(b" # ", 1)[0].rsplit(b" ", 2)
    if len(parts) == 3 and _is_key(parts[0]) and _is_number(parts[1]) and _is_number(parts[2]):
        return parts[0].removesuffix(b"}"), parts[1] + b" " + parts[2]
    if _is_key(line.rsplit(b" ", 1)[0]):
        raise SourceError(f"{name} line {number}: {_shown(line)} has no time; the audit needs history")
    raise SourceError(
        f'{name} line {number}: {_shown(line)} is no sample; expected name{{label="value"}} 1.5 1700000000'
    )


def _note(line: bytes, families: dict[str, Family]) -> bool:
    """Keep a TYPE, HELP or UNIT line. True for the end of the file."""
    if line.rstrip() == b"# EOF":
        return True
    words = line.decode("utf-8", "replace").split(" ", 3)
    if len(words) == 4 and words[1] in ("TYPE", "HELP", "UNIT"):
        known = families.get(words[2], Family())
        said = {"kind": known.kind, "help": known.help, "unit": known.unit}
        said[{"TYPE": "kind", "HELP": "help", "UNIT": "unit"}[words[1]]] = words[3].strip()[:300]
        families[words[2]] = Family(**said)
    return False


def _is_key(key: bytes) -> bool:
    whole = _KEY.fullmatch(key)
    if whole is None:
        return False
    return _are_labels((whole.group(2) or b"").decode("utf-8", "replace"))


def _are_labels(body: str) -> bool:
    """Whether a text is labels from end to end. Each character is looked at once, however long the line is."""
    at = 0
    while label := _LABEL.match(body, at):
        at = label.end()
    return not body[at:].strip()


def _parsed_key(key: bytes) -> tuple[str, dict[str, str]]:
    """Name and labels of a key as `_sample` gives it."""
    name, _, rest = key.partition(b"{")
    body = rest.decode("utf-8", "replace")
    labels = {
        label: re.sub(r"\\(.)", _unescape, value) if "\\" in value else value for label, value in _LABEL.findall(body)
    }
    return name.decode(), labels


def _unescape(found: re.Match[str]) -> str:
    return _UNESCAPED.get(found.group(1), found.group(0))


def _is_number(text: bytes) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _bad_pair(text: bytes, key: bytes, name: str) -> SourceError:
    """The first line of a series that is not a value and a time: looked for only when there is one."""
    for number, line in enumerate(BytesIO(text), 1):
        start, _, pair = line.rpartition(b"} ")
        if start == key and not (len(pair.split()) == 2 and all(map(_is_number, pair.split()))):
            return SourceError(f"{name} line {number}: {_shown(line)} is not a value and a time in seconds")
    return SourceError(f"{name}: a sample of {_shown(key)} is not a value and a time in seconds")


def _shown(line: bytes) -> str:
    return repr(line[:80].decode("utf-8", "replace"))


def _unpacked(file: Path) -> bytes:
    try:
        with _opened(file) as stream:
            text = stream.read(FILE_BYTES_MAX + 1)
    except (OSError, EOFError, lzma.LZMAError, gzip.BadGzipFile) as error:
        raise SourceError(f"{file.name} cannot be read: {error}") from None
    if len(text) > FILE_BYTES_MAX:
        raise SourceError(f"{file.name} is larger than {FILE_BYTES_MAX} bytes; give a shorter or coarser extract")
    if text.count(b"\n") > LINES_MAX:
        raise SourceError(f"{file.name} has more than {LINES_MAX} lines; give a shorter or coarser extract")
    return text


def _opened(file: Path) -> IO[bytes]:
    if file.suffix == ".gz":
        return cast(IO[bytes], gzip.open(file, "rb"))
    return cast(IO[bytes], lzma.open(file, "rb")) if file.suffix == ".xz" else file.open("rb")
