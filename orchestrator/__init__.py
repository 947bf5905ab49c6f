"""The driver: runs in, outcomes on disk, answers out.

Its names are looked up when they are first asked for: who needs a few modules of this floor need not wait for the rest.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from budget.errors import AllFailedError, MusterError, SettingsError, TaskError
    from orchestrator.dispatching import dispatch, dispatch_async
    from orchestrator.plan_report import Report
    from orchestrator.settings import Settings

__all__ = [
    "AllFailedError",
    "MusterError",
    "Report",
    "Settings",
    "SettingsError",
    "TaskError",
    "dispatch",
    "dispatch_async",
]

_HOMES = {
    "AllFailedError": "budget.errors",
    "MusterError": "budget.errors",
    "Report": "orchestrator.plan_report",
    "Settings": "orchestrator.settings",
    "SettingsError": "budget.errors",
    "TaskError": "budget.errors",
    "dispatch": "orchestrator.dispatching",
    "dispatch_async": "orchestrator.dispatching",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(_HOMES[name]), name)
    return found
