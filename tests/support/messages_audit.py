"""A model for the audit, as the Messages API server plays it: `"answer": "support.messages_audit:answer"` in its plan.

First every tool that needs no argument, then those that need one that a result has named, then an answer under the
schema whose citations are taken from the results. The same conversation gets the same reply, byte for byte.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from support.messages_replies import instance

CITATION = re.compile(r"(?:incident:\S+|commit:[0-9a-f]{7,64}|metric:.+@\d+(?:\.\d+)?|runbook:.+:\d+)\Z")
DATA = re.compile(r'<data from="[^"<>]*">\n(.*?)\n</data>', re.DOTALL)
FINDINGS, CITATIONS = 2, 3


def answer(body: Mapping[str, Any]) -> tuple[list[dict[str, Any]], str]:
    """Content blocks and stop reason, as `messages_replies.answer` gives them."""
    turn = sum(message["role"] == "assistant" for message in body["messages"])
    closed = (body.get("tool_choice") or {}).get("type") == "none"
    cited = list(dict.fromkeys(citations(body["messages"])))
    if turn < 2 and not closed:
        calls = list(_calls(body, needy=turn == 1, cited=cited))
        if calls:
            return [{"type": "text", "text": "I look at what there is."}, *calls], "tool_use"
    schema = ((body.get("output_config") or {}).get("format") or {}).get("schema") or {}
    return [{"type": "text", "text": json.dumps(_answered(schema, cited))}], "end_turn"


def citations(messages: Any) -> Iterator[str]:
    """What the tools' results cite, in their order."""
    for text in _results(messages):
        for wrapped in DATA.findall(text):
            yield from (one for one in _strings(json.loads(wrapped)) if len(one) < 500 and CITATION.match(one))


def _results(messages: Any) -> Iterator[str]:
    for message in messages:
        blocks = message["content"] if isinstance(message["content"], list) else []
        yield from (str(block["content"]) for block in blocks if block["type"] == "tool_result")


def _calls(body: Mapping[str, Any], *, needy: bool, cited: list[str]) -> Iterator[dict[str, Any]]:
    digest = hashlib.blake2b(json.dumps(body["messages"]).encode(), digest_size=9).hexdigest()
    for at, tool in enumerate(body.get("tools") or ()):
        wanted = tool["input_schema"].get("required", ())
        if bool(wanted) is needy and (not needy or cited):
            given = {name: _argument(tool["input_schema"]["properties"][name], cited[0]) for name in wanted}
            yield {"type": "tool_use", "id": f"toolu_{digest}{at}", "name": tool["name"], "input": given}


def _argument(schema: Mapping[str, Any], citation: str) -> Any:
    """A string argument names what the first citation is about; anything else is the smallest that will do."""
    if schema.get("type") != "string":
        return instance(schema)
    kind, _, rest = citation.partition(":")
    return rest.rpartition("@" if kind == "metric" else ":")[0] or rest


def _answered(schema: Mapping[str, Any], cited: list[str]) -> Any:
    value = instance(schema)
    if "findings" in (schema.get("properties") or {}):
        value["summary"] = f"{len(cited)} places were seen."
        value["findings"] = [
            {
                **instance(schema["properties"]["findings"]["items"], schema),
                "kind": "looked_at",
                "claim": f"The sources name {cited[at]} and others.",
                "severity": "medium",
                "confidence": 0.8,
                "cause": "",
                "citations": cited[at : at + CITATIONS],
            }
            for at in range(0, min(len(cited), FINDINGS * CITATIONS), CITATIONS)
        ]
    return value


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)
