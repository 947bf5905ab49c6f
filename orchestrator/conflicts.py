"""Facts that two sources state differently, said so that one sees what to do about it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

Fact: TypeAlias = "float | str | bool"
Facts: TypeAlias = Mapping[str, Mapping[str, Fact]]  # by source, then by name

RATIO_MAX = 2.0  # two counts of the same thing, taken in two ways, may differ this much
# Smaller differences are noise, by the ending of the fact's name (its unit).
FLOORS: Mapping[str, float] = {
    "_minutes": 5.0,
    "_s": 300.0,
    "_hours": 1.0,
    "_percent": 5.0,
    "_share": 0.05,
    "_ratio": 0.05,
}
FLOOR_DEFAULT = 1.0
CONFLICTS_MAX = 20


def find_conflicts(facts: Facts) -> list[str]:
    """A sentence for each fact on which sources disagree, in the order of the facts' names."""
    names = sorted({name for said in facts.values() for name in said})
    found = []
    for name in names:
        said = {source: facts[source][name] for source in sorted(facts) if name in facts[source]}
        if len(said) > 1 and _disagree(name, list(said.values())):
            found.append(_sentence(name, said))
    return found[:CONFLICTS_MAX]


def _disagree(name: str, values: list[Fact]) -> bool:
    if all(isinstance(value, bool) for value in values):
        return len(set(values)) > 1
    numbers = [value for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
    if len(numbers) == len(values):
        low, high = min(numbers), max(numbers)
        floor = next((size for ending, size in FLOORS.items() if name.endswith(ending)), FLOOR_DEFAULT)
        return high - low > floor and (low <= 0 or high > RATIO_MAX * low)
    return len({str(value).strip().casefold() for value in values}) > 1


def _sentence(name: str, said: Mapping[str, Fact]) -> str:
    told = _known(name, said)
    if told:
        return told
    words = name.replace("_", " ")
    values = ", ".join(f"{source} says {_shown(value)}" for source, value in said.items())
    return f"{words}: {values}; look at both, one of them misses something"


def _known(name: str, said: Mapping[str, Fact]) -> str:
    """The sentence for facts of which it is known what their disagreement means; "" for others."""
    if set(said) != {"incidents", "metrics"}:
        return ""
    recorded, measured = said["incidents"], said["metrics"]
    if name == "users_affected" and isinstance(recorded, bool) and isinstance(measured, bool):
        return _users(recorded, measured)
    if name == "unavailable_minutes" and not isinstance(recorded, str) and not isinstance(measured, str):
        return _down_time(float(recorded), float(measured))
    return ""


def _down_time(recorded: float, measured: float) -> str:
    if recorded <= 0:
        return (
            f"the tracker has no incident with down time, though metrics show {measured:g} min of it: "
            "record what happened, or find out why nobody noticed"
        )
    if measured <= 0:
        return (
            f"the tracker records {recorded:g} min of down time, though metrics show none: "
            "check that the service's availability is measured where its users are"
        )
    return f"down time is {recorded:g} min in the tracker and {measured:g} min in the metrics: find out which is right"


def _users(recorded: bool, measured: bool) -> str:
    if measured and not recorded:
        return (
            "metrics show that users were affected, though no incident says so: "
            "record what happened, or find out why nobody noticed"
        )
    return (
        "incidents say that users were affected, though nothing in the metrics shows it: "
        "check that what its users see is measured"
    )


def _shown(value: Fact) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, int | float) else repr(value[:80])
