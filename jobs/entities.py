"""A stream of Backstage entities, read into a catalog or into all of its mistakes."""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from jobs.annotations import ANNOTATIONS, PREFIX, is_ours, nearest, read_sources
from jobs.catalog import Catalog, Service, key
from jobs.nodes import Items, Leaf, Node, Pairs, YamlProblem, documents, merged

# The kinds that a Backstage catalog knows; all but Component are counted and passed over.
KINDS = ("Component", "API", "Resource", "System", "Domain", "Group", "User", "Location", "Template")
NAME_MAX = 200  # characters; Backstage itself allows 63
DEPENDENCIES_MAX = 1_000


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake: the line (from 1), whose it is ("component 'cart'"), the field, and what is wrong with it."""

    line: int
    entity: str
    field: str
    text: str


@dataclass(frozen=True, slots=True)
class _Entity:
    """One document under reading: its top mapping, what to call it in a message, and the mistakes so far."""

    label: str
    top: Mapping[str, Node]
    line: int
    problems: list[Problem] = field(default_factory=list)

    def note(self, node: Node | None, field_name: str, text: str) -> None:
        self.problems.append(Problem(node.line if node else self.line, self.label, field_name, text))


def read_catalog(text: str, *, file: str, base: str, now_s: float) -> tuple[Catalog, list[Problem]]:
    """The services of a manifest's text, and every mistake in it, in the order of its lines.

    `base` is the folder that paths are relative to, `now_s` (Unix seconds) the `as-of` of services that state none.
    The catalog may be used when there is no mistake.
    """
    services: dict[str, Service] = {}
    skipped: dict[str, int] = {}
    problems: list[Problem] = []
    count = 0
    try:
        for count, node in enumerate(documents(text), 1):
            entity = _entity(node, count)
            service = _service(entity, skipped, base, now_s)
            if service is not None:
                first = services.setdefault(key(service.name), service)
                if first is not service:
                    entity.note(
                        entity.top["metadata"],
                        "metadata.name",
                        f"stands already at line {first.line}: names are unique",
                    )
            problems += entity.problems
    except YamlProblem as problem:
        problems.append(Problem(problem.line, "", "", problem.message))
    if not services and not problems:
        problems.append(Problem(1, "", "", _nothing(count, skipped)))
    fingerprint = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    catalog = Catalog(file=file, services=tuple(services.values()), skipped=skipped, fingerprint=fingerprint)
    return catalog, problems


def _nothing(count: int, skipped: Mapping[str, int]) -> str:
    if not count:
        return "holds no entities: write one Backstage Component for each service"
    others = ", ".join(f"{number} {kind}" for kind, number in sorted(skipped.items()))
    return f"holds no Component, only {others}: there is no service to audit"


def _entity(node: Node, number: int) -> _Entity:
    top = _mapping(node)
    metadata = _mapping(top.get("metadata"))
    kind, name = top.get("kind"), metadata.get("name")
    if isinstance(name, Leaf) and name.text:
        label = f"{kind.text.lower() if isinstance(kind, Leaf) else 'entity'} {name.text[:NAME_MAX]!r}"
    else:
        label = f"document {number}"
    return _Entity(label, top, node.line)


def _service(entity: _Entity, skipped: dict[str, int], base: str, now_s: float) -> Service | None:
    """The service that a document describes; None for another kind, or without a name."""
    kind = _kind(entity)
    if kind is None:
        return None
    if kind != "Component":
        skipped[kind] = skipped.get(kind, 0) + 1
        return None
    metadata, spec = _section(entity, "metadata"), _section(entity, "spec")
    name = _name(entity, metadata)
    values, lines = _annotations(entity, metadata.get("annotations"))

    def note(annotation: str, text: str) -> None:
        node = lines.get(annotation) or metadata.get("annotations")
        entity.note(node, f"annotation '{PREFIX}{annotation}'", text)

    sources = read_sources(values, base=base, now_s=now_s, note=note)
    namespace = _text(entity, metadata, "metadata", "namespace") or "default"
    if name is None:
        return None
    return Service(
        name=_qualified(namespace, name.text.strip()),
        owner=_text(entity, spec, "spec", "owner"),
        system=_text(entity, spec, "spec", "system"),
        description=_text(entity, metadata, "metadata", "description"),
        depends_on=_depends_on(entity, spec.get("dependsOn"), namespace),
        window=sources.window,
        incidents=sources.incidents,
        git=sources.git,
        metrics=sources.metrics,
        runbooks=sources.runbooks,
        line=name.line,
    )


def _kind(entity: _Entity) -> str | None:
    if not entity.top:
        entity.note(None, "kind", "is missing: an entity is a mapping with apiVersion, kind, metadata and spec")
        return None
    version, kind = entity.top.get("apiVersion"), entity.top.get("kind")
    if not isinstance(kind, Leaf) or kind.text not in KINDS:
        said = f"is {kind.text!r}" if isinstance(kind, Leaf) else "is missing"
        close = difflib.get_close_matches(kind.text if isinstance(kind, Leaf) else "", KINDS, n=1)
        hint = f"did you mean {close[0]!r}?" if close else "the audit reads 'Component'"
        entity.note(kind, "kind", f"{said}, which no Backstage catalog knows: {hint}")
        return None
    if isinstance(version, Leaf) and not version.text.startswith("backstage.io/"):
        entity.note(version, "apiVersion", f"is {version.text!r}: a Backstage entity says backstage.io/v1alpha1")
        return None
    return kind.text


def _section(entity: _Entity, name: str) -> dict[str, Node]:
    node = entity.top.get(name)
    if node is not None and not isinstance(node, Pairs) and not _is_null(node):
        entity.note(node, name, "is no mapping")
    return _mapping(node)


def _name(entity: _Entity, metadata: Mapping[str, Node]) -> Leaf | None:
    node = metadata.get("name")
    if not isinstance(node, Leaf) or not node.text.strip():
        entity.note(node or entity.top.get("metadata"), "metadata.name", "is missing: every Component has a name")
    elif node.kind != "str":
        entity.note(node, "metadata.name", f"is {_article(node.kind)}, and must be a text: put it in quotes")
    elif len(node.text) > NAME_MAX or not node.text.isprintable():
        entity.note(node, "metadata.name", f"is longer than {NAME_MAX} characters or has unprintable ones in it")
    else:
        return node
    return None


def _annotations(entity: _Entity, node: Node | None) -> tuple[dict[str, str], dict[str, Node]]:
    """Our annotations without their prefix: their values, and the nodes to point at."""
    if node is not None and not isinstance(node, Pairs) and not _is_null(node):
        entity.note(node, "metadata.annotations", "is no mapping")
    values: dict[str, str] = {}
    lines: dict[str, Node] = {}
    for name, value in merged(node) if isinstance(node, Pairs) else []:
        if not is_ours(name.text):
            continue
        field_name = f"annotation {name.text[:NAME_MAX]!r}"
        short = name.text.removeprefix(PREFIX)
        if short not in ANNOTATIONS:
            near = nearest(name.text)
            entity.note(name, field_name, "is unknown: " + (f"did you mean {near!r}?" if near else _known()))
        elif short in values:
            entity.note(name, field_name, f"is given twice, first at line {lines[short].line}: keep one")
        elif not isinstance(value, Leaf):
            entity.note(value, field_name, "is a list or a mapping, and must be a text: separate parts by commas")
        elif value.kind != "str" and not (short == "as-of" and value.kind == "timestamp"):
            entity.note(value, field_name, f"is {_article(value.kind)}, and must be a text: put it in quotes")
        else:
            values[short], lines[short] = value.text, value
    return values, lines


def _known() -> str:
    return "known are " + ", ".join(ANNOTATIONS)


def _text(entity: _Entity, section: Mapping[str, Node], section_name: str, name: str) -> str:
    """An optional text that nothing hangs on, on one line; a value that is no scalar is a mistake."""
    node = section.get(name)
    if node is None or _is_null(node):
        return ""
    if not isinstance(node, Leaf):
        entity.note(node, f"{section_name}.{name}", "is a list or a mapping, and must be a text")
        return ""
    return " ".join(node.text.split())[:NAME_MAX]


def _depends_on(entity: _Entity, node: Node | None, namespace: str) -> tuple[str, ...]:
    """The Components that `spec.dependsOn` refers to, by the names that they have in this manifest."""
    if node is None or _is_null(node):
        return ()
    if not isinstance(node, Items) or len(node.nodes) > DEPENDENCIES_MAX:
        entity.note(node, "spec.dependsOn", f"is no list of at most {DEPENDENCIES_MAX} entity references")
        return ()
    found: dict[str, None] = {}
    for item in node.nodes:
        reference = (
            re.fullmatch(r"(?:([^:/\s]+):)?(?:([^:/]+)/)?([^:/]+)", item.text) if isinstance(item, Leaf) else None
        )
        if reference is None:
            entity.note(item, "spec.dependsOn", "holds what is no entity reference: write component:name")
        elif (reference[1] or "component").lower() == "component":
            found[_qualified(reference[2] or namespace, reference[3])] = None
    return tuple(found)


def _qualified(namespace: str, name: str) -> str:
    return name if namespace.lower() == "default" else f"{namespace}/{name}"


def _mapping(node: Node | None) -> dict[str, Node]:
    """A mapping's values by key, the last one where a key stands twice; empty for anything else."""
    return {name.text: value for name, value in merged(node)} if isinstance(node, Pairs) else {}


def _is_null(node: Node) -> bool:
    return isinstance(node, Leaf) and node.kind == "null"


def _article(kind: str) -> str:
    return {"null": "empty", "int": "an integer", "float": "a number", "bool": "a boolean"}.get(kind, f"a {kind}")
