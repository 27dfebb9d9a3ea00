"""The published conformance suites: what every engine and every store under Fairlead must hold.

Each is a class of pytest tests to derive from. They need pytest and Hypothesis, which are no
dependencies of Fairlead. `EngineConformance` is about runs: real worker processes are killed,
frozen and cut off from their database; what happened is counted in a file that the tools' bodies
write outside of the platform. `MemoryStoreConformance` is about what is remembered beyond a run.
"""

from fairlead.testing.conformance.databases import (
    DatabaseUnderTest,
    PostgresDatabase,
    SqliteDatabase,
)
from fairlead.testing.conformance.memory import MemoryStoreConformance
from fairlead.testing.conformance.memory_site import MemorySite, OpenStore
from fairlead.testing.conformance.nursery import Nursery, WorkerProcess
from fairlead.testing.conformance.site import Execution, Opening, Site, open_site
from fairlead.testing.conformance.suite import EngineConformance

__all__ = [
    "DatabaseUnderTest",
    "EngineConformance",
    "Execution",
    "MemorySite",
    "MemoryStoreConformance",
    "Nursery",
    "OpenStore",
    "Opening",
    "PostgresDatabase",
    "Site",
    "SqliteDatabase",
    "WorkerProcess",
    "open_site",
]
