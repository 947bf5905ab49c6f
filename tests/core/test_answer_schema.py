"""Schemas as structured outputs accept them, and what a model's answer is worth under the whole schema."""

from __future__ import annotations

import json
from enum import Enum
from typing import Any, Literal

import pytest
from pydantic import BaseModel, Field

from actors.schema import output_schema, validated
from actors.specialists.findings import Findings
from budget.errors import TaskError
from support.messages_replies import _check_strict, instance


class Colour(Enum):
    RED = "red"


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int = Field(ge=0, le=9)


class Dog(BaseModel):
    kind: Literal["dog"]
    tricks: list[str] = []


class Zoo(BaseModel):
    """Everything that models are made of."""

    name: str = Field(min_length=1, max_length=20, pattern="^[a-z ]+$", description="What it is called")
    pets: list[Cat | Dog] = Field(default_factory=list, max_length=3)
    best: Cat | None = None
    colour: Colour = Colour.RED
    place: tuple[float, str] = (0.0, "")
    counts: dict[str, int] = {}
    deep: dict[str, dict[str, list[int]]] = {}
    anything: Any = None


class Node(BaseModel):
    child: Node | None = None


@pytest.mark.parametrize("model", [Findings, Zoo, Cat])
def test_an_adapted_schema_is_one_that_the_api_takes(model):
    """Closed objects, no bounds, no references; and its smallest instance reads back as a valid answer."""
    schema = output_schema(model)

    _check_strict(schema, model.__name__)
    assert "$ref" not in json.dumps(schema)
    if model is not Zoo:  # the smallest text does not match its pattern, which the schema can only say in words
        assert isinstance(validated(model, json.dumps(instance(schema))), dict)


def test_what_a_schema_cannot_say_is_said_in_words():
    """Bounds end up in the description, where the model reads them."""
    told = output_schema(Zoo)["properties"]

    assert told["name"]["description"] == (
        "What it is called (at least 1 characters; at most 20 characters; matching ^[a-z ]+$)"
    )
    assert told["pets"]["description"] == "(at most 3 items)"


def test_a_schema_without_an_end_is_refused():
    """There is no strict schema for a model that contains itself."""
    with pytest.raises(TaskError, match="Node contains itself"):
        output_schema(Node)


def test_maps_travel_as_lists_and_come_back_as_maps():
    """At any depth; a provider that ignores the schema and sends an object is understood as well."""
    listed = {
        "name": "the zoo",
        "pets": [{"kind": "dog", "tricks": ["sit"]}, {"kind": "cat", "lives": 9}],
        "counts": [{"name": "a", "value": 1}],
        "deep": [{"name": "x", "value": [{"name": "y", "value": [1, 2]}]}],
    }
    plain = {**listed, "counts": {"a": 1}, "deep": {"x": {"y": [1, 2]}}}

    answers = [validated(Zoo, json.dumps(one)) for one in (listed, plain)]

    assert answers[0] == answers[1]
    assert isinstance(answers[0], dict)
    assert (answers[0]["counts"], answers[0]["deep"]) == ({"a": 1}, {"x": {"y": [1, 2]}})
    assert answers[0]["colour"] == "red"


@pytest.mark.parametrize(
    "text",
    ['{"kind": "cat", "lives": 3}', '```json\n{"kind": "cat", "lives": 3}\n```', 'Here: {"kind": "cat", "lives": 3}.'],
)
def test_words_around_the_answer_are_forgiven(text):
    """Servers without structured outputs wrap it."""
    assert validated(Cat, text) == {"kind": "cat", "lives": 3}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "the answer is empty"),
        ("I cannot.", "not valid JSON"),
        ('{"kind": "cat", "lives": ', "not valid JSON"),
        ('{"kind": "cat", "lives": NaN}', "NaN is no JSON number"),
        ("[" * 100_000, "nested too deeply"),
        ('{"kind": "cat", "lives": ' + "9" * 5_000 + "}", "not valid JSON"),
        ('{"kind": "cat", "lives": 12}', "lives: Input should be less than or equal to 9, was 12"),
        ('{"kind": "cow", "lives": 1}', "kind: Input should be 'cat', was \"cow\""),
        ("[]", "the answer: Input should be an object, was []"),
        ('{"kind": "cat\\ud800", "lives": 1}', "Invalid JSON"),
    ],
)
def test_a_wrong_answer_is_told_in_words_that_a_model_can_act_on(text, words):
    """Where, what was wanted, and what was there."""
    problem = validated(Cat, text)

    assert isinstance(problem, str)
    assert words in problem
    assert len(problem) < 1_000


def test_a_name_that_is_given_twice_is_a_problem():
    """Neither of the two values is silently lost."""
    twice = '{"name": "zoo", "counts": [{"name": "a", "value": 1}, {"name": "a", "value": 2}]}'

    assert validated(Zoo, twice) == 'counts.1: "a" is named twice'


def test_a_hundred_mistakes_are_told_as_eight():
    """A repair turn quotes the first ones and counts the rest."""
    findings = [{"kind": "A B"}] * 20
    problem = validated(Findings, json.dumps({"summary": "x", "findings": findings}))

    assert isinstance(problem, str)
    assert problem.endswith("; and 92 more")
