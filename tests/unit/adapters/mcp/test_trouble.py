"""What an error of the library means: whether the tool may have run, and whether to try again."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from mcp.shared.exceptions import MCPError
from mcp_types import (
    CONNECTION_CLOSED,
    INTERNAL_ERROR,
    INVALID_PARAMS,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    PARSE_ERROR,
    REQUEST_TIMEOUT,
)

from fairlead.adapters.mcp.client import LazyMcpClient
from fairlead.adapters.mcp.trouble import Trouble
from fairlead.core.mcp import ServerTerms
from fairlead.ports.mcp import McpFault
from fairlead.runtime.handed import hiding

SERVER = ServerTerms(name="files", command="serve")


@pytest.mark.parametrize(
    ("error", "code", "executed", "passing"),
    [
        (MCPError(INVALID_PARAMS, "no"), "FL-646", False, False),
        (MCPError(METHOD_NOT_FOUND, "no"), "FL-646", False, False),
        (MCPError(INTERNAL_ERROR, "oh"), "FL-646", True, True),
        (MCPError(INVALID_REQUEST, "202"), "FL-646", True, True),
        (MCPError(CONNECTION_CLOSED, "x"), "FL-644", True, True),
        (MCPError(REQUEST_TIMEOUT, "x"), "FL-643", True, True),
        (MCPError(PARSE_ERROR, "x"), "FL-645", True, True),
        (ConnectionResetError("x"), "FL-644", True, True),
        (ExceptionGroup("x", [ConnectionResetError("x")]), "FL-644", True, True),
        (RuntimeError("x"), "FL-645", True, True),
    ],
)
def test_errors_after_the_request_was_sent(
    error: Exception, code: str, executed: bool, passing: bool
) -> None:
    fault = Trouble(server="files", clean=str).of(error, executed=True)
    assert (fault.code, fault.executed, fault.passing) == (code, executed, passing)
    before = Trouble(server="files", clean=str).of(error, executed=False)
    assert before.executed is False


def test_the_first_trouble_counts_and_secrets_are_left_out() -> None:
    trouble = Trouble(
        server="files", clean=hiding({"TOKEN": "abcdef", "SHORT": "a"}), told="abcdef\n"
    )
    trouble.note("FL-647", "a message beyond 5 bytes")
    trouble.note("FL-645", "another")
    fault = trouble.of(MCPError(CONNECTION_CLOSED, "x"), executed=True)
    assert (fault.code, fault.passing) == ("FL-647", False)
    assert str(fault).endswith("wrote a message beyond 5 bytes; it wrote: [redacted:TOKEN]")
    given: Any = {"abcdef": ["x abcdef", 7, None]}
    assert trouble.clean(given) == {"[redacted:TOKEN]": ["x [redacted:TOKEN]", 7, None]}
    trouble.told = "abcdef" + "x" * 197
    assert "def" not in str(trouble.of(MCPError(CONNECTION_CLOSED, "x"), executed=True))


def test_without_the_extra_a_server_is_named_and_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "fairlead.adapters.mcp.pool", None)
    client = LazyMcpClient(tmp_path, {}, hiding)
    with pytest.raises(McpFault, match=r"fairlead\[mcp\]") as caught:
        client.served(SERVER)
    assert (caught.value.code, caught.value.executed) == ("FL-649", False)
    client.close()
