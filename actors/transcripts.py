"""Conversations as they are kept; `actors/transcript_page.py` shows them to people.

A transcript is a JSON object: `model`, `system`, `messages` in the form of the Messages API, and how it `ended`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from actors.columns import column
from actors.contracts import Outcome
from actors.models.wire import wire_message
from actors.session import Session
from actors.steps import Done, Ended

TRANSCRIPT_SCHEMA = pa.schema(
    [
        pa.field("task_id", pa.string(), metadata={"unit": "id"}),
        pa.field("run_id", pa.string(), metadata={"unit": "id"}),
        pa.field("agent", pa.string(), metadata={"unit": "specialist's name"}),
        pa.field("attempt", pa.int32(), metadata={"unit": "count from 1"}),
        pa.field("transcript", pa.string(), metadata={"unit": "JSON"}),
    ]
)


def transcript(session: Session, ended: str) -> str:
    """A session's conversation as JSON. `ended` says how it ended."""
    kept = {
        "model": session.role.model,
        "system": session.role.system,
        "messages": [wire_message(message) for message in session.messages],
        "ended": ended,
    }
    return json.dumps(kept, ensure_ascii=False, separators=(",", ":"), default=str)


def transcript_batch(outcomes: Sequence[Outcome]) -> pa.RecordBatch | None:
    """The transcripts that came with these outcomes, one row each. None when there is none."""
    kept = [outcome for outcome in outcomes if outcome.work.transcript]
    if not kept:
        return None
    columns: list[list[Any]] = [
        [outcome.task_id for outcome in kept],
        [outcome.run_id for outcome in kept],
        [outcome.agent for outcome in kept],
        [outcome.attempt for outcome in kept],
        [outcome.work.transcript.encode("utf-8", "replace").decode() for outcome in kept],
    ]
    arrays = [column(values, field.type) for values, field in zip(columns, TRANSCRIPT_SCHEMA, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=TRANSCRIPT_SCHEMA)


def wanted(policy: str, outcome_is_failure: bool) -> bool:
    """Whether a conversation is kept under the policy `all`, `failures` or `none`."""
    return policy == "all" or (policy == "failures" and outcome_is_failure)


def ending(ended: Done | Ended) -> str:
    return f"{ended.reason.value}: {ended.message}" if isinstance(ended, Ended) else "answered"
