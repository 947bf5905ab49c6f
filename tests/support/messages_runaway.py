"""Models that go wrong in the audit, as the Messages API server plays them: see `messages_audit` for one that does not.

`answer`   whoever audits incidents makes the same call for ever; all others do their work
`doubtful` everybody does his work, and the small model that looks on sees no progress in Git histories
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from support import messages_audit


def answer(body: Mapping[str, Any]) -> tuple[list[dict[str, Any]], str]:
    """The last tool without arguments, again and again."""
    tools = [tool for tool in body.get("tools") or () if not tool["input_schema"].get("required")]
    if "incident records what went wrong" not in str(body["messages"][0]):
        return messages_audit.answer(body)
    use = {"type": "tool_use", "id": f"toolu_{len(body['messages'])}", "name": tools[-1]["name"], "input": {}}
    return [{"type": "text", "text": "Once more."}, use], "tool_use"


def doubtful(body: Mapping[str, Any]) -> tuple[list[dict[str, Any]], str]:
    """A no about whatever asks of a Git history."""
    schema = ((body.get("output_config") or {}).get("format") or {}).get("schema") or {}
    if "progress" not in (schema.get("properties") or {}):
        return messages_audit.answer(body)
    said = "no" if "Git history" in str(body["messages"]) else "yes"
    return [{"type": "text", "text": json.dumps({"progress": said, "why": "the same pages again"})}], "end_turn"
