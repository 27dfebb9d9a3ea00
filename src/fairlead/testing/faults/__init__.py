"""Fault plans: what breaks where, at which call, and for how often; the same every time."""

from fairlead.testing.faults.actions import (
    Action,
    Answer,
    Delay,
    Exit,
    Fail,
    Hang,
    Kill,
    Lose,
    Mutate,
    Repeat,
    Skew,
    Stop,
)
from fairlead.testing.faults.clock import FaultyClock
from fairlead.testing.faults.firings import Firing, Firings, firings_of
from fairlead.testing.faults.injector import Injector, Waits
from fairlead.testing.faults.plan import Fault, FaultPlan, Point

__all__ = [
    "Action",
    "Answer",
    "Delay",
    "Exit",
    "Fail",
    "Fault",
    "FaultPlan",
    "FaultyClock",
    "Firing",
    "Firings",
    "Hang",
    "Injector",
    "Kill",
    "Lose",
    "Mutate",
    "Point",
    "Repeat",
    "Skew",
    "Stop",
    "Waits",
    "firings_of",
]
