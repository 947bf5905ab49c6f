"""Tasks and outcomes as Arrow columns: how they travel, and how they lie on disk."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Any, cast

import pyarrow as pa

from actors.columns import column, offsets
from actors.contracts import Failure, JsonValue, Outcome, Reason, Result, Span, Task, Usage, Work
from budget.errors import TaskError

OK = "ok"  # the status of a result; a failure's status is its reason


def _column(name: str, kind: pa.DataType, unit: str) -> pa.Field:
    return pa.field(name, kind, nullable=True, metadata={"unit": unit})


_SPAN = pa.struct(
    [
        pa.field("name", pa.string()),
        pa.field("started_at_s", pa.float64()),
        pa.field("ended_at_s", pa.float64()),
        pa.field("error", pa.string()),
        pa.field("attributes", pa.string()),
    ]
)

OUTCOME_SCHEMA = pa.schema(
    [
        _column("task_id", pa.string(), "id, unique in a batch"),
        _column("run_id", pa.string(), "id"),
        _column("agent", pa.string(), "specialist's name"),
        _column("attempt", pa.int32(), "count from 1"),
        _column("status", pa.string(), "ok, or the reason of the failure"),
        _column("message", pa.string(), "text; empty for ok"),
        _column("answer", pa.string(), "JSON under the task's schema; null for a failure"),
        _column("unresolved", pa.list_(pa.string()), "citations that their source does not hold"),
        _column("found", pa.string(), "JSON: what a failed session had learned; null for ok"),
        _column("model", pa.string(), "name of the model that answered last"),
        _column("input_tokens", pa.int64(), "tokens, cache reads and writes included"),
        _column("output_tokens", pa.int64(), "tokens"),
        _column("cache_read_tokens", pa.int64(), "tokens"),
        _column("cache_write_tokens", pa.int64(), "tokens"),
        _column(
            "spent_tokens", pa.int64(), "tokens: usage, what may have been billed unseen, a watchdog model's looks"
        ),
        _column("cost_microusd", pa.int64(), "1e-6 US dollars; null where a price is unknown"),
        _column("model_calls", pa.int32(), "count"),
        _column("tool_calls", pa.int32(), "count"),
        _column("host", pa.string(), "id of the host"),
        _column("queued_ms", pa.float64(), "milliseconds from the host's receipt to the session's start"),
        _column("started_at_s", pa.float64(), "Unix seconds"),
        _column("elapsed_ms", pa.float64(), "milliseconds"),
        _column("cached_replies", pa.int32(), "model replies that came out of a cache"),
        _column("cached_results", pa.int32(), "tool results that were known already"),
        _column("saved_tokens", pa.int64(), "tokens that the cached replies cost when they were made"),
        _column("spans", pa.list_(_SPAN), "model and tool calls, Unix seconds"),
    ]
)

TASK_SCHEMA = pa.schema(
    [
        _column("id", pa.string(), "id, unique in a batch"),
        _column("run_id", pa.string(), "id"),
        _column("agent", pa.string(), "specialist's name"),
        _column("objective", pa.string(), "text"),
        _column("output_schema", pa.string(), "name of the schema"),
        _column("tokens_max", pa.int64(), "tokens"),
        _column("deadline_s", pa.float64(), "seconds from the session's start"),
        _column("turns_max", pa.int32(), "model calls"),
        _column("idempotency_key", pa.string(), "key"),
        _column("inputs", pa.string(), "JSON"),
        _column("required", pa.bool_(), "whether the answer waits for it"),
        _column("attempt", pa.int32(), "count from 1"),
        _column("priority", pa.int64(), "place of the run in its batch"),
        _column("own_account", pa.bool_(), "whether its run has a ceiling of its own"),
    ]
)

_IDENTITY = ("task_id", "run_id", "agent", "attempt")
_ENDING = ("status", "message", "answer", "unresolved", "found")
_USAGE = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")
_WORK = (
    "model",
    "spent_tokens",
    "cost_microusd",
    "model_calls",
    "tool_calls",
    "host",
    "queued_ms",
    "started_at_s",
    "elapsed_ms",
    "cached_replies",
    "cached_results",
    "saved_tokens",
)

_task_fields = attrgetter(*TASK_SCHEMA.names)
_encoded = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def outcome_batch(outcomes: Sequence[Outcome]) -> pa.RecordBatch:
    """Outcomes as columns, one row each, in the order given.

    Shape:  (len(outcomes), len(OUTCOME_SCHEMA)); no outcomes give no rows and the same columns.
    Units:  in the fields' metadata.
    """
    works = [outcome.work for outcome in outcomes]
    columns = _columns(_IDENTITY, [outcome[: len(_IDENTITY)] for outcome in outcomes])
    columns |= _columns(Work._fields, works)
    columns |= _columns(Usage._fields, columns["usage"])
    columns |= _columns(_ENDING, [_ending(outcome) for outcome in outcomes])
    columns["spans"] = _span_column(columns["spans"])
    arrays = [
        columns["spans"] if field.name == "spans" else column(columns[field.name], field.type)
        for field in OUTCOME_SCHEMA
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=OUTCOME_SCHEMA)


def _columns(names: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> dict[str, Sequence[Any]]:
    """The values of each name, in the order of `rows`."""
    return dict(zip(names, zip(*rows, strict=True) if rows else [()] * len(names), strict=True))


def _ending(outcome: Outcome) -> tuple[Any, ...]:
    """That in which results and failures differ, as of `_ENDING`."""
    if isinstance(outcome, Result):
        return OK, "", outcome.answer, outcome.unresolved, None
    found = None if outcome.found is None else _json(outcome.found)
    return outcome.reason.value, outcome.message, None, (), found


class OutcomeRows:
    """A batch of outcome rows, made into values only when somebody looks at them."""

    __slots__ = ("_values", "batch")

    def __init__(self, batch: pa.RecordBatch) -> None:
        self.batch = batch
        self._values: list[Outcome] | None = None

    def __len__(self) -> int:
        return int(self.batch.num_rows)

    def column(self, name: str) -> list[Any]:
        return cast(list[Any], self.batch.column(name).to_pylist())

    def outcome(self, row: int) -> Outcome:
        return self.outcomes()[row]

    def outcomes(self) -> list[Outcome]:
        if self._values is None:
            self._values = outcomes_of(self.batch)
        return self._values


def outcomes_of(batch: pa.RecordBatch | pa.Table) -> list[Outcome]:
    """The rows of an outcome batch as values: what `outcome_batch` was given."""
    rows = zip(*(batch.column(name).to_pylist() for name in OUTCOME_SCHEMA.names), strict=True)
    return [_outcome(dict(zip(OUTCOME_SCHEMA.names, row, strict=True))) for row in rows]


def task_batch(tasks: Sequence[Task]) -> pa.RecordBatch:
    """Tasks as columns, one row each. Shape: (len(tasks), len(TASK_SCHEMA)).

    Raises TaskError for a task whose fields are not what they should be.
    """
    try:
        return _task_batch(tasks)
    except (TypeError, ValueError) as error:
        if len(tasks) > 1:  # which one it is
            for task in tasks:
                task_batch([task])
        raise TaskError(
            f"task {tasks[0].id!r} cannot be written down ({error}): ids and objective are text, inputs plain JSON"
        ) from None


def _task_batch(tasks: Sequence[Task]) -> pa.RecordBatch:
    columns = _columns(TASK_SCHEMA.names, [_task_fields(task) for task in tasks])
    columns["inputs"] = [_json(inputs) for inputs in columns["inputs"]]
    arrays = [column(columns[field.name], field.type) for field in TASK_SCHEMA]
    return pa.RecordBatch.from_arrays(arrays, schema=TASK_SCHEMA)


def tasks_of(batch: pa.RecordBatch | pa.Table) -> list[Task]:
    """The rows of a task batch as values: what `task_batch` was given."""
    names = TASK_SCHEMA.names
    columns = [batch.column(name).to_pylist() for name in names]
    where = names.index("inputs")
    columns[where] = [_parsed(inputs) for inputs in columns[where]]
    return [Task(**dict(zip(names, row, strict=True))) for row in zip(*columns, strict=True)]


def _json(value: JsonValue | Mapping[str, JsonValue]) -> str:
    return _encoded(value) if value else "{}"


def _parsed(text: str) -> dict[str, JsonValue]:
    return cast(dict[str, JsonValue], json.loads(text)) if text != "{}" else {}


def _span_column(spans: Sequence[Sequence[Span]]) -> pa.Array:
    """A list of structs, built from flat columns: an order of magnitude faster than from dictionaries."""
    flat = [span for of_one in spans for span in of_one]
    columns = zip(*flat, strict=True) if flat else [()] * len(_SPAN)
    fields = [column(values, field.type) for values, field in zip(columns, _SPAN, strict=True)]
    return pa.ListArray.from_arrays(offsets(spans), pa.StructArray.from_arrays(fields, fields=list(_SPAN)))


def _outcome(row: dict[str, Any]) -> Outcome:
    work = Work(
        usage=Usage(*(row[name] for name in _USAGE)),
        spans=tuple(Span(**span) for span in row["spans"]),
        **{name: row[name] for name in _WORK},
    )
    identity = {name: row[name] for name in _IDENTITY}
    if row["status"] == OK:
        return Result(**identity, answer=row["answer"], unresolved=tuple(row["unresolved"] or ()), work=work)
    found = None if row["found"] is None else json.loads(row["found"])
    return Failure(**identity, reason=Reason(row["status"]), message=row["message"], found=found, work=work)
