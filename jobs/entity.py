"""One Backstage entity under reading: its fields, and the mistakes in them with their lines."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from jobs.annotations import ANNOTATIONS, PREFIX, is_ours, nearest
from jobs.nodes import Items, Leaf, Node, Pairs, merged

# The kinds that a Backstage catalog knows; the audit is about Components.
KINDS = ("Component", "API", "Resource", "System", "Domain", "Group", "User", "Location", "Template")
NAME_MAX = 200  # characters; Backstage itself allows 63
DEPENDENCIES_MAX = 1_000
MESSAGE_MAX = 600  # characters of one mistake
_REFERENCE = re.compile(r"(?:([^:/\s]+):)?(?:([^:/]+)/)?([^:/]+)")  # kind:namespace/name, the first two optional
_ARTICLES = {"null": "empty", "int": "an integer", "float": "a number", "bool": "a boolean"}


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake: the line (from 1), whose it is ("component 'cart'"), the field, and what is wrong with it."""

    line: int
    entity: str
    field: str
    text: str


@dataclass(frozen=True, slots=True)
class Entity:
    """One document: what to call it in a message, its sections by name, and the mistakes found so far."""

    label: str
    line: int
    top: Mapping[str, Node]
    problems: list[Problem] = field(default_factory=list)

    def note(self, node: Node | None, field_name: str, text: str) -> None:
        """Take note of a mistake at `node`, or at the entity's first line when there is none."""
        self.problems.append(Problem(node.line if node else self.line, self.label, field_name, text[:MESSAGE_MAX]))

    def section(self, name: str) -> dict[str, Node]:
        """`metadata` or `spec` by key; empty when it is missing or, which is noted, no mapping."""
        node = self.top.get(name)
        if not (node is None or _is_null(node) or isinstance(node, Pairs)):
            self.note(node, name, "is no mapping")
        return _mapping(node)

    def text(self, section: Mapping[str, Node], field_name: str) -> str:
        """An optional text that nothing hangs on, on one line; "" when it is missing or, which is noted, no scalar."""
        node = section.get(field_name.rpartition(".")[2])
        if node is None or _is_null(node):
            return ""
        if not isinstance(node, Leaf):
            self.note(node, field_name, "is a list or a mapping, and must be a text")
            return ""
        return " ".join(node.text.split())[:NAME_MAX]


def entity_of(node: Node, number: int) -> Entity:
    """A document as an entity. Without a name it is called by its `number` in the stream."""
    top = _mapping(node)
    kind, name = top.get("kind"), _mapping(top.get("metadata")).get("name")
    if isinstance(name, Leaf) and name.text:
        label = f"{kind.text[:40].lower() if isinstance(kind, Leaf) else 'entity'} {name.text[:NAME_MAX]!r}"
    else:
        label = f"document {number}"
    return Entity(label, node.line, top)


def kind_of(entity: Entity) -> str | None:
    """One of KINDS; None, which is noted, for anything else."""
    version, kind = entity.top.get("apiVersion"), entity.top.get("kind")
    if not entity.top:
        entity.note(None, "kind", "is missing: an entity is a mapping with apiVersion, kind, metadata and spec")
    elif not isinstance(kind, Leaf):
        entity.note(kind, "kind", "is missing: the audit reads 'Component'")
    elif isinstance(version, Leaf) and not version.text.startswith("backstage.io/"):
        entity.note(version, "apiVersion", f"is {version.text[:80]!r}: a Backstage entity says backstage.io/v1alpha1")
    elif kind.text not in KINDS:
        close = difflib.get_close_matches(kind.text[:80], KINDS, n=1)
        hint = f"did you mean {close[0]!r}?" if close else "the audit reads 'Component'"
        entity.note(kind, "kind", f"is {kind.text[:80]!r}, which no Backstage catalog knows: {hint}")
    else:
        return kind.text
    return None


def name_of(entity: Entity, metadata: Mapping[str, Node]) -> Leaf | None:
    """The entity's name; None, which is noted, when it has none that can be used."""
    node = metadata.get("name")
    if not isinstance(node, Leaf) or not node.text.strip():
        entity.note(node or entity.top.get("metadata"), "metadata.name", "is missing: every Component has a name")
    elif node.kind != "str":
        entity.note(node, "metadata.name", f"is {_article(node.kind)}, and must be a text: put it in quotes")
    elif len(node.text) > NAME_MAX or not node.text.isprintable():
        entity.note(node, "metadata.name", f"is longer than {NAME_MAX} characters or has unprintable ones in it")
    elif node.text.strip().startswith("@"):
        entity.note(node, "metadata.name", "begins with an @, as the batch's own runs do: leave it out")
    else:
        return node
    return None


def annotations_of(entity: Entity, node: Node | None) -> dict[str, Leaf]:
    """Our annotations by their names without prefix; those that are unknown, doubled or no text are noted."""
    if not (node is None or _is_null(node) or isinstance(node, Pairs)):
        entity.note(node, "metadata.annotations", "is no mapping")
    found: dict[str, Leaf] = {}
    for name, value in merged(node) if isinstance(node, Pairs) else []:
        if not is_ours(name.text):
            continue
        field_name, short = f"annotation {name.text[:NAME_MAX]!r}", name.text.removeprefix(PREFIX)
        if short not in ANNOTATIONS:
            near = nearest(name.text)
            hint = f"did you mean {near!r}?" if near else "known are " + ", ".join(ANNOTATIONS)
            entity.note(name, field_name, f"is unknown: {hint}")
        elif short in found:
            entity.note(name, field_name, f"is given twice, first at line {found[short].line}: keep one")
        elif not isinstance(value, Leaf):
            entity.note(value, field_name, "is a list or a mapping, and must be a text: separate parts by commas")
        elif value.kind != "str" and not (short == "as-of" and value.kind == "timestamp"):
            entity.note(value, field_name, f"is {_article(value.kind)}, and must be a text: put it in quotes")
        else:
            found[short] = value
    return found


def depends_on(entity: Entity, node: Node | None, namespace: str) -> tuple[str, ...]:
    """The Components that `spec.dependsOn` refers to, by the names that they have in this manifest."""
    if node is None or _is_null(node):
        return ()
    if not isinstance(node, Items) or len(node.nodes) > DEPENDENCIES_MAX:
        entity.note(node, "spec.dependsOn", f"is no list of at most {DEPENDENCIES_MAX} entity references")
        return ()
    found: dict[str, None] = {}
    for item in node.nodes:
        reference = _REFERENCE.fullmatch(item.text) if isinstance(item, Leaf) else None
        if reference is None:
            entity.note(item, "spec.dependsOn", "holds what is no entity reference: write component:name")
        elif (reference[1] or "component").lower() == "component":
            found[qualified(reference[2] or namespace, reference[3])] = None
    return tuple(found)


def qualified(namespace: str, name: str) -> str:
    """A service's name: its entity's, after its namespace unless that is the default one."""
    return name if namespace.lower() == "default" else f"{namespace}/{name}"


def _mapping(node: Node | None) -> dict[str, Node]:
    """A mapping's values by key, the last one where a key stands twice; empty for anything else."""
    return {name.text: value for name, value in merged(node)} if isinstance(node, Pairs) else {}


def _is_null(node: Node) -> bool:
    return isinstance(node, Leaf) and node.kind == "null"


def _article(kind: str) -> str:
    return _ARTICLES.get(kind, f"a {kind}")
