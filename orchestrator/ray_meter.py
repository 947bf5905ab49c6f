"""Ray's own metrics as a batch's meter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ray.util import metrics

from orchestrator.telemetry import BUCKETS, DESCRIPTIONS, LABELS


@dataclass(slots=True)
class RayMeter:
    """The batch's metrics as Ray's own, beside those of its nodes; there `ray_` stands before their names."""

    _instruments: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        self._instruments = {
            name: metrics.Histogram(name, DESCRIPTIONS[name], boundaries=list(BUCKETS[name]), tag_keys=labels)
            if name in BUCKETS
            else metrics.Counter(name, DESCRIPTIONS[name], tag_keys=labels)
            for name, labels in LABELS.items()
        }

    def count(self, name: str, value: float, labels: Mapping[str, str]) -> None:
        if value > 0:  # Ray refuses to count nothing
            self._instruments[name].inc(value, tags=dict(labels))

    def observe(self, name: str, value: float, labels: Mapping[str, str]) -> None:
        self._instruments[name].observe(value, tags=dict(labels))

    def close(self) -> None:
        """Ray sends what it has by itself."""
