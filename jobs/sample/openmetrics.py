"""The OpenMetrics text format: families of series as values in, text out.

Source: OpenMetrics 1.0, https://prometheus.io/docs/specs/om/open_metrics_spec/ . A histogram's or summary's samples
of one moment stand together, moments ascend; any other family stands series by series.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

END = "# EOF\n"


@dataclass(frozen=True, slots=True)
class Series:
    """`suffix` follows the family's name (`_total`, `_bucket`, or nothing); one value for each moment of the family."""

    suffix: str
    labels: tuple[tuple[str, str], ...]
    values: Sequence[str]


@dataclass(frozen=True, slots=True)
class Family:
    """A metric with its metadata. `kind` is counter, gauge, histogram or summary."""

    name: str
    kind: str
    help: str
    series: tuple[Series, ...]


def exposition(families: Iterable[Family], times: Sequence[str], labels: tuple[tuple[str, str], ...]) -> str:
    """The whole text. Every series has as many values as there are `times`, and the common `labels` before its own."""
    return "".join([_family(family, times, labels) for family in families] + [END])


def _family(family: Family, times: Sequence[str], labels: tuple[tuple[str, str], ...]) -> str:
    ends = [f" {time}\n" for time in times]
    columns = [
        ([f"{family.name}{each.suffix}{_braces(labels + each.labels)} "] * len(times), each.values, ends)
        for each in family.series
    ]
    compound = family.kind in ("histogram", "summary")
    blocks = [chain.from_iterable(columns)] if compound else columns
    lines = chain.from_iterable(chain.from_iterable(zip(*block, strict=True)) for block in blocks)
    return f"# TYPE {family.name} {family.kind}\n# HELP {family.name} {family.help}\n" + "".join(lines)


def _braces(labels: tuple[tuple[str, str], ...]) -> str:
    return "{" + ",".join(f'{name}="{value}"' for name, value in labels) + "}"
