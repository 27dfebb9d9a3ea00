"""The suite of memory stores, as one class to derive from."""

from __future__ import annotations

import pytest

from fairlead.testing.conformance.memory_finding import MemoryFindingConformance
from fairlead.testing.conformance.memory_future import MemoryFutureConformance
from fairlead.testing.conformance.memory_races import MemoryRaceConformance
from fairlead.testing.conformance.memory_scopes import MemoryScopeConformance
from fairlead.testing.conformance.memory_site import MemorySite, OpenStore
from fairlead.testing.conformance.memory_times import MemoryTimeConformance
from fairlead.testing.conformance.memory_trials import MemoryTrialConformance
from fairlead.testing.conformance.memory_writes import MemoryWriteConformance


class MemoryStoreConformance(
    MemoryScopeConformance,
    MemoryWriteConformance,
    MemoryTimeConformance,
    MemoryFutureConformance,
    MemoryFindingConformance,
    MemoryTrialConformance,
    MemoryRaceConformance,
):
    """Tests of what a memory store keeps and gives back; derive from it, and open a store.

    A derived class overrides the fixture `open_store`.
    """

    @pytest.fixture
    def open_store(self) -> OpenStore:
        """Return what opens a store on one fresh database, each time as another process would.

        Raises:
            NotImplementedError: A derived class does not say how.
        """
        raise NotImplementedError(f"{type(self).__name__} has no fixture `open_store`")

    @pytest.fixture
    def memory(self, open_store: OpenStore) -> MemorySite:
        """Return where one test happens."""
        return MemorySite(open_store)
