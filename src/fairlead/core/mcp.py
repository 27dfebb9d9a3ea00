"""Tools of MCP servers: where a server is, and what was pinned of one of its tools."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from fairlead.core.digests import Json, digest

DEFINITION_KEYS = ("title", "description", "inputSchema", "outputSchema", "annotations")
"""What is pinned of a tool beside its name; what a server adds for its own use is not."""

NAME_CHARS_MAX = 64
"""Longest name of a tool that every model provider takes."""

SERVER_NAME = re.compile(r"[a-z][a-z0-9-]{0,31}")
TOOL_NAME = re.compile(r"[A-Za-z0-9_./-]{1,64}")

OnError: TypeAlias = Literal["failed", "unknown"]
"""What an error result of an effect means: nothing happened, or nobody knows."""


@dataclass(frozen=True, kw_only=True)
class ServerTerms:
    """An MCP server, as a release names it; secrets are named, never held.

    Attributes:
        name: The server's name in the app.
        command: The program of a server that speaks over its standard input and output; empty for
            one that is reached by `url`.
        args: The program's arguments.
        env: Names of the variables that the program gets from the worker's environment.
        url: Address of a server that speaks streamable HTTP; empty for a program.
        headers: Names of environment variables by the HTTP header that each one fills.
        connect_timeout_s: Seconds that a connection may take, with the list of the tools.
        call_timeout_s: Seconds that one call may take.
        recheck_s: Seconds for which a list of the tools counts as fresh, with a server that says
            when it changes; 0.0 lists them before each call.
        calls_max: Most calls at the same time.
        answer_bytes: Largest message that is read from it.
    """

    name: str
    command: str = ""
    args: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    url: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    connect_timeout_s: float = 10.0
    call_timeout_s: float = 30.0
    recheck_s: float = 0.0
    calls_max: int = 8
    answer_bytes: int = 1_000_000

    def __post_init__(self) -> None:
        if bool(self.command) == bool(self.url):
            raise ValueError("needs either a command or a url")
        if self.url and not self.url.startswith(("http://", "https://")):
            raise ValueError("url must begin with http:// or https://")
        if self.url and (self.args or self.env):
            raise ValueError("args and env are for a command")
        if self.command and self.headers:
            raise ValueError("headers are for a url")
        for name, most in (("connect_timeout_s", 600.0), ("call_timeout_s", 86_400.0)):
            if not 0 < getattr(self, name) <= most:
                raise ValueError(f"{name} must be above 0 and at most {most:g}")
        if not 0 <= self.recheck_s <= 3600:
            raise ValueError("recheck_s must be from 0 to 3600")
        if not 1 <= self.calls_max <= 1000:
            raise ValueError("calls_max must be from 1 to 1000")
        if not 1_000 <= self.answer_bytes <= 100_000_000:
            raise ValueError("answer_bytes must be from 1000 to 100000000")


@dataclass(frozen=True, kw_only=True)
class McpPin:
    """What a release holds of a tool of an MCP server, beside its contract.

    Attributes:
        server: The server's name.
        tool: The tool's name at the server.
        digest: Digest of the definition.
        definition: The definition as it was served when it was pinned.
        on_error: What an error result of an effect means.
    """

    server: str
    tool: str
    digest: str
    definition: dict[str, Any]
    on_error: OnError = "unknown"

    @property
    def answers_structured(self) -> bool:
        """Whether the tool promises a structured result."""
        return isinstance(self.definition.get("outputSchema"), dict)


def mcp_name(server: str, tool: str) -> str:
    """Return the name of a server's tool, as contracts, policies and models know it.

    Args:
        server: The server's name.
        tool: The tool's name at the server; a dot or a slash in it becomes `_`.
    """
    return f"{server}__{tool.replace('.', '_').replace('/', '_')}"


def definition_of(served: Json) -> dict[str, Json]:
    """Return what is pinned of a tool as a server lists it.

    Args:
        served: The tool as JSON, with its name.
    """
    kept = {key: served[key] for key in DEFINITION_KEYS if served.get(key) is not None}
    return {"name": served["name"], **kept}


def definition_digest(definition: Json) -> str:
    """Return the digest of a definition."""
    return digest(definition)
