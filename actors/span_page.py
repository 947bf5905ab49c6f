"""What a session's spans say to people: when a call began, how long it took, what it cost and went through. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from actors.bill import OVERSEER_TOKENS
from actors.terminal import line

WAITED_MS_MIN = 1_000  # for its turn; less is not worth a word

Span = Mapping[str, Any]  # a row of a table's `spans`


def is_look(span: Span) -> bool:
    """Whether it is a call of the watchdog model, which is no turn of the session."""
    return OVERSEER_TOKENS in str(span["attributes"])


def took(span: Span) -> str:
    return f"{span['ended_at_s'] - span['started_at_s']:.2f} s"


def said_of_call(span: Span, began_s: float) -> str:
    """All that is worth knowing of a model call. `began_s` is when its session began, in Unix seconds."""
    parts = [f"at {span['started_at_s'] - began_s:.2f} s, took {took(span)}", *_counted(_attributes(span))]
    return "; ".join(parts)


def looked_tokens(spans: Sequence[Span]) -> int:
    """What a watchdog model's looks were billed, at most."""
    return sum(int(_attributes(span).get(OVERSEER_TOKENS) or 0) for span in spans)


def timeline(spans: Sequence[Span], *, began_s: float) -> list[str]:
    """One line for each call of a session, in the order of their beginnings: when, how long, which, what went wrong."""
    ordered = sorted(spans, key=lambda span: float(span["started_at_s"]))
    return [f"{span['started_at_s'] - began_s:>8.2f} s {took(span):>9}  {_step(span)}" for span in ordered]


def _step(span: Span) -> str:
    kind, _, name = str(span["name"]).partition(" ")
    of = {"chat": "watchdog model" if is_look(span) else "model", "execute_tool": "tool"}.get(kind, kind)
    parts = [f"{of} {line(name)}", *_counted(_attributes(span))]
    if span["error"]:
        parts.append(f"failed: {line(span['error'])[:300]}")
    return "; ".join(parts)


def _attributes(span: Span) -> Mapping[str, Any]:
    try:
        told = json.loads(span["attributes"] or "{}")
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


def _counted(told: Mapping[str, Any]) -> Iterator[str]:
    read, written = (told.get(f"gen_ai.usage.cache_{what}.input_tokens") or 0 for what in ("read", "write"))
    if "gen_ai.usage.input_tokens" in told:
        cached = f" ({read:,} read from the cache, {written:,} written)" if read or written else ""
        yield f"{told['gen_ai.usage.input_tokens']:,} tokens in{cached}, {told['gen_ai.usage.output_tokens']:,} out"
    yield from (f"stopped by {line(reason)}" for reason in told.get("gen_ai.response.finish_reasons", ()))
    if told.get("muster.faults"):
        request = told.get("muster.request_id")
        named = f" (request {line(request)})" if request else ""
        yield f"attempt {told['muster.attempts']}{named} after {', '.join(map(line, told['muster.faults']))}"
    if told.get("muster.unseen_tokens"):
        yield f"up to {told['muster.unseen_tokens']:,} tokens more may be billed for attempts without a reply"
    if told.get("muster.waited_ms", 0) >= WAITED_MS_MIN:
        yield f"waited {told['muster.waited_ms'] / 1e3:.1f} s for its turn"
    if told.get("muster.fallback_for"):
        yield f"{line(told.get('gen_ai.request.model'))} stood in for {line(told['muster.fallback_for'])}"
    if told.get("gen_ai.response.model", told.get("gen_ai.request.model")) != told.get("gen_ai.request.model"):
        yield f"answered by {line(told['gen_ai.response.model'])}"
