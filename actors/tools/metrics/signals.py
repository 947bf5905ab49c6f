"""What a metric is about, from its name, type, help text and labels alone: no system's own names are known here."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from actors.tools.metrics import vocabulary
from actors.tools.metrics.selectors import own_values
from actors.tools.metrics.series import Family


class Signal(StrEnum):
    TRAFFIC = "traffic"
    ERRORS = "errors"
    LATENCY = "latency"
    SATURATION = "saturation"
    AVAILABILITY = "availability"
    OTHER = "other"


class Scope(StrEnum):
    """Whose behaviour a series shows: the service's own, as its callers see it, of what it calls, of its machine."""

    OWN = "own"
    CALLER = "as callers see it"
    OUTBOUND = "of its calls to others"
    HOST = "of its machine"


@dataclass(frozen=True, slots=True)
class Meaning:
    """`kind` is counter, gauge, histogram, summary. `factor` brings values to seconds or to a share of 1.

    `inverted`: the values are a share of success, so errors are 1 minus them. `unit`: seconds, share, or the metric's.
    `shared`: a share by its name, of 1 or of 100 by its values.
    """

    signal: Signal
    scope: Scope
    kind: str
    unit: str = ""
    factor: float = 1.0
    inverted: bool = False
    shared: bool = False


_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+[a-z]*")
_SELF = re.compile(
    r"^(scrape_|promhttp_|prometheus_|go_|python_gc|python_info|jvm_(?!memory|threads|gc_pause)|target_|ALERTS)"
)


def base_name(name: str, families: Mapping[str, Family]) -> str:
    """The family that a sample's name belongs to: without _bucket, _sum, _count or _total where they are endings."""
    if name in families and families[name].kind not in ("", "unknown"):
        return name
    for ending in ("_bucket", "_sum", "_count", "_total", "_created"):
        if name.endswith(ending) and (ending == "_bucket" or name[: -len(ending)] in families):
            return name[: -len(ending)]
    return name


def meaning(name: str, family: Family, labels: Mapping[str, str], own: frozenset[str] = frozenset()) -> Meaning:
    """What a metric shows. `name` is the family's; `own` are the service's own names, to read edges by."""
    words = tuple(word.lower() for word in _WORD.findall(name))
    bag = frozenset(words)
    kind = family.kind or _kind(name, labels)
    unit, factor = _unit(bag, family)
    signal = _signal(name, bag, words, kind, unit, family.help.lower())
    inverted = bool(
        signal is Signal.ERRORS and bag & (vocabulary.SUCCESS | {"availability"}) and not bag & vocabulary.ERRORS
    )
    shared = inverted or bool(signal is Signal.SATURATION and bag & {"utilization", "utilisation", "saturation"})
    return Meaning(signal, _scope(words, labels, own), kind, unit, factor, inverted, shared)


def other_party(labels: Mapping[str, str], own: frozenset[str]) -> str:
    """The other service that an edge's labels name as the one called, or empty."""
    called = next((labels[label] for label in vocabulary.CALLED_LABELS if labels.get(label)), "")
    return "" if called in own else called


def words_of(name: str) -> frozenset[str]:
    """A metric name's words, in lower case."""
    return frozenset(word.lower() for word in _WORD.findall(name))


def own_names(selector: str, label_sets: Sequence[Mapping[str, str]]) -> frozenset[str]:
    """What a service's labels call it: what the selector asks for, and what all its series say alike."""
    asked = own_values(selector) if selector.strip() else frozenset()
    first = label_sets[0] if label_sets else {}
    edges = {*vocabulary.CALLER_LABELS, *vocabulary.CALLED_LABELS}
    alike = {v for k, v in first.items() if k not in edges and all(other.get(k) == v for other in label_sets)}
    return asked | alike


