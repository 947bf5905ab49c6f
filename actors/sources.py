"""Where the audit's specialists read: the shape of a task's inputs, written by the planner and read by the tools."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self, cast

from actors.contracts import FOR_TOOLS, JsonValue


@dataclass(frozen=True, slots=True)
class Source:
    """A record that travels as plain JSON inside `Task.inputs`, under its own key."""

    key: ClassVar[str] = ""

    @classmethod
    def of(cls, inputs: Mapping[str, JsonValue]) -> Self | None:
        """The source that `inputs` holds, or None when the service lacks it."""
        raw = inputs.get(cls.key)
        if raw is None:
            return None
        known = names_of(cls)
        named = {name.removeprefix(FOR_TOOLS): value for name, value in cast(dict[str, Any], raw).items()}
        return cls(**{name: _frozen(value) for name, value in named.items() if name in known})

    def as_json(self) -> dict[str, JsonValue]:
        """Plain JSON. Where the manifest lies is for tools alone: no model needs a path of this machine."""
        return {FOR_TOOLS + name if name == "base" else name: value for name, value in _record(self).items()}


@dataclass(frozen=True, slots=True)
class Window(Source):
    """The audit's now and its look-back. The window before it, of the same length, is its past."""

    key: ClassVar[str] = "window"
    as_of_s: float  # Unix seconds
    length_s: float

    @property
    def start_s(self) -> float:
        return self.as_of_s - self.length_s

    @property
    def past_start_s(self) -> float:
        return self.as_of_s - 2 * self.length_s


@dataclass(frozen=True, slots=True)
class Incidents(Source):
    """A tracker's records. `base` is the manifest's folder: nothing outside of it is read."""

    key: ClassVar[str] = "incidents"
    base: str
    path: str  # relative to base, as the manifest says it
    format: str  # jsonl, cstate or markdown
    names: tuple[str, ...] = ()  # the service's names in the tracker; none: every record


@dataclass(frozen=True, slots=True)
class Git(Source):
    """A repository, bare or not, and the service's paths in it (none: all)."""

    key: ClassVar[str] = "git"
    base: str
    path: str
    paths: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A service that this one depends on (or that depends on it), and where its series are."""

    service: str
    relation: str  # "dependency" (we call it) or "dependent" (it calls us)
    url: str = ""
    selector: str = ""
    file: str = ""


@dataclass(frozen=True, slots=True)
class Metrics(Source):
    """A Prometheus server's HTTP API and a series selector, or an OpenMetrics text file (.gz and .xz as well).

    With a file and a selector, the selector picks the file's series as a server would.
    """

    key: ClassVar[str] = "metrics"
    base: str
    url: str = ""
    selector: str = ""
    file: str = ""
    neighbours: tuple[Neighbour, ...] = ()

    def __post_init__(self) -> None:
        made = tuple(n if isinstance(n, Neighbour) else Neighbour(**dict(n)) for n in self.neighbours)
        object.__setattr__(self, "neighbours", made)


@dataclass(frozen=True, slots=True)
class Runbooks(Source):
    """Folders of pages and alert rules, the service's own first, shared ones after."""

    key: ClassVar[str] = "runbooks"
    base: str
    folders: tuple[str, ...]


def _record(value: Source | Neighbour) -> dict[str, JsonValue]:
    return {name: _plain(getattr(value, name)) for name in names_of(value)}


def names_of(record: Any) -> tuple[str, ...]:
    """The names of a record's fields, or of its kind's, in their order."""
    return cast(tuple[str, ...], record.__slots__)


def _plain(value: Any) -> JsonValue:
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return _record(value) if isinstance(value, Neighbour) else cast(JsonValue, value)


def _frozen(value: Any) -> Any:
    return tuple(_frozen(item) for item in value) if isinstance(value, list) else value
