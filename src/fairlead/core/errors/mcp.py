"""Tools of MCP servers: FL-64x."""

from __future__ import annotations

from fairlead.core.errors.base import FairleadError
from fairlead.core.errors.call import CallFailed


class McpPinMissing(FairleadError):
    """A tool of an MCP server has a contract and no pin."""

    code = "FL-640"
    hint = "Run `fairlead mcp pin SERVER`, and read what it pins before you commit it."


class McpDrifted(CallFailed):
    """A server's tool is not what was pinned; nothing was executed."""

    code = "FL-641"
    hint = "Look at `fairlead mcp diff`; pin it again and make a release if the change is right."


class McpUnreachable(CallFailed):
    """An MCP server could not be started or reached; nothing was executed."""

    code = "FL-642"
    hint = "Start its command by hand, or look at what stands between the worker and its url."


class McpTimedOut(CallFailed):
    """An MCP server did not answer in time."""

    code = "FL-643"
    hint = "Find out why it hangs; raise connect_timeout_s or call_timeout_s in its file if right."


class McpLost(CallFailed):
    """The connection to an MCP server ended before its answer."""

    code = "FL-644"
    hint = "Find out in the server's own log why it ended."


class McpGarbled(CallFailed):
    """An MCP server's answer is not of the protocol, or not what its tool promises."""

    code = "FL-645"
    hint = "Look at the server; a program may write nothing but the protocol to standard output."


class McpToolFailed(CallFailed):
    """A tool of an MCP server answered with an error."""

    code = "FL-646"
    hint = "Read the tool's own message; asking the same again gives the same."


class McpOversize(CallFailed):
    """An MCP server's message is larger than the bound."""

    code = "FL-647"
    hint = "Ask for less, or raise answer_bytes in the server's file."


class McpSecretMissing(CallFailed):
    """A variable that an MCP server needs is not in the worker's environment."""

    code = "FL-648"
    hint = "Set the variable that the message names where the worker is started."


class McpNotInstalled(CallFailed):
    """MCP servers need an extra that is not installed."""

    code = "FL-649"
    hint = "Install fairlead[mcp]."
