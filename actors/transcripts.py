"""Conversations as they are kept, and as people read them.

A transcript is a JSON object: `model`, `system`, `messages` in the form of the Messages API, and how it `ended`.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from actors.columns import column
from actors.contracts import Outcome
from actors.models.wire import wire_message
from actors.session import Session
from actors.steps import Done, Ended

CHARACTERS_MAX = 4_000  # of one block, as it is shown; the file has all of it

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


def readable(kept: str, *, characters_max: int = CHARACTERS_MAX) -> str:
    """A transcript for people: who said what, tool calls with their arguments, and how it ended."""
    told: Mapping[str, Any] = json.loads(kept)
    lines = [f"model   {told.get('model', '')}", "", "system", _indented(str(told.get("system", "")), characters_max)]
    for message in told.get("messages", ()):
        for who, text in _blocks(message):
            lines += ["", who, _indented(text, characters_max)]
    return "\n".join([*lines, "", f"ended   {told.get('ended', '')}"])


def _blocks(message: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    role = {"user": "to the model", "assistant": "the model"}.get(message["role"], message["role"])
    for block in message["content"]:
        kind = block.get("type")
        if kind == "text":
            yield role, block["text"]
        elif kind == "tool_use":
            yield f"the model calls {block['name']} ({block['id']})", json.dumps(block["input"], ensure_ascii=False)
        elif kind == "tool_result":
            error = ", an error" if block.get("is_error") else ""
            yield f"result of {block['tool_use_id']}{error}", str(block["content"])
        else:
            yield f"{role} ({kind})", json.dumps(block, ensure_ascii=False)


def _indented(text: str, characters_max: int) -> str:
    """Text as it may stand on a terminal: control characters are shown, not obeyed; a long text says how long it is."""
    shown = text[:characters_max]
    more = f"\n… {len(text) - characters_max:,} more characters" if len(text) > characters_max else ""
    safe = "".join(c if c.isprintable() or c == "\n" else f"\\u{ord(c):04x}" for c in shown)
    return textwrap.indent(safe + more, "    ", lambda _: True)
