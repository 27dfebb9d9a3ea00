"""For test suites: fakes of the ports that a run touches, in memory, and scripted models."""

from fairlead.testing.fakes import (
    FakeAuthorizer,
    FakeClock,
    FakeDocuments,
    FakeEngine,
    FakeEvents,
    FakeJournal,
    FakeTelemetry,
)
from fairlead.testing.models import ScriptedModel

__all__ = [
    "FakeAuthorizer",
    "FakeClock",
    "FakeDocuments",
    "FakeEngine",
    "FakeEvents",
    "FakeJournal",
    "FakeTelemetry",
    "ScriptedModel",
]
