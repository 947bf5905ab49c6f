"""docs/tables.md names every column as the schemas do."""

from __future__ import annotations

import re
from pathlib import Path

import pyarrow as pa
import pytest

from actors.contracts import Reason
from actors.tables import OUTCOME_SCHEMA, TASK_SCHEMA

PAGE = (Path(__file__).parents[2] / "docs" / "tables.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(("table", "schema"), [("outcomes", OUTCOME_SCHEMA), ("tasks", TASK_SCHEMA)])
def test_every_column_stands_there_with_its_type_and_unit(table: str, schema: pa.Schema) -> None:
    """In the order of the table, and no column that is not there."""
    section = PAGE.split(f"## Columns of `{table}`")[1].split("\n## ")[0]

    documented = re.findall(r"^\| `(\w+)` \| (.+?) \| (.+?) \|$", section, re.MULTILINE)

    assert documented == [(field.name, _type(field), field.metadata[b"unit"].decode()) for field in schema]


def test_every_status_is_named() -> None:
    """The closed list of reasons, as people will filter by it."""
    assert {reason.value for reason in Reason} <= set(re.findall(r"`(\w+)`", PAGE))


def _type(field: pa.Field) -> str:
    if pa.types.is_list(field.type):
        return "list of string" if pa.types.is_string(field.type.value_type) else "list of spans"
    return str(field.type)
