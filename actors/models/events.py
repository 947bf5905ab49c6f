"""A streamed reply, put together from its events. Pure: parsed events in, a message object out."""

from __future__ import annotations

import json
from typing import Any

from actors.contracts import Usage
from actors.models.wire import Malformed, usage_of


class StreamFault(Exception):
    """An error event inside a stream that had begun well. `kind` is the API's error type."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class Assembly:
    """One message in the making. `feed` takes each event's data; `message()` is the whole, once `done`."""

    def __init__(self) -> None:
        self.done = False
        self._message: dict[str, Any] = {}
        self._blocks: dict[int, dict[str, Any]] = {}
        self._partial: dict[int, list[str]] = {}  # tool arguments, as pieces of JSON text

    @property
    def seen_usage(self) -> Usage | None:
        """What the stream has said of its cost until now; its output count is not final before the end."""
        try:
            return usage_of(self._message.get("usage"))
        except Malformed:
            return None

    def feed(self, data: Any) -> None:
        """Raises Malformed for an event that makes no sense where it comes, StreamFault for an error event."""
        kind = data.get("type") if isinstance(data, dict) else None
        try:
            match kind:
                case "message_start":
                    self._message = dict(data["message"])
                case "content_block_start":
                    self._blocks[int(data["index"])] = dict(data["content_block"])
                case "content_block_delta":
                    self._delta(int(data["index"]), data["delta"])
                case "message_delta":
                    self._message.update(data["delta"])
                    self._message["usage"] = {**self._message["usage"], **_told(data.get("usage") or {})}
                case "message_stop":
                    self.done = True
                case "error":
                    error = data.get("error") or {}
                    raise StreamFault(str(error.get("type", "")), str(error.get("message", "error in the stream")))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise Malformed(f"a {kind} event that makes no sense: {type(error).__name__}", self.seen_usage) from None

    def _delta(self, index: int, delta: dict[str, Any]) -> None:
        block = self._blocks[index]
        match delta["type"]:
            case "text_delta":
                block["text"] = block.get("text", "") + delta["text"]
            case "thinking_delta":
                block["thinking"] = block.get("thinking", "") + delta["thinking"]
            case "signature_delta":
                block["signature"] = delta["signature"]
            case "input_json_delta":
                self._partial.setdefault(index, []).append(delta["partial_json"])
            case "citations_delta":
                block["citations"] = [*(block.get("citations") or []), delta["citation"]]

    def message(self) -> dict[str, Any]:
        """The message object as a plain reply would have had it. Raises Malformed when tool arguments are no JSON."""
        for index, pieces in self._partial.items():
            text = "".join(pieces)
            try:
                self._blocks[index]["input"] = json.loads(text) if text else {}
            except (ValueError, RecursionError):
                if self._message.get("stop_reason") != "max_tokens":
                    raise Malformed("a tool call's arguments are no JSON", self.seen_usage) from None
                self._blocks[index]["input"] = {}  # cut off: the session sees the stop reason and does not run it
        return {**self._message, "content": [self._blocks[index] for index in sorted(self._blocks)]}


def _told(usage: dict[str, Any]) -> dict[str, Any]:
    """Counts that an event states; a null is not a count."""
    return {name: value for name, value in usage.items() if value is not None}
