"""Patterns: pure functions from a run's outcomes so far to its next tasks."""

from orchestrator.patterns.fan_out import FanOut

__all__ = ["FanOut"]
