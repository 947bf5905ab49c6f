"""Answers under a schema: what a provider's structured outputs accept of one, and what a reply is worth under it.

Structured outputs take a strict subset of JSON schema: closed objects, no bounds, no open maps. `output_schema` adapts
a model to it, telling the bounds in words; `validated` reads the reply back and checks it against the whole model.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NoReturn, TypeAlias, cast

from pydantic import BaseModel, ValidationError

from actors.contracts import JsonValue
from budget.errors import TaskError

Schema: TypeAlias = dict[str, Any]

# https://platform.claude.com/docs/en/build-with-claude/structured-outputs, as the official SDK (2.11) applies it.
FORMATS = frozenset({"date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"})
ANYTHING: Schema = {"anyOf": [{"type": kind} for kind in ("string", "number", "boolean", "null")]}
IN_WORDS = {
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "pattern": "matching {}",
    "format": "format {}",
    "minimum": "at least {}",
    "maximum": "at most {}",
    "exclusiveMinimum": "above {}",
    "exclusiveMaximum": "below {}",
    "multipleOf": "a multiple of {}",
    "minItems": "at least {} items",
    "maxItems": "at most {} items",
    "uniqueItems": "no item twice",
    "minProperties": "at least {} entries",
    "maxProperties": "at most {} entries",
}
PROBLEMS_MAX = 8
QUOTED_CHARACTERS_MAX = 120


def output_schema(model: type[BaseModel]) -> Schema:
    """`model` as structured outputs accept it. The same object each time: do not change it.

    Every property is required, open maps become lists of {name, value}, bounds become words in the description.
    Raises TaskError for a model that refers to itself: there is no strict schema for it.
    """
    return _adapted_schema(model)


@lru_cache(maxsize=256)
def _adapted_schema(model: type[BaseModel]) -> Schema:
    return _adapt(_full_schema(model), model.__name__)


@lru_cache(maxsize=256)
def _full_schema(model: type[BaseModel]) -> Schema:
    """The model's own JSON schema, with every reference written out."""
    schema = model.model_json_schema()
    return cast(Schema, _inline(schema, schema.get("$defs", {}), (), model.__name__))


def validated(model: type[BaseModel], text: str) -> dict[str, JsonValue] | str:
    """The answer in `text` as plain JSON values, valid under `model`; or what is wrong, in words a model can act on."""
    try:
        found = _read_json(text)
        closed = _open_maps(found, _full_schema(model), "")
        instance = model.model_validate_json(json.dumps(closed))
    except _Wrong as wrong:
        return str(wrong)
    except ValidationError as error:
        return _in_words(error)
    except RecursionError:
        return "the answer is nested too deeply"
    return instance.model_dump(mode="json")


class _Wrong(Exception):
    """What is wrong with an answer, as a sentence."""


def _inline(schema: Any, definitions: Mapping[str, Any], within: tuple[str, ...], owner: str) -> Any:
    """`schema` with its $refs replaced; keywords beside a $ref (a field's own description) win."""
    if isinstance(schema, list):
        return [_inline(item, definitions, within, owner) for item in schema]
    if not isinstance(schema, dict):
        return schema
    reference = schema.get("$ref")
    if reference is not None:
        name = str(reference).rsplit("/", 1)[-1]
        if name in within:
            raise TaskError(f"{owner}: {name} contains itself; an answer's schema must have an end")
        target = _inline(definitions[name], definitions, (*within, name), owner)
        own = {key: value for key, value in schema.items() if key != "$ref"}
        return {**target, **_inline(own, definitions, within, owner)}
    return {key: _inline(value, definitions, within, owner) for key, value in schema.items() if key != "$defs"}


def _adapt(schema: Schema, where: str) -> Schema:
    """One level of a reference-free schema, and those below it."""
    for keyword in ("anyOf", "oneOf", "allOf"):
        if keyword in schema:
            options = [_adapt(option, where) for option in schema[keyword]]
            kept = options[0] if len(options) == 1 else {"anyOf": options}
            return _described(kept, schema)
    if "const" in schema or "enum" in schema:
        values = [schema["const"]] if "const" in schema else list(schema["enum"])
        return _described({"enum": values}, schema)
    kind = schema.get("type")
    if isinstance(kind, list):
        return _described({"anyOf": [_adapt({**schema, "type": one}, where) for one in kind]}, schema)
    if kind == "object":
        return _described(_adapt_object(schema, where), schema)
    if kind == "array":
        return _described(_adapt_array(schema, where), schema)
    if kind is None:
        return _described(ANYTHING, schema)
    kept = {"type": kind}
    if schema.get("format") in FORMATS:
        kept["format"] = schema["format"]
    return _described(kept, schema)


def _adapt_object(schema: Schema, where: str) -> Schema:
    if not _is_map(schema):
        properties = {name: _adapt(part, f"{where}.{name}") for name, part in schema.get("properties", {}).items()}
        return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}
    values = schema.get("additionalProperties")
    value = _adapt(values, where) if isinstance(values, dict) else ANYTHING
    entry = _adapt_object({"properties": {"name": {"type": "string"}}}, where)
    entry["properties"]["value"] = value
    entry["required"] = ["name", "value"]
    return {"type": "array", "items": entry}


