"""A provider that leaks: it answers as `messages_audit` does, and quotes keys in texts, arguments and answers."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

from support import messages_audit

ENVIRONMENT_KEY = "sk-canary-environment-11112222"
FILE_KEY = "sk-canary-in-a-file-33334444"
BASIC = [base64.b64encode(f"user:{key}".encode()).decode() for key in (ENVIRONMENT_KEY, FILE_KEY)]
ESCAPED = [key.replace("-", "\\u002d") for key in (ENVIRONMENT_KEY, FILE_KEY)]  # as JSON inside of JSON may spell it
LEAK = f"your key is {ENVIRONMENT_KEY} or {FILE_KEY}, {' '.join(BASIC)} or {' '.join(ESCAPED)}"


def answer(body: Mapping[str, Any]) -> tuple[list[dict[str, Any]], str]:
    """The keys stand before each turn, as an argument that a tool will refuse by name, and in each claim."""
    content, stop_reason = messages_audit.answer(body)
    for block in content:
        if block["type"] == "tool_use":
            block["input"] = {**block["input"], LEAK: LEAK} if block["id"].endswith("3") else block["input"]
        elif stop_reason == "end_turn":
            answered = json.loads(block["text"])
            for finding in answered.get("findings", ()):
                finding["claim"] = f"{finding['claim']} {LEAK}"
            block["text"] = json.dumps(answered)
        else:
            block["text"] += LEAK
    return content, stop_reason
