"""A conversation as people read it: who said what, what each call took and cost, and how it ended. Pure."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

CHARACTERS_MAX = 20_000  # of one block, as it is shown; the file has all of it
WIDTH = 120
WATCHDOG = "muster.watchdog."  # attributes of a call that looked at the session, and is no turn of it
_DATA = re.compile(r'(<data from="[^"<>]*">\n)(.*?)(\n</data>)', re.DOTALL)

Span = Mapping[str, Any]  # a row of a table's `spans`


def readable(kept: str, spans: Sequence[Span] = (), *, characters_max: int = CHARACTERS_MAX) -> str:
    """A transcript for people. `spans` are its session's, for times and tokens; the standing instructions come last."""
    told: Mapping[str, Any] = json.loads(kept)
    turns = _turns(spans)
    began_s = spans[0]["started_at_s"] if spans else 0.0
    lines = [f"model   {told.get('model', '')}", f"ended   {told.get('ended', '')}"]
    names: dict[str, str] = {}
    answered = 0
    for message in told.get("messages", ()):
        if message["role"] == "assistant":
            answered += 1
            call, tools = turns[answered - 1] if answered <= len(turns) else (None, {})
            lines += ["", f"=== turn {answered}{_call(call, began_s) if call else ''}"]
        for who, text in _blocks(message, names, tools if answered else {}):
            lines += ["", who, _indented(text, characters_max)]
    for call, _ in turns[answered:]:
        lines += [
            "",
            f"=== a call without a reply{_call(call, began_s)}",
            _indented(str(call["error"]), characters_max),
        ]
    standing = ["the standing instructions, the same for all of this specialist's sessions"]
    return "\n".join([*lines, "", *standing, _indented(str(told.get("system", "")), characters_max)])


def _turns(spans: Sequence[Span]) -> list[tuple[Span, dict[str, list[Span]]]]:
    """Each model call of a session with the tool calls that followed it, by name. Calls without a reply come last."""
    turns: list[tuple[Span, dict[str, list[Span]]]] = []
    for span in spans:
        kind, _, name = str(span["name"]).partition(" ")
        if kind == "chat" and WATCHDOG not in str(span["attributes"]):
            turns.append((span, {}))
        elif kind == "execute_tool" and turns:
            turns[-1][1].setdefault(name, []).append(span)
    return sorted(turns, key=lambda turn: bool(turn[0]["error"]))


def _call(span: Span, began_s: float) -> str:
    """When a model call began, how long it took, what it was billed, and what went wrong on the way."""
    told: Mapping[str, Any] = json.loads(span["attributes"] or "{}")
    parts = [f"at {span['started_at_s'] - began_s:.2f} s, took {_took(span)}"]
    read, written = (told.get(f"gen_ai.usage.cache_{what}.input_tokens") or 0 for what in ("read", "write"))
    if "gen_ai.usage.input_tokens" in told:
        cached = f" ({read:,} read from the cache, {written:,} written)" if read or written else ""
        parts.append(
            f"{told['gen_ai.usage.input_tokens']:,} tokens in{cached}, {told['gen_ai.usage.output_tokens']:,} out"
        )
    parts += [f"stopped by {reason}" for reason in told.get("gen_ai.response.finish_reasons", ())]
    if told.get("muster.faults"):
        parts.append(f"attempt {told['muster.attempts']} after {', '.join(told['muster.faults'])}")
    if told.get("muster.unseen_tokens"):
        parts.append(f"up to {told['muster.unseen_tokens']:,} tokens more may be billed for attempts without a reply")
    if told.get("muster.waited_ms", 0) >= 1_000:
        parts.append(f"waited {told['muster.waited_ms'] / 1e3:.1f} s for its turn")
    if told.get("gen_ai.response.model", told.get("gen_ai.request.model")) != told.get("gen_ai.request.model"):
        parts.append(f"answered by {told['gen_ai.response.model']}")
    return ": " + "; ".join(parts)


def _blocks(
    message: Mapping[str, Any], names: dict[str, str], tools: Mapping[str, list[Span]]
) -> Iterator[tuple[str, str]]:
    """Who says what, block by block. `names` learns which tool a call's id stands for, so that results name it."""
    role = {"user": "to the model", "assistant": "the model"}.get(message["role"], message["role"])
    for block in message["content"]:
        kind = block.get("type")
        if kind == "text":
            yield role, _spread(block["text"])
        elif kind == "tool_use":
            names[block["id"]] = block["name"]
            yield f"the model calls {block['name']}", json.dumps(block["input"], ensure_ascii=False)
        elif kind == "tool_result":
            name = names.get(block["tool_use_id"], block["tool_use_id"])
            took = [_took(span) for span in tools.get(name, [])[:1]]
            del tools.get(name, [])[:1]
            yield (
                f"result of {', '.join([name, *took, *(['an error'] if block.get('is_error') else [])])}",
                _spread(str(block["content"])),
            )
        else:
            yield f"{role} ({kind})", json.dumps(block, ensure_ascii=False)


def _took(span: Span) -> str:
    return f"{span['ended_at_s'] - span['started_at_s']:.2f} s"


def _spread(text: str) -> str:
    """JSON inside of a text with room between its parts; an answer, which is nothing but JSON, line by line."""
    try:
        return json.dumps(json.loads(text), ensure_ascii=False, indent=2)
    except (ValueError, RecursionError):
        return _DATA.sub(lambda found: found[1] + _spaced(found[2]) + found[3], text)


def _spaced(text: str) -> str:
    try:
        return json.dumps(json.loads(text), ensure_ascii=False)
    except (ValueError, RecursionError):
        return text


def _indented(text: str, characters_max: int) -> str:
    """Text as it may stand on a terminal: control characters are shown, not obeyed; a long text says how long it is."""
    shown = text[:characters_max]
    more = f"\n… {len(text) - characters_max:,} more characters" if len(text) > characters_max else ""
    safe = "".join(c if c.isprintable() or c == "\n" else f"\\u{ord(c):04x}" for c in shown)
    return "\n".join(_wrapped(line) for line in (safe + more).split("\n"))


def _wrapped(line: str) -> str:
    own = line[: len(line) - len(line.lstrip())]
    indents = {"initial_indent": f"    {own}", "subsequent_indent": f"    {own}"}
    wrapped = textwrap.wrap(line.strip(), WIDTH, break_long_words=False, break_on_hyphens=False, **indents)  # type: ignore[arg-type]
    return "\n".join(wrapped)
