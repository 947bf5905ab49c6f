"""What the Messages API server answers and what it bills: pure, so that a reply depends on nothing but the request."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

BYTES_PER_TOKEN = 4  # a round figure for English and JSON; the meter only has to agree with the usage it reports


class BadRequest(Exception):
    """A body that the API would refuse with status 400."""


def checked(body: Any) -> dict[str, Any]:
    """`body` when the API would take it. Raises BadRequest as the API would say it."""
    if not isinstance(body, dict):
        raise BadRequest("body: Input should be an object")
    for name, kind in (("model", str), ("max_tokens", int), ("messages", list)):
        if not isinstance(body.get(name), kind) or isinstance(body.get(name), bool):
            raise BadRequest(f"{name}: Field required")
    if body["max_tokens"] < 1:
        raise BadRequest("max_tokens: Input should be greater than or equal to 1")
    if not body["messages"] or body["messages"][0].get("role") != "user":
        raise BadRequest("messages: first message must use the user role")
    _check_tool_results(body["messages"])
    for tool in body.get("tools") or ():
        if tool.get("input_schema", {}).get("type") != "object":
            raise BadRequest(f"tools.{tool.get('name')}.input_schema.type: Input should be 'object'")
    output_format = (body.get("output_config") or {}).get("format")
    if output_format is not None:
        _check_strict(output_format.get("schema"), "output_config.format.schema")
    _check_cache_marks(body)
    return body


def _check_cache_marks(body: dict[str, Any]) -> None:
    contents = [message["content"] for message in body["messages"]]
    blocks = [
        *(body.get("tools") or ()),
        *(block for content in contents if isinstance(content, list) for block in content),
    ]
    system = body.get("system")
    blocks += system if isinstance(system, list) else []
    marks = sum("cache_control" in block for block in blocks) + ("cache_control" in body)
    if marks > 4:
        raise BadRequest(f"A maximum of 4 blocks with cache_control may be provided. Found {marks}.")


def _check_tool_results(messages: list[Any]) -> None:
    asked: set[str] = set()
    for at, message in enumerate(messages):
        blocks = message.get("content")
        if isinstance(blocks, str):
            blocks = [{"type": "text", "text": blocks}]
        if not blocks:
            raise BadRequest(f"messages.{at}: content must not be empty")
        for block in blocks:
            if block.get("type") == "text" and not block.get("text", "").strip():
                raise BadRequest(f"messages.{at}: text content blocks must contain non-whitespace text")
        answered = {block["tool_use_id"] for block in blocks if block.get("type") == "tool_result"}
        if asked - answered:
            raise BadRequest(f"messages.{at}: tool_use ids without tool_result: {', '.join(sorted(asked - answered))}")
        if answered - asked:
            raise BadRequest(f"messages.{at}: unexpected tool_use_id in tool_result: {', '.join(answered - asked)}")
        asked = {block["id"] for block in blocks if block.get("type") == "tool_use"}


UNSUPPORTED = {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength"}
UNSUPPORTED |= {"maxItems", "uniqueItems", "oneOf", "not", "if", "patternProperties", "propertyNames", "minProperties"}


def _check_strict(schema: Any, where: str) -> None:
    """The subset of JSON schema that structured outputs take; everything else is a 400."""
    if not isinstance(schema, dict):
        raise BadRequest(f"{where}: Input should be an object")
    wrong = sorted(UNSUPPORTED & schema.keys())
    if wrong:
        raise BadRequest(f"{where}: For '{schema.get('type')}' type, properties {wrong} are not supported")
    if schema.get("type") == "object" and schema.get("additionalProperties") is not False:
        raise BadRequest(f"{where}: For 'object' type, 'additionalProperties' must be explicitly set to false")
    if schema.get("minItems", 0) not in (0, 1):
        raise BadRequest(f"{where}: For 'array' type, 'minItems' values other than 0 or 1 are not supported")
    for name, part in (schema.get("properties") or {}).items():
        _check_strict(part, f"{where}.properties.{name}")
    for name, part in (schema.get("$defs") or {}).items():
        _check_strict(part, f"{where}.$defs.{name}")
    if "items" in schema:
        _check_strict(schema["items"], f"{where}.items")
    for keyword in ("anyOf", "allOf"):
        for at, part in enumerate(schema.get(keyword) or ()):
            _check_strict(part, f"{where}.{keyword}.{at}")


def instance(schema: Mapping[str, Any], root: Mapping[str, Any] | None = None, depth: int = 0) -> Any:
    """The smallest value that is valid under `schema`; optional properties are left out."""
    root = schema if root is None else root
    if "$ref" in schema:
        part: Any = root
        for step in schema["$ref"].removeprefix("#/").split("/"):
            part = part[step]
        return instance(part, root, depth + 1)
    if "const" in schema:
        return schema["const"]
    if schema.get("enum"):
        return schema["enum"][0]
    for keyword in ("anyOf", "oneOf", "allOf"):
        if schema.get(keyword):
            options = schema[keyword]
            simple = [option for option in options if option.get("type") not in ("null", "object", "array")]
            return instance((simple or options)[0], root, depth + 1)
    return _plain_instance(schema, root, depth)


def _plain_instance(schema: Mapping[str, Any], root: Mapping[str, Any], depth: int) -> Any:
    kind = schema.get("type")
    if kind == "object":
        wanted = schema.get("required", ()) if depth < 20 else ()
        return {name: instance(schema["properties"][name], root, depth + 1) for name in wanted}
    if kind == "array":
        return [instance(schema["items"], root, depth + 1)] if schema.get("minItems") else []
    least = schema.get("minimum", schema.get("exclusiveMinimum", 0))
    return {"string": "text", "integer": int(least), "number": float(least), "boolean": False, "null": None}.get(
        str(kind), "text"
    )


def answer(body: Mapping[str, Any]) -> tuple[list[dict[str, Any]], str]:
    """Content blocks and stop reason: every tool once in the first turn, then the final answer.

    Ids come from the request, so the same request gets the same reply, byte for byte.
    """
    turn = sum(1 for message in body["messages"] if message["role"] == "assistant")
    tools = body.get("tools") or []
    if tools and turn == 0:
        digest = hashlib.blake2b(json.dumps(body["messages"]).encode(), digest_size=9).hexdigest()
        calls = [
            {
                "type": "tool_use",
                "id": f"toolu_{digest}{at}",
                "name": tool["name"],
                "input": instance(tool["input_schema"]),
            }
            for at, tool in enumerate(tools)
        ]
        return [{"type": "text", "text": "I look at the sources."}, *calls], "tool_use"
    output_format = (body.get("output_config") or {}).get("format")
    text = json.dumps(instance(output_format["schema"])) if output_format else "All is well."
    return [{"type": "text", "text": text}], "end_turn"


def tokens(value: Any) -> int:
    return -(-len(json.dumps(value)) // BYTES_PER_TOKEN)


def prefixes(body: Mapping[str, Any]) -> list[tuple[str, int]]:
    """(digest, tokens) of every prefix that ends in a cache_control mark, shortest first.

    The order of a prompt is tools, system, messages; top-level cache_control marks the last block of all.
    """
    parts: list[Any] = [*(body.get("tools") or ())]
    system = body.get("system") or []
    parts += [{"type": "text", "text": system}] if isinstance(system, str) else system
    for message in body["messages"]:
        content = message["content"]
        parts += [{"type": "text", "text": content}] if isinstance(content, str) else content
    marked = [isinstance(part, dict) and "cache_control" in part for part in parts]
    if "cache_control" in body and parts:
        marked[-1] = True
    if not any(marked):
        return []
    found, hashed, count = [], hashlib.blake2b(body["model"].encode(), digest_size=12), 0
    for part, mark in zip(parts, marked, strict=True):
        plain = json.dumps({name: value for name, value in part.items() if name != "cache_control"}).encode()
        hashed.update(plain)
        count += -(-len(plain) // BYTES_PER_TOKEN)
        if mark:
            found.append((hashed.hexdigest(), count))
    return found
