"""An app: what one team ships."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fairlead.authoring.guardrail import Guardrail
from fairlead.authoring.mcp import McpTool
from fairlead.authoring.memory import Remembered
from fairlead.authoring.tool import Tool
from fairlead.authoring.workflow import Workflow
from fairlead.core.errors import InvalidDeclaration, UnknownWorkflow


@dataclass(frozen=True, init=False)
class App:
    """The workflows that a team ships together.

    Attributes:
        name: The app's name.
        workflows: Workflows by name.
        flags: An OpenFeature provider that is asked for flags in place of the release; None for the
            flags of the release.
    """

    name: str
    workflows: dict[str, Workflow[Any, Any]]
    flags: Any

    def __init__(
        self, name: str, *, workflows: Sequence[Workflow[Any, Any]], flags: Any = None
    ) -> None:
        if not name.strip():
            raise InvalidDeclaration("an app needs a name")
        by_name = {workflow.name: workflow for workflow in workflows}
        if len(by_name) != len(workflows):
            raise InvalidDeclaration(f"app {name}: two workflows have the same name", app=name)
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "workflows", by_name)
        if flags is not None and not callable(getattr(flags, "resolve_boolean_details", None)):
            raise InvalidDeclaration(f"app {name}: flags is no provider of OpenFeature", app=name)
        object.__setattr__(self, "flags", flags)
        own = [tool for w in workflows for tool in w.callable_tools]
        _unique(name, "tools", [*own, *dict.fromkeys(t for w in workflows for t in w.mcp_tools)])
        _unique(name, "guardrails", [rail for w in workflows for rail in w.guardrails])
        for workflow in workflows:
            _follows(name, workflow, by_name)

    def workflow(self, name: str) -> Workflow[Any, Any]:
        """Return a workflow by name.

        Raises:
            UnknownWorkflow: The app has no workflow of that name.
        """
        found = self.workflows.get(name)
        if found is None:
            names = ", ".join(sorted(self.workflows)) or "none"
            raise UnknownWorkflow(
                f"app {self.name} has no workflow {name!r}; it has: {names}", workflow=name
            )
        return found

    @property
    def tools(self) -> dict[str, Tool[..., Any]]:
        """Every function that is a tool, with those that undo others, by name."""
        return {tool.name: tool for w in self.workflows.values() for tool in w.callable_tools}

    @property
    def mcp_tools(self) -> dict[str, McpTool]:
        """Every tool of an MCP server that a workflow lists, by name."""
        return {tool.name: tool for w in self.workflows.values() for tool in w.mcp_tools}

    @property
    def guardrails(self) -> dict[str, Guardrail[Any]]:
        """Every guardrail of every workflow, by name."""
        return {rail.name: rail for w in self.workflows.values() for rail in w.guardrails}


def _unique(
    app: str, what: str, items: Sequence[Tool[..., Any] | McpTool | Guardrail[Any]]
) -> None:
    seen: dict[str, object] = {}
    for item in items:
        if seen.setdefault(item.name, item) is not item:
            raise InvalidDeclaration(f"app {app}: two {what} are named {item.name!r}", app=app)


def _follows(
    app: str, workflow: Workflow[Any, Any], by_name: dict[str, Workflow[Any, Any]]
) -> None:
    """Refuse a deriving workflow that is not there, or that takes something else."""
    terms = workflow.memory.remember
    if terms is None or not terms.derive:
        return
    follows = by_name.get(terms.derive)
    if follows is None:
        raise InvalidDeclaration(
            f"app {app}: workflow {workflow.name} derives with {terms.derive}, which is none of "
            "the app's",
            app=app,
        )
    if follows.input is not Remembered:
        raise InvalidDeclaration(
            f"app {app}: workflow {terms.derive} derives, so its input is fairlead.Remembered",
            app=app,
        )
