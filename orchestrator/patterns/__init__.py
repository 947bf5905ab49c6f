"""Patterns: pure functions from a run's outcomes so far to its next tasks."""

from orchestrator.patterns.fan_out import FanOut
from orchestrator.patterns.tree import Merge, Tree

__all__ = ["FanOut", "Merge", "Tree"]
