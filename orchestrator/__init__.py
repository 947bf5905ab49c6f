"""The driver: runs in, outcomes on disk, answers out."""

from orchestrator.dispatching import Report, dispatch
from orchestrator.settings import Settings

__all__ = ["Report", "Settings", "dispatch"]
