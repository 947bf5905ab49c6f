"""A chain of models that stand in for one another: who comes next, and what part of a call each of them has."""

from __future__ import annotations

import pytest

from actors.models.chain import DOWN, Chain, had_its_part
from actors.models.retry import Fault, FaultKind

TWO = Chain({"a": "b"})
THREE = Chain({"a": "b", "b": "c"})


def fault(kind: FaultKind = FaultKind.SERVER_ERROR, *, transient: bool = True) -> Fault:
    return Fault(kind=kind, message="x", transient=transient, billed_tokens=None)


def parts(chain: Chain, first: str, attempts_max: int) -> list[int]:
    """The attempts of each model of a chain, when each uses up its part."""
    made, found = 0, []
    for model in chain.of(first):
        part = chain.attempts(model, first=first, left=attempts_max - made)
        made += part
        found.append(part)
    return found


@pytest.mark.parametrize(
    ("chain", "first", "attempts_max", "expected"),
    [
        (Chain(), "a", 8, [8]),
        (TWO, "a", 8, [4, 4]),
        (TWO, "b", 8, [8]),
        (THREE, "a", 8, [3, 3, 2]),
        (THREE, "b", 8, [4, 4]),
        (THREE, "a", 2, [1, 1, 1]),
        (THREE, "a", 1, [1, 1, 1]),
    ],
)
def test_attempts_are_dealt_out_evenly_and_each_model_has_one_at_least(chain, first, attempts_max, expected):
    """The first of a chain leaves as many to the others as it has itself."""
    assert parts(chain, first, attempts_max) == expected


def test_what_a_model_left_is_for_those_behind_it():
    """One whose circuit was open from the start has used nothing."""
    assert THREE.attempts("b", first="a", left=8) == 4
    assert THREE.attempts("c", first="a", left=8) == 8


def test_models_that_name_each_other_are_each_asked_once():
    """A circle has an end."""
    circle = Chain({"a": "b", "b": "c", "c": "b"})

    assert circle.of("a") == ["a", "b", "c"]
    assert circle.after("c", first="a") is None
    assert Chain({"a": "a"}).after("a", first="a") is None


def test_only_who_is_stood_in_for_is_given_up_for_time():
    """The last one has all that is left, unless rules come behind it."""
    models, rules = Chain({"a": "b"}, 10.0), Chain({"a": "b"}, 10.0, rules_follow=True)

    assert [models.patience_of(model, first="a") for model in "ab"] == [10.0, None]
    assert [rules.patience_of(model, first="a") for model in "ab"] == [10.0, 10.0]


def part_of(one: Fault, *, attempts: int = 1, overloads: int = 0, spent: bool = False) -> bool:
    return had_its_part(one, attempts=attempts, attempts_max=4, overloads=overloads, spent=spent)


def test_a_model_has_had_its_part_by_attempts_refusals_or_time():
    """Whichever is first."""
    assert not part_of(fault(), attempts=3, overloads=1)
    assert part_of(fault(), attempts=4)
    assert part_of(fault(FaultKind.OVERLOADED), overloads=2)
    assert part_of(fault(FaultKind.TIMEOUT), spent=True)


@pytest.mark.parametrize("kind", FaultKind)
def test_what_is_the_callers_own_is_not_the_next_models_affair(kind):
    """A wrong request, a limit that is stated, and a fault that will not pass."""
    assert part_of(fault(kind), attempts=9) is (kind in DOWN)
    assert not part_of(fault(kind, transient=False), attempts=9, spent=True)
