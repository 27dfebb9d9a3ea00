"""Guardrail tests: what the policies must say of an act."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from fairlead.core.digests import Json
from fairlead.core.identity import Principal
from fairlead.core.label import Label
from fairlead.core.policy import Action, DecisionEffect, Point


@dataclass(frozen=True, kw_only=True)
class DecisionCase:
    """One act, and what must be decided of it.

    Attributes:
        name: The case's name.
        path: The file that it stands in.
        principal: Who asks.
        action: What is done.
        resource: The tool, model, collection, workflow or kind of memory that it is done to.
        expect: What must be decided.
        arguments: A tool's arguments.
        labels: Labels of some arguments; any other one may rest on all that was seen.
        seen: The label of what the run received; None for the asker's own words alone. What the
            called tools returned is joined to it.
        tools: Tools that the run has called.
        workflow: The run's workflow; empty for any.
        point: Where it is asked.
        rules: Ids of the rules that must decide; empty when that is not looked at.
        role: Who must be asked; empty when that is not looked at.
        redact: Fields that must be taken out; empty when that is not looked at.
    """

    name: str
    path: str
    principal: Principal
    action: Action
    resource: str
    expect: DecisionEffect
    arguments: Mapping[str, Json] = field(default_factory=dict)
    labels: Mapping[str, Label] = field(default_factory=dict)
    seen: Label | None = None
    tools: tuple[str, ...] = ()
    workflow: str = ""
    point: Point = "call"
    rules: tuple[str, ...] = ()
    role: str = ""
    redact: tuple[str, ...] = ()


class DecisionParser(Protocol):
    """Reads guardrail tests."""

    def __call__(self, path: str, text: str) -> tuple[DecisionCase, ...]:
        """Return the cases of a file's text.

        Raises:
            InvalidConfig: The text holds no guardrail tests; the message names path and case.
        """
        ...
