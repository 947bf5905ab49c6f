"""docs/audit.md says what the reader of manifests does."""

from __future__ import annotations

import re
from pathlib import Path

from jobs.annotations import ANNOTATIONS
from jobs.audit import AGENTS
from orchestrator.report_parts import SERVICES_IN_FULL_MAX
from support.manifests import catalog_of, mistakes

TEXT = (Path(__file__).parents[2] / "docs" / "audit.md").read_text(encoding="utf-8")


def test_the_manifest_of_the_docs_is_a_manifest() -> None:
    """What is shown can be copied: every source of it arrives."""
    example = re.search(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
    assert example is not None

    service = catalog_of(example[1]).services[0]

    assert all(agent.own(service) is not None for agent in AGENTS)
    assert service.depends_on == ("db",)


def test_the_docs_name_every_annotation_and_no_other() -> None:
    """An annotation without a line in the table does not exist for its users."""
    table = TEXT.partition("| annotation ")[2].partition("\n\n")[0]

    assert re.findall(r"^\| `([a-z-]+)` \|", table, re.MULTILINE) == list(ANNOTATIONS)


def test_the_mistakes_shown_in_the_docs_are_the_ones_told() -> None:
    """The two lines under "Mistakes are told" come from a manifest that makes them."""
    text = "\n\nkind: Component\nmetadata: {name: cart, annotations: {\n\n  reliability-audit/windw: P1D,\n\n\n"
    text += "  reliability-audit/git-path: src}}\n"

    shown = [f"services.yaml:{line}: {entity}, {field} {said}" for line, entity, field, said in mistakes(text)]

    assert len(shown) == 2
    assert all(line in TEXT for line in shown)


def test_the_number_of_sections_is_the_stated_one() -> None:
    """The bound of the report stands in the docs."""
    assert f"Sections are for the first {SERVICES_IN_FULL_MAX} services" in TEXT
