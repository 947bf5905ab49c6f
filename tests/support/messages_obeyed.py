"""A model whose claims a terminal would obey: `"answer": "support.messages_obeyed:answer"` in a plan."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from support import messages_audit

OBEYED = "\x1b[2J\x1b]0;title\x07\x9b31m\u202eclaim"


def answer(body: Mapping[str, Any]) -> tuple[list[dict[str, Any]], str]:
    """As the audit's model answers, with claims that begin with escape sequences and marks of direction."""
    blocks, stop = messages_audit.answer(body)
    if stop == "end_turn":
        said = json.loads(blocks[0]["text"])
        findings = [{**finding, "claim": OBEYED + finding["claim"]} for finding in said.get("findings", [])]
        blocks = [{**blocks[0], "text": json.dumps({**said, "findings": findings})}]
    return blocks, stop
