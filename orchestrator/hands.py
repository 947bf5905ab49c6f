"""What `Dispatcher` says is carried out: tasks go to hosts, sessions are cancelled, failures of its own are kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from actors.columns import column
from orchestrator import moves
from orchestrator.dispatcher import Dispatcher
from orchestrator.fleets import Fleet
from orchestrator.keeping import Keeper


@dataclass(slots=True)
class Hands:
    """The machine that says which task goes where, and what it can reach. Another batch begins with another machine."""

    fleet: Fleet
    keeper: Keeper
    dispatch: Dispatcher = field(default_factory=lambda: Dispatcher(frozenset()))

    def step(self, event: moves.Event) -> None:
        """Something happened: what is to follow is done."""
        self.carry_out(self.dispatch.step(event))

    def carry_out(self, instructions: Sequence[moves.Instruction]) -> None:
        for instruction in instructions:
            match instruction:
                case moves.Submit(host, tasks):
                    self.fleet.submit(host, tasks)
                case moves.Record(failures):
                    self.keeper.add_failures(failures)
                case moves.Cancel(host, task_ids):
                    self.fleet.cancel(host, task_ids)
                case moves.Keep() | moves.Replace():
                    raise AssertionError(f"{instruction} is carried out where it was asked for")

    def drained(self, host: str, rows: pa.RecordBatch, heard_s: float) -> pa.RecordBatch:
        """The rows of a drain that are outcomes, not repetitions. Room that came free is filled."""
        kept, rest = self._kept(host, rows, heard_s)
        self.carry_out(rest)
        return kept

    def last_drained(self, host: str, rows: pa.RecordBatch, heard_s: float) -> pa.RecordBatch:
        """The same at the very end: nothing is submitted any more."""
        return self._kept(host, rows, heard_s)[0]

    def _kept(
        self, host: str, rows: pa.RecordBatch, heard_s: float
    ) -> tuple[pa.RecordBatch, Sequence[moves.Instruction]]:
        ids = list(zip(rows.column("task_id").to_pylist(), rows.column("attempt").to_pylist(), strict=True))
        keep, *rest = self.dispatch.step(moves.Drained(host, ids, heard_s))
        assert isinstance(keep, moves.Keep)
        return rows if all(keep.rows) else rows.filter(column(keep.rows, pa.bool_())), rest
