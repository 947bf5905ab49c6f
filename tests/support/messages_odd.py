"""Models that behave oddly, each specialist's in its own way: `"answer": "support.messages_odd:answer"` in a plan."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from support import messages_audit

CALLS = 100


def answer(body: Mapping[str, Any]) -> tuple[list[dict[str, Any]], str]:
    """By the tools that are offered: endless pauses, a hundred unknown calls, a full window, nothing at all."""
    tools = {tool["name"] for tool in body.get("tools") or ()}
    turn = sum(message["role"] == "assistant" for message in body["messages"])
    if "summarize_incidents" in tools:
        return [{"type": "server_tool_use", "id": f"srv_{turn}", "name": "web_search", "input": {}}], "pause_turn"
    if "change_summary" in tools and not turn:
        text = {"type": "text", "text": "I ask for everything."}
        calls = [{"type": "tool_use", "id": f"toolu_{n}", "name": f"drop_{n}", "input": {"n": n}} for n in range(CALLS)]
        return [*calls, text], "tool_use"  # text behind the calls
    if "discover_series" in tools:
        return [{"type": "text", "text": "so far: "}], "model_context_window_exceeded"
    if "map_alerts" in tools:
        return [], "end_turn"
    return messages_audit.answer(body)
