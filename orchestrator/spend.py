"""Where a batch's tokens and dollars went, by its outcome table: by specialist, model and run, and into failures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from actors.tables import OK

COLUMNS = ("agent", "model", "run_id", "status", "spent_tokens", "cost_microusd")
NO_MODEL = "none"  # a task that ended before a model was called


@dataclass(frozen=True, slots=True)
class Share:
    """Part of the spend. A cost of None: some of it has no known price."""

    tokens: int
    microusd: int | None


@dataclass(frozen=True, slots=True)
class Spend:
    """The bill by who made it. `failures` is what came to nothing all the same; earlier attempts count as well."""

    by_agent: Mapping[str, Share] = field(default_factory=dict)
    by_model: Mapping[str, Share] = field(default_factory=dict)
    by_run: Mapping[str, Share] = field(default_factory=dict)
    failures: Share = Share(0, 0)


def spend_of(batches: Iterable[pa.RecordBatch]) -> Spend:
    """The spend in outcome batches, in whole tokens and micro-dollars, names in their order."""
    kept = [pa.RecordBatch.from_arrays([batch.column(name) for name in COLUMNS], COLUMNS) for batch in batches]
    if not kept:
        return Spend()
    table = pa.Table.from_batches(kept)
    failed = table.filter(pc.not_equal(table.column("status"), OK))
    return Spend(
        by_agent=_by(table, "agent"),
        by_model={name or NO_MODEL: share for name, share in _by(table, "model").items()},
        by_run=_by(table, "run_id"),
        failures=_share(failed),
    )


def _by(table: pa.Table, column: str) -> dict[str, Share]:
    sums = table.group_by(column).aggregate(
        [("spent_tokens", "sum"), ("cost_microusd", "sum"), ("cost_microusd", "count"), ([], "count_all")]
    )
    rows = sums.sort_by(column).to_pylist()
    return {row[column]: Share(row["spent_tokens_sum"] or 0, _known(row)) for row in rows}


def _known(row: Mapping[str, int]) -> int | None:
    return (row["cost_microusd_sum"] or 0) if row["cost_microusd_count"] == row["count_all"] else None


def _share(table: pa.Table) -> Share:
    costs = table.column("cost_microusd")
    tokens = pc.sum(table.column("spent_tokens")).as_py() or 0
    return Share(tokens, None if costs.null_count else pc.sum(costs).as_py() or 0)
