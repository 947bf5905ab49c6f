"""Where a batch's tokens and dollars went, by its outcome table: by specialist, model and run, and into failures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from actors.tables import OK
from budget.money import NOTHING, Amount
from orchestrator.portions import PORTION_BYTES, portions

COLUMNS = ("agent", "model", "run_id", "status", "spent_tokens", "cost_microusd")
NO_MODEL = "none"  # a task that ended before a model was called


@dataclass(frozen=True, slots=True)
class Spend:
    """The bill by who made it. `failures` is what came to nothing all the same; earlier attempts count as well."""

    by_agent: Mapping[str, Amount] = field(default_factory=dict)
    by_model: Mapping[str, Amount] = field(default_factory=dict)
    by_run: Mapping[str, Amount] = field(default_factory=dict)
    failures: Amount = NOTHING


def spend_of(batches: Iterable[pa.RecordBatch], *, portion_bytes: int = PORTION_BYTES) -> Spend:
    """The spend in outcome batches, in whole tokens and micro-dollars, names in their order.

    No more of the batches than `portion_bytes` and one of them are held at once.
    """
    by_agent: dict[str, Amount] = {}
    by_model: dict[str, Amount] = {}
    by_run: dict[str, Amount] = {}
    failures = NOTHING
    for portion in portions(batches, portion_bytes):
        table = pa.Table.from_batches([batch.select(COLUMNS) for batch in portion])
        _add(by_agent, table, "agent")
        _add(by_model, table, "model")
        _add(by_run, table, "run_id")
        failures += _amount(table.filter(pc.not_equal(table.column("status"), OK)))
    models = {name or NO_MODEL: share for name, share in _in_order(by_model).items()}
    return Spend(_in_order(by_agent), models, _in_order(by_run), failures)


def _add(sums: dict[str, Amount], table: pa.Table, column: str) -> None:
    """Add what a table holds, by a column of names."""
    found = table.group_by(column).aggregate(
        [("spent_tokens", "sum"), ("cost_microusd", "sum"), ("cost_microusd", "count"), ([], "count_all")]
    )
    for row in found.to_pylist():
        name = row[column] or ""
        sums[name] = sums.get(name, NOTHING) + Amount(row["spent_tokens_sum"] or 0, _known(row))


def _in_order(sums: Mapping[str, Amount]) -> dict[str, Amount]:
    return {name: sums[name] for name in sorted(sums)}


def _known(row: Mapping[str, int]) -> int | None:
    return (row["cost_microusd_sum"] or 0) if row["cost_microusd_count"] == row["count_all"] else None


def _amount(table: pa.Table) -> Amount:
    costs = table.column("cost_microusd")
    tokens = pc.sum(table.column("spent_tokens")).as_py() or 0
    return Amount(tokens, None if costs.null_count else pc.sum(costs).as_py() or 0)
