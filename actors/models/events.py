"""A streamed reply, put together from its events. Pure: parsed events in, a message object out."""

from __future__ import annotations

from typing import Any

from actors.contracts import Usage
from actors.models.wire import Malformed, json_value, usage_of

CALLING = frozenset({"tool_use", "end_turn", "stop_sequence", "pause_turn"})  # what a whole reply stops with


class StreamFault(Exception):
    """An error that came with status 200: as an event of a stream, or as a body. `kind` is the API's error type."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class Assembly:
    """One message in the making. `feed` takes each event's data; `message()` is the whole, once `done` or `stopped`."""

    def __init__(self) -> None:
        self.done = False
        self._message: dict[str, Any] = {}
        self._blocks: dict[int, dict[str, Any]] = {}
        self._pieces: dict[tuple[int, str], list[str]] = {}  # by block and field: joined once, at the end

    @property
    def stopped(self) -> bool:
        """Whether the reason to stop, and with it the final bill, has been told."""
        return isinstance(self._message.get("stop_reason"), str)

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
                    if not self._message:
                        raise KeyError("message_start")
                    self._message.update(data["delta"])
                    self._message["usage"] = {**(self._message.get("usage") or {}), **_told(data.get("usage") or {})}
                case "message_stop":
                    self.done = True
                case "error":
                    raise stream_fault(data)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            # Without a usage: more may be billed than the stream has told so far.
            raise Malformed(f"a {kind} event that makes no sense: {type(error).__name__}") from None

    def _delta(self, index: int, delta: dict[str, Any]) -> None:
        block = self._blocks[index]
        match delta["type"]:
            case "text_delta":
                self._add(index, "text", delta["text"])
            case "thinking_delta":
                self._add(index, "thinking", delta["thinking"])
            case "input_json_delta":
                self._add(index, "input", delta["partial_json"])
            case "signature_delta":
                block["signature"] = delta["signature"]
            case "citations_delta":
                block["citations"] = [*(block.get("citations") or []), delta["citation"]]

    def _add(self, index: int, name: str, piece: Any) -> None:
        if not isinstance(piece, str):
            raise TypeError(name)
        self._pieces.setdefault((index, name), []).append(piece)

    def message(self) -> dict[str, Any]:
        """The message object as a plain reply would have had it. Raises Malformed when tool arguments are no JSON."""
        for (index, name), pieces in self._pieces.items():
            block, text = self._blocks[index], "".join(pieces)
            block[name] = self._arguments(text) if name == "input" else (block.get(name) or "") + text
        return {**self._message, "content": [self._blocks[index] for index in sorted(self._blocks)]}

    def _arguments(self, text: str) -> Any:
        try:
            return json_value(text) if text else {}
        except Malformed:
            if self._message.get("stop_reason") in CALLING:
                raise Malformed("a tool call's arguments are no JSON", self.seen_usage) from None
            return {}  # cut off: the session sees the stop reason and does not run it


def stream_fault(data: dict[str, Any]) -> StreamFault:
    """What `data`, an object of the type `error`, says."""
    error = data.get("error")
    if not isinstance(error, dict):
        return StreamFault("error", str(error))
    return StreamFault(str(error.get("type", "error")), str(error.get("message", "no reason given")))


def _told(usage: dict[str, Any]) -> dict[str, Any]:
    """Counts that an event states; a null is not a count."""
    return {name: value for name, value in usage.items() if value is not None}
