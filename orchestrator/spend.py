"""Where a batch's tokens and dollars went, by its outcome table: by specialist, model and run, and into failures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from actors.tables import OK

COLUMNS = ("agent", "model", "run_id", "status", "spent_tokens", "cost_microusd")
NO_MODEL = "none"  # a task that ended before a model was called
PORTION_BYTES = 4 << 20  # of outcomes, that are added up at once


@dataclass(frozen=True, slots=True)
class Share:
    """Part of the spend. A cost of None: some of it has no known price."""

    tokens: int
    microusd: int | None

    def __add__(self, other: Share) -> Share:
        unknown = self.microusd is None or other.microusd is None
        return Share(self.tokens + other.tokens, None if unknown else (self.microusd or 0) + (other.microusd or 0))


NOTHING = Share(0, 0)


@dataclass(frozen=True, slots=True)
class Spend:
    """The bill by who made it. `failures` is what came to nothing all the same; earlier attempts count as well."""

    by_agent: Mapping[str, Share] = field(default_factory=dict)
    by_model: Mapping[str, Share] = field(default_factory=dict)
    by_run: Mapping[str, Share] = field(default_factory=dict)
    failures: Share = NOTHING


def spend_of(batches: Iterable[pa.RecordBatch]) -> Spend:
    """The spend in outcome batches, in whole tokens and micro-dollars, names in their order."""
    by_agent: dict[str, Share] = {}
    by_model: dict[str, Share] = {}
    by_run: dict[str, Share] = {}
    failures = NOTHING
    for table in _portions(batches):
        _add(by_agent, table, "agent")
        _add(by_model, table, "model")
        _add(by_run, table, "run_id")
        failures += _share(table.filter(pc.not_equal(table.column("status"), OK)))
    models = {name or NO_MODEL: share for name, share in _in_order(by_model).items()}
    return Spend(_in_order(by_agent), models, _in_order(by_run), failures)


def _portions(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.Table]:
    """What is to be added up, some megabytes at a time: a single column keeps all of its segment in memory."""
    portion: list[pa.RecordBatch] = []
    size = 0
    for batch in batches:
        portion.append(batch.select(COLUMNS))
        size += batch.nbytes
        if size >= PORTION_BYTES:
            yield pa.Table.from_batches(portion)
            portion, size = [], 0
    if portion:
        yield pa.Table.from_batches(portion)


def _add(sums: dict[str, Share], table: pa.Table, column: str) -> None:
    """Add what a table holds, by a column of names."""
    found = table.group_by(column).aggregate(
        [("spent_tokens", "sum"), ("cost_microusd", "sum"), ("cost_microusd", "count"), ([], "count_all")]
    )
    for row in found.to_pylist():
        share = Share(row["spent_tokens_sum"] or 0, _known(row))
        sums[row[column]] = sums.get(row[column], NOTHING) + share


def _in_order(sums: Mapping[str, Share]) -> dict[str, Share]:
    return {name: sums[name] for name in sorted(sums)}


def _known(row: Mapping[str, int]) -> int | None:
    return (row["cost_microusd_sum"] or 0) if row["cost_microusd_count"] == row["count_all"] else None


def _share(table: pa.Table) -> Share:
    costs = table.column("cost_microusd")
    tokens = pc.sum(table.column("spent_tokens")).as_py() or 0
    return Share(tokens, None if costs.null_count else pc.sum(costs).as_py() or 0)
