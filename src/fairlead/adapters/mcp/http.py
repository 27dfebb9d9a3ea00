"""A server over streamable HTTP, with a bound on what it may answer."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx2
from mcp.client.streamable_http import streamable_http_client

from fairlead.adapters.mcp.trouble import Trouble
from fairlead.core.errors import McpOversize
from fairlead.core.mcp import ServerTerms


@asynccontextmanager
async def over_http(
    server: ServerTerms, environment: Mapping[str, str], *, trouble: Trouble
) -> AsyncIterator[tuple[Any, Any]]:
    """Speak with a server over HTTP.

    Args:
        server: The server.
        environment: The worker's environment, for the headers.
        trouble: Takes note of what goes wrong.

    Yields:
        A stream of what the server says, and one for what is said to it.
    """
    headers = {header: environment[name] for header, name in server.headers.items()}
    # How long an answer may take is bounded where it is awaited.
    timeout = httpx2.Timeout(server.connect_timeout_s, read=None)
    transport = _Bounded(httpx2.AsyncHTTPTransport(), server.answer_bytes, trouble)
    async with (
        # What the machine's environment says of proxies is none of a release's business.
        httpx2.AsyncClient(
            headers=headers, timeout=timeout, transport=transport, trust_env=False
        ) as client,
        streamable_http_client(
            server.url, http_client=client, max_sse_event_size=server.answer_bytes
        ) as streams,
    ):
        yield streams


class _Bounded(httpx2.AsyncBaseTransport):
    """Ends a body that is larger than the bound; of a stream of events, each has that bound."""

    def __init__(self, inner: httpx2.AsyncBaseTransport, most: int, trouble: Trouble) -> None:
        self._inner = inner
        self._most = most
        self._trouble = trouble

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response = await self._inner.handle_async_request(request)
        self._trouble.status = response.status_code if response.status_code >= 400 else 0
        events = response.headers.get("content-type", "").lower().startswith("text/event-stream")
        response.stream = _Body(response.stream, self._most, self._trouble, events=events)
        return response

    async def aclose(self) -> None:
        await self._inner.aclose()


class _Body(httpx2.AsyncByteStream):
    def __init__(self, inner: Any, most: int, trouble: Trouble, *, events: bool) -> None:
        self._inner = inner
        self._most = most
        self._trouble = trouble
        self._events = events

    async def __aiter__(self) -> AsyncIterator[bytes]:
        read = 0
        async for chunk in self._inner:
            read += len(chunk)
            if read > self._most:
                self._trouble.note(McpOversize.code, f"a message beyond {self._most} bytes")
                raise httpx2.StreamError("the body is larger than the bound")
            if self._events:
                # An empty line ends an event, and the next one begins to count.
                end = max(chunk.rfind(b"\n\n"), chunk.rfind(b"\r\n\r\n"))
                read = read if end < 0 else len(chunk) - end
            yield chunk

    async def aclose(self) -> None:
        await self._inner.aclose()
