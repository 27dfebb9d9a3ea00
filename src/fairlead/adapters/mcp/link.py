"""One connection to a server, owned by one task from its beginning to its end."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from contextlib import AbstractAsyncContextManager
from importlib.metadata import version
from typing import Any, TypeVar

from mcp import Client
from mcp_types import (
    CallToolResult,
    Implementation,
    PaginatedRequestParams,
    ToolListChangedNotification,
)
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS

from fairlead.adapters.mcp.trouble import Trouble
from fairlead.core.digests import Json
from fairlead.core.drift import drift, in_short
from fairlead.core.errors import (
    McpDrifted,
    McpGarbled,
    McpOversize,
    McpTimedOut,
    McpToolFailed,
    McpUnreachable,
)
from fairlead.core.mcp import McpPin, ServerTerms, definition_of
from fairlead.ports.mcp import McpFault

T = TypeVar("T")

PAGES_MAX, TOOLS_MAX = 50, 2_000
"""Most pages, and most tools, of one server's list."""

LISTINGS_MAX = 3
"""How often the list is read again when it changes while it is read."""

KEY = "fairlead/idempotency-key"
"""Where a call's idempotency key stands in what the protocol calls `_meta`."""


class Link:
    """One connection to a server.

    Attributes:
        server: The server.
        trouble: What went wrong.
        broken: Whether it is of no use any more.
        active: Calls that are under way.
        used_at: When it was used last, on the loop's clock.
        slots: Bounds the calls at the same time.
    """

    def __init__(
        self, server: ServerTerms, transport: AbstractAsyncContextManager[Any], trouble: Trouble
    ) -> None:
        self.server = server
        self.trouble = trouble
        self.broken = False
        self.active = 0
        self.used_at = 0.0
        self.slots = asyncio.Semaphore(server.calls_max)
        self._transport = transport
        self._ready, self._closing = asyncio.Event(), asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._failure: BaseException | None = None
        self._client: Client | None = None
        self._served: dict[str, Json] = {}
        self._listed_at: float | None = None
        self._changed = False

    async def open(self) -> None:
        """Connect, within the time that the server's file allows.

        Raises:
            McpFault: It did not come about; nothing is left of it.
        """
        self._task = asyncio.create_task(self._live())
        ready = asyncio.create_task(self._ready.wait())
        try:
            within_s = self.server.connect_timeout_s
            await asyncio.wait({ready, self._task}, timeout=within_s, return_when="FIRST_COMPLETED")
        finally:
            ready.cancel()
            if not self._ready.is_set() or self.broken:
                await self.close()
        if self._ready.is_set() and not self.broken:
            return
        if self._failure is None:
            raise self.trouble.fault(
                McpTimedOut.code, f"no connection within {within_s:g} s", executed=False
            )
        fault = self.trouble.of(self._failure, executed=False)
        if fault.code in (McpGarbled.code, McpOversize.code):
            raise fault
        raise McpFault(McpUnreachable.code, str(fault), executed=False, passing=True)

    async def _live(self) -> None:
        """Hold the connection from beginning to end, in one task, as the library asks for."""
        info = Implementation(name="fairlead", version=version("fairlead"))
        client = Client(self._transport, cache=None, message_handler=self._heard, client_info=info)
        try:
            async with client:
                self._client = client
                self._ready.set()
                await self._closing.wait()
        except Exception as error:  # noqa: BLE001 - whoever asks next is told
            self._failure = error
        finally:
            self.broken = True

    async def close(self) -> None:
        """End the connection, and the program behind it."""
        self.broken = True
        self._closing.set()
        task = self._task
        if task is None:
            return
        if not self._ready.is_set():
            task.cancel()
        await asyncio.wait({task})

    async def _heard(self, message: Any) -> None:
        if isinstance(message, ToolListChangedNotification):
            self._changed = True

    async def call(self, pin: McpPin, arguments: dict[str, Json], key: str) -> Json:
        """Call a tool whose definition was compared just before.

        Raises:
            McpFault: There is no result.
        """
        within_s = self.server.call_timeout_s
        result = await self._asked(
            self._session.call_tool(
                pin.tool, arguments, meta={KEY: key}, allow_input_required=True
            ),
            within_s=within_s,
            executed=True,
        )
        if not isinstance(result, CallToolResult):
            raise self.trouble.fault(
                McpToolFailed.code,
                f"tool {pin.tool} asks for something back, which nobody here can give",
                executed=True,
                passing=False,
            )
        content = [block.model_dump(mode="json", exclude_none=True) for block in result.content]
        if result.is_error:
            why = _text_of(content) or "it does not say why"
            reason = self.trouble.clean(f"tool {pin.tool} of MCP server {pin.server}: {why}")
            raise McpFault(McpToolFailed.code, reason, executed=True, passing=False, said=True)
        if not pin.answers_structured:
            text = _text_of(content)
            return self.trouble.clean(content if text is None else text)
        if result.structured_content is None:
            raise self.trouble.fault(
                McpGarbled.code, f"tool {pin.tool} promises a structured result", executed=True
            )
        return self.trouble.clean(result.structured_content)

    async def compare(self, pin: McpPin) -> None:
        """Make sure that the server still serves what was pinned.

        Raises:
            McpFault: It does not, or does not say; nothing was executed.
        """
        found = drift(pin, await self.served())
        if found:
            reason = f"tool {pin.tool} is not what was pinned: {in_short(found)}"
            # What the program wrote to its standard error has nothing to do with it.
            said = self.trouble.clean(f"MCP server {pin.server}: {reason}")
            raise McpFault(McpDrifted.code, said, executed=False, passing=False)

    async def served(self) -> Mapping[str, Json]:
        """Return the definitions of the tools that the server lists now.

        Raises:
            McpFault: It does not say.
        """
        if self._fresh():
            return self._served
        for _ in range(LISTINGS_MAX):
            self._changed = False
            listing = self._asked(
                self._list(), within_s=self.server.connect_timeout_s, executed=False
            )
            self._served = await listing
            self._listed_at = asyncio.get_running_loop().time()
            if not self._changed:
                return self._served
        raise self.trouble.fault(
            McpGarbled.code, "its list of tools changes while it is read", executed=False
        )

    def _fresh(self) -> bool:
        assert self._client is not None
        if self._changed or self._listed_at is None:
            return False
        tools = self._client.server_capabilities.tools
        # By the protocol's newer versions nobody is told who has not asked for it on a stream.
        tells = (
            self._client.protocol_version in HANDSHAKE_PROTOCOL_VERSIONS
            and tools is not None
            and bool(tools.list_changed)
        )
        age_s = asyncio.get_running_loop().time() - self._listed_at
        return tells and age_s < self.server.recheck_s

    async def _list(self) -> dict[str, Json]:
        found: dict[str, Json] = {}
        cursor: str | None = None
        for _ in range(PAGES_MAX):
            page = await self._session.list_tools(params=PaginatedRequestParams(cursor=cursor))
            for tool in page.tools:
                served = tool.model_dump(mode="json", by_alias=True, exclude_none=True)
                if tool.name in found or len(found) >= TOOLS_MAX:
                    raise self.trouble.fault(
                        McpGarbled.code,
                        f"it lists {tool.name[:80]!r} twice, or more than {TOOLS_MAX} tools",
                        executed=False,
                    )
                found[tool.name] = definition_of(served)
            cursor = page.next_cursor
            if cursor is None:
                return found
        raise self.trouble.fault(
            McpGarbled.code, f"its list has more than {PAGES_MAX} pages", executed=False
        )

    @property
    def _session(self) -> Any:
        assert self._client is not None
        return self._client.session

    async def _asked(self, asking: Coroutine[Any, Any, T], *, within_s: float, executed: bool) -> T:
        """Wait for an answer, for the connection's end or for the time to pass."""
        assert self._task is not None
        question = asyncio.create_task(asking)
        question.add_done_callback(_retrieve)
        try:
            await asyncio.wait(
                {question, self._task}, timeout=within_s, return_when="FIRST_COMPLETED"
            )
            if question.done():
                return question.result()
        except Exception as error:
            fault = self.trouble.of(error, executed=executed)
            # A tool's own word is no fault of the connection.
            self.broken = self.broken or fault.code != McpToolFailed.code
            raise fault from error
        finally:
            # Not awaited: to tell a server that hangs would hang as well.
            question.cancel()
        if self._task.done():
            raise self.trouble.lost(executed=executed)
        # With a list that does not come the connection is done for; a slow tool is only slow.
        self.broken = self.broken or not executed
        raise self.trouble.fault(
            McpTimedOut.code, f"no answer within {within_s:g} s", executed=executed
        )


def _retrieve(question: asyncio.Task[Any]) -> None:
    """Look at an error that has nobody left to be raised to."""
    if not question.cancelled():
        question.exception()


def _text_of(content: list[dict[str, Json]]) -> str | None:
    """Return the text of a result's content; None when it is not text alone."""
    texts = []
    for block in content:
        text = block.get("text")
        if block.get("type") == "resource":
            text = block["resource"].get("text")
        if not isinstance(text, str):
            return None
        texts.append(text)
    return "\n\n".join(texts)
