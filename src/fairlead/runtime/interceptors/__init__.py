"""The two ordered tuples of interceptors that every call passes."""

from __future__ import annotations

from fairlead.runtime.interceptors.attempt import Before, Inside
from fairlead.runtime.interceptors.contract import contract
from fairlead.runtime.interceptors.deadline import deadline
from fairlead.runtime.interceptors.drive import drive
from fairlead.runtime.interceptors.intent_row import intent_row
from fairlead.runtime.interceptors.limits import limits
from fairlead.runtime.interceptors.policy import policy
from fairlead.runtime.interceptors.record import record
from fairlead.runtime.interceptors.refusal import refusal
from fairlead.runtime.interceptors.retry import retry
from fairlead.runtime.interceptors.schema import schema
from fairlead.runtime.interceptors.trace import trace

BEFORE: tuple[Before, ...] = (contract, schema, policy, limits)
"""Replayed with the workflow's code: pure, in this order, the first refusal counts."""

INSIDE: tuple[Inside, ...] = (record, trace, refusal, deadline, intent_row, retry)
"""Inside one journaled step, outermost first; the driver is innermost."""

__all__ = ["BEFORE", "INSIDE", "Before", "Inside", "drive"]
