"""Tool results that were read once: kept in a directory, under keys over all that a result depends on."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from actors.contracts import JsonValue
from actors.models.cache import CacheCount
from actors.models.store import Store, key_of
from actors.prompts import compact
from actors.redaction import redacted
from actors.tools.base import Effect, Tool

FILES_MAX = 20_000  # of one source; to look at more costs more than the tool
SETTLED_S = 3600.0  # a server's series that end this long before now do not change any more


@dataclass(slots=True)
class CachedTools:
    """Results by tool, arguments, inputs and the state of the sources that the inputs name. Blocks: use in a thread.

    Only tools that read are kept, and only where the sources' state can be told.
    """

    store: Store
    count: CacheCount

    def key(self, tool: Tool, arguments: Mapping[str, JsonValue], inputs: Mapping[str, JsonValue], now_s: float) -> str:
        """The key of one call; empty when its result must not be kept."""
        state = sources_state(inputs, now_s) if tool.effect is Effect.READ else None
        if state is None:
            return ""
        spec = [tool.name, tool.spec.description, cast(JsonValue, dict(tool.spec.parameters))]
        code = getattr(tool.function, "__code__", None)
        body = code.co_code.hex() if code is not None else ""
        return key_of("tool", cast(JsonValue, spec), body, dict(arguments), cast(JsonValue, dict(inputs)), state)

    def get(self, key: str) -> tuple[bool, JsonValue]:
        """Whether there is a result under `key`, and the result."""
        kept = self.store.get(key) if key else None
        if isinstance(kept, dict) and kept.keys() == {"result"}:
            self.count.hits += 1
            return True, kept["result"]
        self.count.misses += 1
        return False, None

    def put(self, key: str, result: JsonValue) -> None:
        """Keep a result as a model is shown it, without secrets. One that this would change otherwise is not kept."""
        if not key:
            return
        text = redacted(compact(result))
        try:
            shown = cast(JsonValue, json.loads(text))
        except ValueError:
            return
        if compact(shown) == text:
            self.store.put(key, {"result": shown})


def sources_state(inputs: Mapping[str, JsonValue], now_s: float) -> JsonValue:
    """What tells that the sources named in `inputs` have not changed: names, sizes and times of their files.

    None when that cannot be told: a server asked for the present, too many files, a folder that cannot be read.
    """
    window = inputs.get("window")
    as_of_s = window.get("as_of_s") if isinstance(window, dict) else None
    settled = isinstance(as_of_s, int | float) and now_s - as_of_s >= SETTLED_S
    found: list[JsonValue] = []
    for source in _sources(dict(inputs)):
        if source.get("url") and not settled:
            return None
        base = source.get("_base")
        paths = [source.get("path"), source.get("file"), *cast(list[JsonValue], source.get("folders") or [])]
        for path in paths:
            if isinstance(base, str) and isinstance(path, str) and path:
                state = _state(Path(base) / path)
                if state is None:
                    return None
                found.append(state)
    return found


def _sources(value: JsonValue) -> Iterator[Mapping[str, JsonValue]]:
    """Every object in `value`, at any depth."""
    if isinstance(value, dict):
        yield value
        for item in value.values():
            yield from _sources(item)
    elif isinstance(value, list):
        for item in value:
            yield from _sources(item)


def _state(path: Path) -> JsonValue:
    """Names, sizes and times of the files below `path`; of a Git repository, those that say where its branches are."""
    git = path / ".git" if (path / ".git").is_dir() else path
    if (git / "HEAD").is_file() and (git / "objects").is_dir():
        paths = [git / "HEAD", git / "packed-refs", *_files(git / "refs")]
    else:
        paths = [path] if path.is_file() else list(_files(path))
    if len(paths) > FILES_MAX:
        return None
    try:
        stats = [(str(file), file.stat()) for file in paths if file.exists()]
    except OSError:
        return None
    return [[name, stat.st_size, stat.st_mtime_ns] for name, stat in sorted(stats, key=lambda item: item[0])]


def _files(folder: Path) -> Iterator[Path]:
    """The files below `folder`; at most one more than FILES_MAX."""
    seen = 0
    for root, _, names in os.walk(folder):
        for name in names:
            yield Path(root) / name
            seen += 1
            if seen > FILES_MAX:
                return
