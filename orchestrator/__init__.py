"""The driver: runs in, outcomes on disk, answers out."""

from orchestrator.dispatching import dispatch, dispatch_async
from orchestrator.plan_report import Report
from orchestrator.settings import Settings

__all__ = ["Report", "Settings", "dispatch", "dispatch_async"]
