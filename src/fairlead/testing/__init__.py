"""For test suites: fakes of the ports that a run touches, scripted models, fault plans, and a
provider that speaks real HTTP."""

from fairlead.testing.bounds import FakeBudgets, FakeKills, FakePrices
from fairlead.testing.collector import Collector
from fairlead.testing.durable import (
    FakeApprovals,
    FakeConversations,
    FakeDispatch,
    FakeSeat,
    FakeStreams,
    FakeWaits,
)
from fairlead.testing.embedding import FaultyEmbedder, HashEmbedder
from fairlead.testing.fakes import (
    FakeAuthorizer,
    FakeClock,
    FakeDocuments,
    FakeEngine,
    FakeEvents,
    FakeJournal,
    FakeTelemetry,
)
from fairlead.testing.faults import Fault, FaultPlan, FaultyClock
from fairlead.testing.flags import FakeFlags
from fairlead.testing.ledger import FakeEffects
from fairlead.testing.mcp import FakeMcp
from fairlead.testing.memory import FakeMemoryStore
from fairlead.testing.models import ScriptedModel
from fairlead.testing.provider import Asked, ProviderServer, Reply
from fairlead.testing.throttle import FakeThrottle

__all__ = [
    "Asked",
    "Collector",
    "FakeApprovals",
    "FakeAuthorizer",
    "FakeBudgets",
    "FakeClock",
    "FakeConversations",
    "FakeDispatch",
    "FakeDocuments",
    "FakeEffects",
    "FakeEngine",
    "FakeEvents",
    "FakeFlags",
    "FakeJournal",
    "FakeKills",
    "FakeMcp",
    "FakeMemoryStore",
    "FakePrices",
    "FakeSeat",
    "FakeStreams",
    "FakeTelemetry",
    "FakeThrottle",
    "FakeWaits",
    "Fault",
    "FaultPlan",
    "FaultyClock",
    "FaultyEmbedder",
    "HashEmbedder",
    "ProviderServer",
    "Reply",
    "ScriptedModel",
]
