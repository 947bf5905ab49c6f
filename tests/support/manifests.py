"""Small manifests for tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from jobs.catalog import Catalog
from jobs.entities import read_catalog
from jobs.entity import Problem

NOW_S = 1_790_000_000.0  # 2026-09-21
BASE = "/estate"


def component(name: str = "cart", *, depends_on: Sequence[str] = (), **annotations: str) -> str:
    """One Component as YAML. Annotations are given without prefix, with _ for -, and written as they are."""
    lines = ["apiVersion: backstage.io/v1alpha1", "kind: Component", "metadata:", f"  name: {name}"]
    lines += ["  annotations:"] if annotations else []
    lines += [f"    reliability-audit/{key.replace('_', '-')}: {value}" for key, value in annotations.items()]
    lines += ["spec:", "  owner: team-a", "  system: shop"]
    lines += ["  dependsOn:", *(f"  - {name}" for name in depends_on)] if depends_on else []
    return "\n".join(lines) + "\n"


def stream(*documents: str) -> str:
    return "---\n".join(documents)


def read(text: str) -> tuple[Catalog, list[Problem]]:
    return read_catalog(text, file="services.yaml", base=BASE, now_s=NOW_S)


def catalog_of(*documents: str) -> Catalog:
    """The catalog of a manifest without mistakes."""
    catalog, problems = read(stream(*documents))
    assert problems == []
    return catalog


def mistakes(text: str) -> list[tuple[int, str, str, str]]:
    """Line, entity, field and text of each mistake in a manifest."""
    return [(p.line, p.entity, p.field, p.text) for p in read(text)[1]]


def mistake_in(**annotations: str) -> str:
    """The text of the one mistake in a Component with these annotations, "" when there is none."""
    _, problems = read(component(**annotations))
    assert len(problems) <= 1, problems
    return problems[0].text if problems else ""


ALL: Mapping[str, str] = {
    "incidents": "incidents/all.jsonl",
    "incidents_format": "jsonl",
    "incidents_service": "cart, cart-api",
    "git": "git/shop.git",
    "git_path": "src/cart,lib/cart",
    "prometheus_url": "http://127.0.0.1:9090/",
    "prometheus_selector": "'{service=\"cart\"}'",
    "runbooks": "runbooks/cart,runbooks/shared",
    "as_of": "'2026-08-23T19:00:00Z'",
    "window": "P14D",
}