def _signal(name: str, bag: frozenset[str], words: tuple[str, ...], kind: str, unit: str, help_text: str) -> Signal:
    if _SELF.match(name) or (bag & vocabulary.NO_MEASURE and not bag & (vocabulary.ERRORS | vocabulary.SUCCESS)):
        return Signal.OTHER
    if (
        bag & vocabulary.LIMITS
        and not bag & (vocabulary.ERRORS | vocabulary.LATENCY)
        and kind not in ("counter", "histogram")
    ):
        return Signal.OTHER
    if kind in ("gauge", "unknown", "") and (
        name in ("up", "probe_success") or (words[-1] in vocabulary.AVAILABLE and unit != "share")
    ):
        return (
            _rest(bag, kind, unit, help_text)
            if bag & (vocabulary.RESOURCES - {"disk", "pool"})
            else Signal.AVAILABILITY
        )
    if (bag & vocabulary.SUCCESS or "availability" in bag) and (unit == "share" or bag & {"rate"}):
        return Signal.ERRORS
    if bag & vocabulary.ERRORS and not (
        unit == "seconds" and kind != "counter" and bag & vocabulary.LATENCY - {"response", "wait"}
    ):
        return Signal.ERRORS
    return _rest(bag, kind, unit, help_text)


def _rest(bag: frozenset[str], kind: str, unit: str, help_text: str) -> Signal:
    resource, latency = bool(bag & vocabulary.RESOURCES), bool(bag & vocabulary.LATENCY)
    timed = unit == "seconds" and kind != "counter" and "cpu" not in bag
    if timed and (latency or kind in ("histogram", "summary") or (bag & vocabulary.TRAFFIC and not resource)):
        return Signal.LATENCY
    if latency and not resource and kind != "counter" and bag & (vocabulary.LATENCY - {"time", "wait", "response"}):
        return Signal.LATENCY
    if resource and not bag & {"network", "syscall", "syscalls"}:
        return Signal.SATURATION
    if bag & vocabulary.TRAFFIC:
        return Signal.TRAFFIC
    return _from_help(help_text, unit, kind)


def _from_help(help_text: str, unit: str, kind: str) -> Signal:
    """The last resort: a help text that says it in so many words."""
    words = frozenset(re.findall(r"[a-z0-9]+", help_text))
    if words & vocabulary.ERRORS and kind == "counter":
        return Signal.ERRORS
    if words & (vocabulary.LATENCY - {"time", "wait", "response"}) and (
        unit == "seconds" or kind in ("histogram", "summary")
    ):
        return Signal.LATENCY
    if words & {"cpu", "memory", "utilization", "utilisation", "saturation", "queue"}:
        return Signal.SATURATION
    return Signal.TRAFFIC if kind == "counter" and words & vocabulary.TRAFFIC else Signal.OTHER


def _unit(bag: frozenset[str], family: Family) -> tuple[str, float]:
    said = family.unit.lower()
    told = family.help.lower()
    if bag & vocabulary.SHARES or said in vocabulary.SHARES:
        return "share", 0.01
    if bag & vocabulary.RATIOS or said in vocabulary.RATIOS or re.search(r"\b0 (to|and|-) 1\b", told):
        return "share", 1.0
    if "per" in bag or {"cpu"} & bag:  # requests_per_second is no time, cpu_seconds_total no duration
        return said, 1.0
    time = next((factor for unit, factor in vocabulary.SECONDS.items() if unit in bag or unit == said), None)
    if time is not None:
        return "seconds", time
    return said, 1.0


def _scope(words: tuple[str, ...], labels: Mapping[str, str], own: frozenset[str]) -> Scope:
    if words and words[0] in vocabulary.HOSTS:
        return Scope.HOST
    if other_party(labels, own):
        return Scope.OUTBOUND
    callers = {labels[label] for label in vocabulary.CALLER_LABELS if labels.get(label)}
    if callers:
        return Scope.OUTBOUND if callers <= own else Scope.CALLER
    return Scope.OUTBOUND if vocabulary.OUTBOUND & set(words) else Scope.OWN


def _kind(name: str, labels: Mapping[str, str]) -> str:
    """The type by the naming rules, where nothing is said."""
    if "le" in labels:
        return "histogram"
    if name.endswith(("_total", "_count", "_sum")):
        return "counter"
    return "gauge"
