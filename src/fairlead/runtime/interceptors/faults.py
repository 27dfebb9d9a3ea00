"""Faults that a test plans; in production there are none and both interceptors step aside.

The outer one has the moments around the journal, the inner one those around the driver: `asked`,
then `before`, `inside` and `after` once per try, then `recorded`.
"""

from __future__ import annotations

from dataclasses import replace

from fairlead.core.calls import ON_THE_WAY, Result
from fairlead.ports.faults import NO_FAULTS
from fairlead.runtime.interceptors.attempt import Attempt, Next
from fairlead.runtime.scope import Services


async def journal_faults(attempt: Attempt, services: Services, inner: Next) -> tuple[Result, int]:
    """Strike before anything is on record, and once the outcome is."""
    faults = services.faults
    if faults is NO_FAULTS:
        return await inner(attempt, services)
    await faults.call("asked", attempt.call)
    result, tries = await inner(attempt, services)
    if not isinstance(result, ON_THE_WAY):
        await faults.call("recorded", attempt.call)
    return result, tries


async def driver_faults(attempt: Attempt, services: Services, inner: Next) -> tuple[Result, int]:
    """Strike in the body, and once it has returned; innermost, next to the driver."""
    faults, call = services.faults, attempt.call
    if faults is NO_FAULTS:
        return await inner(attempt, services)
    ended = await inner(replace(attempt, driver=faults.body(call, attempt.driver)), services)
    await faults.call("after", call)
    return ended
