"""The world outside: an append-only ledger, one line per execution of a tool's body.

The line is the effect: it is there or it is not, in one write. What wrote it may be killed at any
moment before and after.
"""

import asyncio
import json
import os
import time
from pathlib import Path

import fairlead as fl

LEDGER = Path(__file__).with_name("ledger.jsonl")


async def act(ctx: fl.Context, what: str, before_ms: int, after_ms: int) -> None:
    """Do what a tool does: take some time, write the line, and take some more."""
    await asyncio.sleep(before_ms / 1000)
    line = {
        "what": what,
        "run": ctx.run_id,
        "key": ctx.idempotency_key,
        "pid": os.getpid(),
        "at": time.time(),
    }
    ledger = os.open(LEDGER, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(ledger, json.dumps(line).encode() + b"\n")
    finally:
        os.close(ledger)
    await asyncio.sleep(after_ms / 1000)


def happened(ctx: fl.Context) -> bool:
    """Whether the ledger has a line under the key."""
    return f'"key": "{ctx.idempotency_key}"'.encode() in LEDGER.read_bytes()
