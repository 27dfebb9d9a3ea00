"""The two ordered tuples of interceptors that every call passes."""

from __future__ import annotations

from fairlead.runtime.interceptors.answers import answers
from fairlead.runtime.interceptors.approval import approval
from fairlead.runtime.interceptors.attempt import Before, Inside
from fairlead.runtime.interceptors.breaker import breaker
from fairlead.runtime.interceptors.budget import budget
from fairlead.runtime.interceptors.context import context
from fairlead.runtime.interceptors.contract import contract
from fairlead.runtime.interceptors.deadline import deadline
from fairlead.runtime.interceptors.drive import drive
from fairlead.runtime.interceptors.family import family
from fairlead.runtime.interceptors.faults import driver_faults, journal_faults
from fairlead.runtime.interceptors.grants import grants
from fairlead.runtime.interceptors.intent import intent
from fairlead.runtime.interceptors.kill_switch import kill_switch, kill_switch_again
from fairlead.runtime.interceptors.label import label
from fairlead.runtime.interceptors.ledger import ledger
from fairlead.runtime.interceptors.limits import limits
from fairlead.runtime.interceptors.loop import loop
from fairlead.runtime.interceptors.policy import policy
from fairlead.runtime.interceptors.rate import rate
from fairlead.runtime.interceptors.record import record
from fairlead.runtime.interceptors.redact import redact
from fairlead.runtime.interceptors.redaction import redaction
from fairlead.runtime.interceptors.refusal import refusal
from fairlead.runtime.interceptors.retry import retry
from fairlead.runtime.interceptors.schema import schema
from fairlead.runtime.interceptors.screen import screen
from fairlead.runtime.interceptors.trace import trace

BEFORE: tuple[Before, ...] = (contract, schema, grants, policy, limits, loop, context)
"""Pure, in this order, the first refusal counts; what is on record is not checked again."""

INSIDE: tuple[Inside, ...] = (
    journal_faults,
    record,
    trace,
    redaction,
    screen,
    refusal,
    label,
    redact,
    kill_switch,
    deadline,
    approval,
    family,
    ledger,
    retry,
    breaker,
    rate,
    kill_switch_again,
    budget,
    intent,
    driver_faults,
    answers,
)
"""Inside one journaled step, outermost first; the driver is innermost.

What is known of an effect is looked at first. Each try then passes the breaker and takes a token,
which may take time: so the kill switches are looked at again. The budget is reserved once for all
tries. The intent comes after all of them: while a call only waits for its turn, nothing says that
its effect may have happened. In a replay the recording answers last, in the driver's place: so all
that decides about a call is asked as ever.
"""

__all__ = ["BEFORE", "INSIDE", "Before", "Inside", "drive"]
