"""The sub-agents: what a specialist is, what it may do, and what it is asked."""

from actors.contracts import Failure, Outcome, Reason, Result, Task, Usage
from actors.models.base import (
    Message,
    ModelClient,
    ModelError,
    ModelReply,
    ModelRequest,
    StopReason,
    Text,
    ToolResult,
    ToolUse,
)
from actors.models.offline import OfflineModel
from actors.models.scripted import ScriptedModel
from actors.rules import WatchLimits
from actors.specialists.base import Answered, Call, Resources, Specialist
from actors.tools.base import Effect, SourceError, Tool, ToolContext, ToolError, tool

__all__ = [
    "Answered",
    "Call",
    "Effect",
    "Failure",
    "Message",
    "ModelClient",
    "ModelError",
    "ModelReply",
    "ModelRequest",
    "OfflineModel",
    "Outcome",
    "Reason",
    "Resources",
    "Result",
    "ScriptedModel",
    "SourceError",
    "Specialist",
    "StopReason",
    "Task",
    "Text",
    "Tool",
    "ToolContext",
    "ToolError",
    "ToolResult",
    "ToolUse",
    "Usage",
    "WatchLimits",
    "tool",
]
