"""A task as somebody reads it who has to act: how it ended, what to do, what it took, and what came of it. Pure."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from typing import Any

from actors.contracts import Reason
from actors.span_page import looked_tokens, timeline
from actors.tables import OK
from actors.terminal import block, line, spread
from actors.wording import counted

Row = Mapping[str, Any]  # of the outcome table, or of the task table
UNDER_WAY_S_MIN = 0.05  # between its last call and its end a session takes milliseconds

ADVICE = {
    Reason.TIMEOUT: "see what took the time; give it more (--timeout), or do less at once (--concurrency)",
    Reason.TOOL_ERROR: "mend the source that it names, or its annotation in the manifest",
    Reason.MODEL_ERROR: "where the provider was down, wait or name a --fallback-model; a refusal: read it",
    Reason.INVALID_OUTPUT: "read what the model answered; another --model may keep to the schema",
    Reason.BUDGET_SKIP: "raise --budget-tokens, or --tokens-per-run of a new run",
    Reason.NO_SUCH_AGENT: "the plan names a specialist that the batch does not have: add it to the job",
    Reason.WATCHDOG: "read what it went round in: a tool that tells it nothing, or too few --turns",
    Reason.CIRCUIT_OPEN: "what it names kept failing: wait until it is up, or name a --fallback-model",
    Reason.HOST_LOST: "its process died or hung: look for memory and at Ray's logs",
    Reason.CANCELLED: "it was not let finish: have it done again",
    Reason.UPSTREAM_FAILED: "mend what it needed first, named above",
}


def task_page(row: Row, asked: Row | None, *, again: str, conversation: bool) -> str:
    """One attempt of a task: `row` of the outcomes, `asked` of the tasks where it is known.

    `again` is the command that has failures done again; "" where there is none. `conversation`: it follows, with what
    was asked and found.
    """
    lines = [*_head(row, again), *_asked(asked, whole=not conversation), *_work(row)]
    if row["unresolved"]:
        lines.append(_said("not found", "citations that their source does not hold: " + ", ".join(row["unresolved"])))
    lines += _steps(row)
    if row["answer"] is not None:
        lines += ["answer", block(spread(row["answer"]))]
    if row["found"] not in (None, "[]", "{}"):
        lines += ["found      in the conversation below"] if conversation else list(_found(row["found"]))
    return "\n".join(lines)


def _head(row: Row, again: str) -> Iterator[str]:
    yield _said("task", f"{row['task_id']}, attempt {row['attempt']}")
    model = f" with {row['model']}" if row["model"] else ""
    yield _said("by", f"{row['agent']}{model}" + (f" on {row['host']}" if row["host"] else ""))
    if row["status"] == OK:
        yield _said("ended", "answered")
        return
    yield _said("ended", f"{row['status']}: {row['message']}")
    advice = ADVICE.get(row["status"])
    if advice:
        yield _said("do", advice + (f"; then `{again}`" if again else ""))


def _asked(asked: Row | None, *, whole: bool) -> Iterator[str]:
    if asked is not None:
        limits = f"{asked['tokens_max']:,} tokens, {asked['deadline_s']:g} s, {asked['turns_max']} model calls"
        yield _said("at most", limits + ("" if asked["required"] else "; the answer does not wait for it"))
        if whole:
            yield "asked"
            yield block(str(asked["objective"]))


def _work(row: Row) -> Iterator[str]:
    if not row["started_at_s"]:
        yield _said("took", "nothing: it never began")
        return
    began = time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(row["started_at_s"]))
    yield _said(
        "took", f"{row['elapsed_ms'] / 1e3:.2f} s from {began} on, after {row['queued_ms'] / 1e3:.2f} s in line"
    )
    model, tools = _known(row, "model", row["cached_replies"]), _known(row, "tool", row["cached_results"])
    yield _said("calls", f"{model}, {tools}")
    yield _said("spent", _spent(row))


def _known(row: Row, of: str, known: int) -> str:
    """How many calls there were, and how many of them needed no asking."""
    calls = row[f"{of}_calls"]
    return counted(calls, f"{of} call") + (f" ({known} known already)" if known else "")


def _spent(row: Row) -> str:
    cost = "at a price that is unknown" if row["cost_microusd"] is None else f"${row['cost_microusd'] / 1e6:,.4f}"
    read, written = row["cache_read_tokens"], row["cache_write_tokens"]
    cached = f" ({read:,} read from the cache, {written:,} written)" if read or written else ""
    text = f"{row['spent_tokens']:,} tokens, {cost}: {row['input_tokens']:,} in{cached}, {row['output_tokens']:,} out"
    looked = looked_tokens(row["spans"] or ())
    lost = row["spent_tokens"] - row["input_tokens"] - row["output_tokens"] - looked
    text += f", {looked:,} for looks of the watchdog model" if looked else ""
    text += f", up to {lost:,} for replies that never came" if lost > 0 else ""
    return text + (f"; {row['saved_tokens']:,} saved by --cache" if row["saved_tokens"] else "")


def _steps(row: Row) -> Iterator[str]:
    """The calls that ended, and how long the session went on after the last of them."""
    spans = row["spans"] or ()
    if not row["started_at_s"]:
        return
    yield "steps"
    yield from timeline(spans, began_s=row["started_at_s"])
    ended_s = row["elapsed_ms"] / 1e3
    last_s = max((span["ended_at_s"] - row["started_at_s"] for span in spans), default=0.0)
    if row["status"] != OK and ended_s - last_s >= UNDER_WAY_S_MIN:
        yield f"{last_s:>8.2f} s {ended_s - last_s:>7.2f} s  what was under way when the session ended"


def _found(found: str) -> Iterator[str]:
    """What a failed session had learned, piece by piece."""
    yield "found      until then"
    pieces = json.loads(found)
    for piece in pieces if isinstance(pieces, list) else [pieces]:
        named = isinstance(piece, dict) and {"from", "content"} <= piece.keys()
        yield _said("  from", str(piece["from"]) if named else "the session")
        content = piece["content"] if named else piece
        yield block(spread(content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)))


def _said(name: str, text: str) -> str:
    return f"{name:<10} {line(text)}"
