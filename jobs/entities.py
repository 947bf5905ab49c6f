"""A stream of Backstage entities, read into a catalog or into all of its mistakes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from jobs.annotations import PREFIX, Sources, read_sources
from jobs.catalog import Catalog, Service, key
from jobs.entity import Entity, Problem, annotations_of, depends_on, entity_of, kind_of, name_of, qualified
from jobs.nodes import Node, YamlProblem, documents


def read_catalog(text: str, *, file: str, base: str, now_s: float) -> tuple[Catalog, list[Problem]]:
    """The services of a manifest's text, and every mistake in it.

    `base` is the folder that paths are relative to, `now_s` (Unix seconds) the `as-of` of services that state none.
    The catalog may be used when there is no mistake.
    """
    services: dict[str, Service] = {}
    skipped: dict[str, int] = {}
    problems: list[Problem] = []
    count = 0
    try:
        for count, node in enumerate(documents(text), 1):
            entity = entity_of(node, count)
            kind = kind_of(entity)
            if kind == "Component":
                _add(services, entity, base, now_s)
            elif kind is not None:
                skipped[kind] = skipped.get(kind, 0) + 1
            problems += entity.problems
    except YamlProblem as problem:
        problems.append(Problem(problem.line, "", "", problem.message))
    if not services and not problems:
        problems.append(Problem(1, "", "", _nothing(count, skipped)))
    catalog = Catalog(file=file, services=tuple(services.values()), skipped=skipped, fingerprint=fingerprint_of(text))
    return catalog, problems


def fingerprint_of(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _add(services: dict[str, Service], entity: Entity, base: str, now_s: float) -> None:
    """Put the Component among the services, unless it has no name or somebody else's."""
    metadata, spec = entity.section("metadata"), entity.section("spec")
    name = name_of(entity, metadata)
    sources = _sources(entity, metadata.get("annotations"), base, now_s)
    namespace = entity.text(metadata, "metadata.namespace") or "default"
    service = Service(
        name=qualified(namespace, name.text.strip() if name else ""),
        owner=entity.text(spec, "spec.owner"),
        system=entity.text(spec, "spec.system"),
        description=entity.text(metadata, "metadata.description"),
        depends_on=depends_on(entity, spec.get("dependsOn"), namespace),
        window=sources.window,
        incidents=sources.incidents,
        git=sources.git,
        metrics=sources.metrics,
        runbooks=sources.runbooks,
        line=name.line if name else 0,
    )
    if name is not None and services.setdefault(key(service.name), service) is not service:
        first = services[key(service.name)]
        entity.note(name, "metadata.name", f"stands already at line {first.line}: names are unique")


def _sources(entity: Entity, node: Node | None, base: str, now_s: float) -> Sources:
    given = annotations_of(entity, node)

    def note(annotation: str, text: str) -> None:
        entity.note(given.get(annotation, node), f"annotation '{PREFIX}{annotation}'", text)

    return read_sources({name: leaf.text for name, leaf in given.items()}, base=base, now_s=now_s, note=note)


def _nothing(count: int, skipped: Mapping[str, int]) -> str:
    if not count:
        return "holds no entities: write one Backstage Component for each service"
    others = ", ".join(f"{number} {kind}" for kind, number in sorted(skipped.items()))
    return f"holds no Component, only {others}: there is no service to audit"
