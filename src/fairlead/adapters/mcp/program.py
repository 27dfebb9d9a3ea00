"""A server as a program: one JSON-RPC message per line, over standard input and output.

The library's own transport reads a line of any length and lets a line pass that is no message. This
one has a bound for both, and leaves no process behind.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
from mcp.client.stdio import DEFAULT_INHERITED_ENV_VARS
from mcp.shared.message import SessionMessage
from mcp_types import jsonrpc_message_adapter

from fairlead.adapters.mcp import watchdog
from fairlead.adapters.mcp.trouble import Trouble
from fairlead.core.errors import McpGarbled, McpOversize
from fairlead.core.mcp import ServerTerms

STOP_S = 1.0
"""Seconds that a program has to end after its input was closed, and again after SIGTERM."""

TOLD_CHARS_MAX = 2_000
"""Of what a program writes to standard error, so much of the end is kept."""


@dataclass(kw_only=True)
class Watchdog:
    """The process that ends a worker's programs when the worker is gone."""

    _process: subprocess.Popen[bytes] | None = None
    _groups: set[int] = field(default_factory=set)

    def watch(self, group: int) -> None:
        """Take a process group on the list."""
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", str(watchdog.__file__)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        self._groups.add(group)
        self._tell(f"+{group}\n")

    def forget(self, group: int) -> None:
        """Take a process group off the list: it has ended."""
        self._groups.discard(group)
        self._tell(f"-{group}\n")

    def close(self) -> None:
        """End whatever is left on the list, and the watchdog."""
        for group in list(self._groups):
            kill(group, signal.SIGKILL)
            self.forget(group)
        if self._process is not None:
            with suppress(OSError):
                self._process.communicate()
            self._process = None

    def _tell(self, line: str) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        with suppress(OSError):
            self._process.stdin.write(line.encode())
            self._process.stdin.flush()


@asynccontextmanager
async def program(
    server: ServerTerms,
    folder: Path,
    environment: Mapping[str, str],
    *,
    dog: Watchdog,
    trouble: Trouble,
) -> AsyncIterator[tuple[Any, Any]]:
    """Start a server's program and speak with it; end it when the block ends.

    Args:
        server: The server.
        folder: Where it is started.
        environment: The worker's environment.
        dog: Ends the program when this process is gone.
        trouble: Takes note of what goes wrong.

    Yields:
        A stream of what the server says, and one for what is said to it.
    """
    names = [*DEFAULT_INHERITED_ENV_VARS, *server.env]
    process = await asyncio.create_subprocess_exec(
        server.command,
        *server.args,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=folder,
        env={name: environment[name] for name in names if name in environment},
        start_new_session=True,
        limit=server.answer_bytes,
    )
    dog.watch(process.pid)
    said_in, said = anyio.create_memory_object_stream[Any](0)
    to_say, to_say_out = anyio.create_memory_object_stream[Any](0)
    try:
        async with anyio.create_task_group() as group:
            group.start_soon(_read, process, said_in, trouble, server)
            group.start_soon(_write, process, to_say_out, said_in)
            group.start_soon(_listen, process, trouble)
            try:
                yield said, to_say
            finally:
                with anyio.CancelScope(shield=True):
                    await _stop(process)
                group.cancel_scope.cancel()
    finally:
        # Also when the group's own tasks failed, or somebody cancelled in a hurry.
        kill(process.pid, signal.SIGKILL)
        dog.forget(process.pid)
        for stream in (said_in, said, to_say, to_say_out):
            stream.close()
        _close_transport(process)


async def _read(
    process: asyncio.subprocess.Process, said: Any, trouble: Trouble, server: ServerTerms
) -> None:
    assert process.stdout is not None
    async with said:
        while True:
            try:
                line = await process.stdout.readuntil(b"\n")
            except asyncio.LimitOverrunError:
                trouble.note(McpOversize.code, f"a message beyond {server.answer_bytes} bytes")
                return
            except (asyncio.IncompleteReadError, OSError):
                return
            try:
                message = jsonrpc_message_adapter.validate_json(line, by_name=False)
            except ValueError:
                if not line.strip():
                    continue
                trouble.note(McpGarbled.code, f"a line that is no message: {line[:80]!r}")
                return
            try:
                await said.send(SessionMessage(message))
            except (anyio.BrokenResourceError, anyio.ClosedResourceError):
                return


async def _write(process: asyncio.subprocess.Process, to_say: Any, said: Any) -> None:
    assert process.stdin is not None
    try:
        async with to_say:
            async for message in to_say:
                text = message.message.model_dump_json(by_alias=True, exclude_unset=True)
                process.stdin.write(text.encode() + b"\n")
                await process.stdin.drain()
    except (OSError, anyio.BrokenResourceError, anyio.ClosedResourceError):
        # Whoever waits for an answer learns that none will come.
        await said.aclose()


async def _listen(process: asyncio.subprocess.Process, trouble: Trouble) -> None:
    assert process.stderr is not None
    while True:
        with suppress(OSError):
            text = await process.stderr.read(4096)
            if text:
                trouble.told = (trouble.told + text.decode(errors="replace"))[-TOLD_CHARS_MAX:]
                continue
        return


async def _stop(process: asyncio.subprocess.Process) -> None:
    assert process.stdin is not None
    process.stdin.close()
    if not await _ended(process):
        kill(process.pid, signal.SIGTERM)
        if not await _ended(process):
            kill(process.pid, signal.SIGKILL)
            await _ended(process)


async def _ended(process: asyncio.subprocess.Process) -> bool:
    # Its `wait` would also wait for the pipes, which a child of it may hold open.
    for _ in range(int(STOP_S / 0.01)):
        if process.returncode is not None:
            return True
        await asyncio.sleep(0.01)
    return process.returncode is not None


def kill(group: int, number: signal.Signals) -> None:
    """Send a signal to a process group that may have ended."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def _close_transport(process: asyncio.subprocess.Process) -> None:
    """Let go of the pipes at once; nothing public does that."""
    transport = getattr(process, "_transport", None)
    if transport is not None:
        transport.close()
