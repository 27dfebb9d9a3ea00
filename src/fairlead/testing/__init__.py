"""For test suites: a fake for each port, in memory, with no clock and no chance of its own."""

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
