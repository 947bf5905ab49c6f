"""YAML as nodes that remember their lines, so that a mistake can be shown where it was made.

Built from the parser's events with an explicit stack: no depth of nesting can exhaust the interpreter's own stack, an
alias is a second name for the same node and never a copy, and no tag ever constructs an object.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import yaml

DEPTH_MAX = 100  # a Backstage entity nests about five deep
MERGES_MAX = 200  # mappings that one mapping may take in by `<<`, directly or not
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml where it is installed: about ten times faster


@dataclass(frozen=True, slots=True)
class Leaf:
    """A scalar as it was written. `kind` is what YAML takes it for: str, int, float, bool, null, timestamp or a tag."""

    line: int
    text: str
    kind: str


@dataclass(frozen=True, slots=True, eq=False)
class Items:
    line: int
    nodes: list[Node] = field(default_factory=list)


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """A mapping, its pairs in the order written; a key may stand twice."""

    line: int
    nodes: list[Node] = field(default_factory=list)  # key, value, key, value

    def pairs(self) -> Iterator[tuple[Node, Node]]:
        return zip(self.nodes[::2], self.nodes[1::2], strict=True)


Node: TypeAlias = Leaf | Items | Pairs


class YamlProblem(Exception):
    """Text that is no YAML, or more of it than any manifest needs. `line` counts from 1."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(line, message)
        self.line = line
        self.message = message


def documents(text: str) -> Iterator[Node]:
    """The documents of a YAML stream, one by one; empty ones are left out.

    Raises YamlProblem at the first place that cannot be read; what came before it was already given.
    """
    loader = None
    try:
        loader = _LOADER(text)
        while loader.check_event():
            event = loader.get_event()
            if isinstance(event, yaml.DocumentStartEvent):
                node = _document(loader)
                if not (isinstance(node, Leaf) and node.kind == "null"):
                    yield node
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        said = ", ".join(part for part in (error.context, error.problem) if part)
        raise YamlProblem(mark.line + 1 if mark else 1, f"is no YAML: {said}") from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise YamlProblem(line, f"is no YAML: character {error.character!r} is not allowed") from None
    finally:
        if loader is not None:
            loader.dispose()


def _document(loader: Any) -> Node:
    """The nodes of one document. The anchors are its own."""
    root = Items(0)
    open_nodes: list[Items | Pairs] = [root]
    anchors: dict[str, Node] = {}
    while True:
        event = loader.get_event()
        line = event.start_mark.line + 1
        if isinstance(event, yaml.DocumentEndEvent):
            return root.nodes[0]
        if isinstance(event, yaml.CollectionEndEvent):
            open_nodes.pop()
            continue
        node = _node(loader, event, line, anchors)
        open_nodes[-1].nodes.append(node)
        if isinstance(event, yaml.CollectionStartEvent):
            assert not isinstance(node, Leaf)
            open_nodes.append(node)
            if len(open_nodes) > DEPTH_MAX:
                raise YamlProblem(line, f"is nested more than {DEPTH_MAX} deep")


def _node(loader: Any, event: Any, line: int, anchors: dict[str, Node]) -> Node:
    if isinstance(event, yaml.AliasEvent):
        if event.anchor not in anchors:
            raise YamlProblem(line, f"is no YAML: alias *{event.anchor} names no anchor of its document")
        return anchors[event.anchor]
    node: Node
    if isinstance(event, yaml.ScalarEvent):
        tag = event.tag
        if tag is None or tag == "!":
            tag = loader.resolve(yaml.ScalarNode, event.value, event.implicit)
        node = Leaf(line, event.value, tag.removeprefix("tag:yaml.org,2002:"))
    else:
        node = Items(line) if isinstance(event, yaml.SequenceStartEvent) else Pairs(line)
    if event.anchor is not None:
        anchors[event.anchor] = node
    return node


def merged(mapping: Pairs) -> list[tuple[Leaf, Node]]:
    """The pairs of a mapping whose keys are scalars, with those that `<<` brings in and that it lacks itself.

    Raises YamlProblem when merges nest without end or bring in more than MERGES_MAX mappings.
    """
    found: dict[str, tuple[Leaf, Node]] = {}
    own: list[tuple[Leaf, Node]] = []
    waiting, taken = [mapping], 0
    while waiting:
        current = waiting.pop(0)
        taken += 1
        if taken > MERGES_MAX:
            raise YamlProblem(mapping.line, f"merges more than {MERGES_MAX} mappings with <<: write them out")
        below: list[Pairs] = []
        for key, value in current.pairs():
            if not isinstance(key, Leaf):
                continue
            if key.kind == "merge":
                below += [node for node in _merge_sources(value) if isinstance(node, Pairs)]
            elif current is mapping:
                own.append((key, value))
            else:
                found.setdefault(key.text, (key, value))
        waiting = below + waiting
    written = {key.text for key, _ in own}
    return own + [pair for text, pair in found.items() if text not in written]


def _merge_sources(value: Node) -> list[Node]:
    return value.nodes if isinstance(value, Items) else [value]
