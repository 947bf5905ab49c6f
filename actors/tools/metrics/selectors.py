"""Series selectors such as `http_requests_total{service="cart",code=~"5.."}`: parsing, matching, writing."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from actors.tools.base import SourceError

_SELECTOR = re.compile(r"\s*([a-zA-Z_:][a-zA-Z0-9_:]*)?\s*(?:\{(.*)\})?\s*", re.DOTALL)
_MATCHER = re.compile(
    r"""\s*([a-zA-Z_][a-zA-Z0-9_.]*)\s*(=~|!~|!=|=)\s*("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`[^`]*`)\s*(?:,|$)""",
    re.DOTALL,
)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", '"': '"', "'": "'"}


@dataclass(frozen=True, slots=True)
class Matcher:
    """One condition on a label. `operator` is =, !=, =~ or !~; a missing label is the empty string."""

    label: str
    operator: str
    value: str

    def test(self) -> Callable[[str], bool]:
        if self.operator in ("=", "!="):
            wanted, equal = self.value, self.operator == "="
            return lambda found: (found == wanted) is equal
        pattern, matching = re.compile(self.value), self.operator == "=~"
        return lambda found: (pattern.fullmatch(found) is not None) is matching


def parse_selector(text: str) -> tuple[Matcher, ...]:
    """The conditions of a selector, the metric's name as `__name__`. Raises SourceError saying what is wrong."""
    whole = _SELECTOR.fullmatch(text)
    if whole is None or not text.strip():
        raise SourceError(f'selector {text!r} does not parse; write it as {{label="value"}}')
    name, body = whole.group(1), whole.group(2) or ""
    matchers = [Matcher("__name__", "=", name)] if name else []
    at = 0
    while at < len(body) and body[at:].strip():
        found = _MATCHER.match(body, at)
        if found is None:
            raise SourceError(f'selector {text!r} does not parse at {body[at : at + 30]!r}; write label="value"')
        matchers.append(Matcher(found.group(1), found.group(2), _unquoted(found.group(3))))
        at = found.end()
    _check_patterns(text, matchers)
    return tuple(matchers)


def matches(matchers: tuple[Matcher, ...], name: str, labels: Mapping[str, str]) -> bool:
    return all(
        matcher.test()(name if matcher.label == "__name__" else labels.get(matcher.label, "")) for matcher in matchers
    )


def own_values(selector: str) -> frozenset[str]:
    """The values that the selector asks for by equality: among them is the service's own name in its labels."""
    return frozenset(matcher.value for matcher in parse_selector(selector) if matcher.operator == "=") - {""}


def all_of(matchers: Iterable[Matcher]) -> str:
    """Conditions as a selector in braces, a metric's name among them as `__name__`."""
    return "{" + ",".join(f'{m.label}{m.operator}"{_escaped(m.value)}"' for m in matchers) + "}"


def written(name: str, labels: Mapping[str, str]) -> str:
    """The selector of exactly this series, labels in order of their names."""
    body = ",".join(f'{label}="{_escaped(value)}"' for label, value in sorted(labels.items()))
    return f"{name}{{{body}}}" if body else name


def _check_patterns(text: str, matchers: list[Matcher]) -> None:
    for matcher in matchers:
        try:
            matcher.test()
        except re.error as error:
            raise SourceError(f"selector {text!r}: {matcher.value!r} is no regular expression ({error})") from None


def _unquoted(quoted: str) -> str:
    if quoted[0] == "`":
        return quoted[1:-1]
    return re.sub(r"\\(.)", lambda found: _ESCAPES.get(found.group(1), found.group(0)), quoted[1:-1], flags=re.DOTALL)


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
