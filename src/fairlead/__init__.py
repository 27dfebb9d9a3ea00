"""Fairlead: the release and safety layer for agent workflows in production.

This face is for product teams, who declare workflows, tools and guardrails. Operators import
`fairlead.operations`, tests import `fairlead.testing`.
"""

from fairlead import checks
from fairlead.authoring.app import App
from fairlead.authoring.grounded import grounded
from fairlead.authoring.guardrail import Guardrail, guardrail
from fairlead.authoring.mcp import McpTool, mcp
from fairlead.authoring.memory import Memory, Recall, Remember, Remembered, RunMemory
from fairlead.authoring.run import Run
from fairlead.authoring.tool import Tool, tool
from fairlead.authoring.workflow import Workflow, workflow
from fairlead.core.context import Context
from fairlead.core.effects import NOT_HAPPENED, Happened, NotHappened
from fairlead.core.errors import FairleadError, ToolFailed
from fairlead.core.flags import FlagDetails
from fairlead.core.grounding import Answer, Citation, GroundedSource, Source
from fairlead.core.guarding import PASS, Check, Sample, ToolCall, Verdict, fail
from fairlead.core.history import History, ToolUse, Turn
from fairlead.core.identity import Principal
from fairlead.core.label import Label
from fairlead.core.limits import SLO, Limits
from fairlead.core.outcome import NotSucceeded, Outcome
from fairlead.core.rates import Rate
from fairlead.core.request import Draft, Request
from fairlead.core.secrets import Secret
from fairlead.ports.boundary import Throttled

__all__ = [
    "Answer",
    "App",
    "Check",
    "Citation",
    "Context",
    "Draft",
    "FairleadError",
    "FlagDetails",
    "GroundedSource",
    "Guardrail",
    "Happened",
    "History",
    "Label",
    "Limits",
    "McpTool",
    "Memory",
    "NOT_HAPPENED",
    "NotHappened",
    "NotSucceeded",
    "Outcome",
    "PASS",
    "Principal",
    "Rate",
    "Recall",
    "Remember",
    "Remembered",
    "Request",
    "Run",
    "RunMemory",
    "SLO",
    "Sample",
    "Secret",
    "Source",
    "Throttled",
    "Tool",
    "ToolCall",
    "ToolFailed",
    "ToolUse",
    "Turn",
    "Verdict",
    "Workflow",
    "checks",
    "fail",
    "grounded",
    "guardrail",
    "mcp",
    "tool",
    "workflow",
]