def _adapt_array(schema: Schema, where: str) -> Schema:
    kept: Schema = {"type": "array"}
    if schema.get("prefixItems"):
        places = [_adapt(part, where) for part in schema["prefixItems"]]
        distinct = [part for at, part in enumerate(places) if part not in places[:at]]
        kept["items"] = distinct[0] if len(distinct) == 1 else {"anyOf": distinct}
    else:
        kept["items"] = _adapt(schema["items"], where) if schema.get("items") else ANYTHING
    if schema.get("minItems") in (0, 1):
        kept["minItems"] = schema["minItems"]
    return kept


def _is_map(schema: Mapping[str, Any]) -> bool:
    """An object whose names are data: dict[str, X] in a model."""
    return schema.get("type") == "object" and not schema.get("properties") and bool(schema.get("additionalProperties"))


def _described(kept: Schema, schema: Schema) -> Schema:
    """`kept` with the description of `schema`, and in words what `kept` cannot say."""
    told = [str(schema["description"])] if schema.get("description") else []
    bounds = [words.format(schema[name]) for name, words in IN_WORDS.items() if name in schema and name not in kept]
    if bounds:
        told.append(f"({'; '.join(bounds)})")
    return {**kept, "description": " ".join(told)} if told else dict(kept)


def _read_json(text: str) -> JsonValue:
    """The JSON value in `text`; a code fence or words around one object are forgiven. Raises _Wrong."""
    plain = text.strip()
    fenced = re.search(r"```(?:json)?\s*\n(.*?)```", plain, re.DOTALL)
    candidates = [plain, *([fenced[1]] if fenced else [])]
    if "{" in plain and not plain.startswith("{"):
        candidates.append(plain[plain.index("{") : plain.rindex("}") + 1] if "}" in plain else "")
    problem = ""
    for candidate in candidates:
        try:
            return cast(JsonValue, json.loads(candidate, parse_constant=_no_constant))
        except ValueError as error:
            problem = problem or _json_problem(error, candidate)
    raise _Wrong(problem)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def _json_problem(error: ValueError, text: str) -> str:
    if not text:
        return "the answer is empty; answer with one JSON object under the schema and nothing else"
    if isinstance(error, json.JSONDecodeError):
        near = text[max(0, error.pos - 30) : error.pos + 30]
        return f"the answer is not valid JSON: {error.msg} at character {error.pos}, near {near!r}"
    return f"the answer is not valid JSON: {error}"


def _open_maps(value: Any, schema: Schema, where: str) -> Any:
    """`value` with every list of {name, value} that stands for a map turned back into one. Raises _Wrong."""
    for keyword in ("anyOf", "oneOf", "allOf"):
        if keyword in schema:
            fitting = [option for option in schema[keyword] if _could_be(value, option)]
            return _open_maps(value, fitting[0], where) if fitting else value
    if _is_map(schema) and isinstance(value, list):
        return _as_map(value, schema, where)
    if isinstance(value, dict):
        extra = schema.get("additionalProperties")
        parts = schema.get("properties", {})
        rest = extra if isinstance(extra, dict) else {}
        return {name: _open_maps(item, parts.get(name, rest), f"{where}.{name}") for name, item in value.items()}
    if isinstance(value, list):
        places = schema.get("prefixItems", [])
        rest = schema.get("items") or {}
        return [
            _open_maps(item, places[at] if at < len(places) else rest, f"{where}.{at}") for at, item in enumerate(value)
        ]
    return value


def _as_map(entries: list[Any], schema: Schema, where: str) -> dict[str, Any]:
    values = schema["additionalProperties"]
    found: dict[str, Any] = {}
    for at, entry in enumerate(entries):
        if not (isinstance(entry, dict) and entry.keys() == {"name", "value"} and isinstance(entry["name"], str)):
            raise _Wrong(f"{where.lstrip('.')}.{at}: must be an object with a name and a value, was {_quoted(entry)}")
        if entry["name"] in found:
            raise _Wrong(f"{where.lstrip('.')}.{at}: {_quoted(entry['name'])} is named twice")
        found[entry["name"]] = _open_maps(
            entry["value"], values if isinstance(values, dict) else {}, f"{where}.{entry['name']}"
        )
    return found


def _could_be(value: Any, option: Schema) -> bool:
    """Whether `value` has the shape of `option`, as far as its type and an object's literal properties tell."""
    if _is_map(option):
        return isinstance(value, dict | list)
    if isinstance(value, dict):
        parts = option.get("properties", {})
        literals = {name: part["const"] for name, part in parts.items() if "const" in part}
        known = value.keys() <= parts.keys() or bool(literals)
        return option.get("type") == "object" and known and all(value.get(n) == c for n, c in literals.items())
    return option.get("type") == "array" if isinstance(value, list) else option.get("type") not in ("object", "array")


def _in_words(error: ValidationError) -> str:
    problems = [
        f"{'.'.join(map(str, one['loc'])) or 'the answer'}: {one['msg']}, was {_quoted(one['input'])}"
        for one in error.errors(include_url=False)[:PROBLEMS_MAX]
    ]
    more = error.error_count() - len(problems)
    return "; ".join(problems) + (f"; and {more} more" if more > 0 else "")


def _quoted(value: Any) -> str:
    text = json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= QUOTED_CHARACTERS_MAX else f"{text[:QUOTED_CHARACTERS_MAX]}…"
