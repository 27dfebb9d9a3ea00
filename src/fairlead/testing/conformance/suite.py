"""The whole suite, as one class to derive from."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import ClassVar

import pytest

from fairlead.operations import Platform, Settings, open_platform
from fairlead.testing import worker
from fairlead.testing.conformance.approvals import ApprovalConformance
from fairlead.testing.conformance.calls import CallConformance
from fairlead.testing.conformance.cancellation import CancellationConformance
from fairlead.testing.conformance.databases import DatabaseUnderTest
from fairlead.testing.conformance.nursery import nursery_of
from fairlead.testing.conformance.replay import ReplayConformance
from fairlead.testing.conformance.site import Site, open_site, rehearse
from fairlead.testing.conformance.takeover import TakeoverConformance
from fairlead.testing.conformance.timers import TimerConformance
from fairlead.testing.conformance.versions import VersionConformance


class EngineConformance(
    CallConformance,
    ApprovalConformance,
    TakeoverConformance,
    VersionConformance,
    ReplayConformance,
    CancellationConformance,
    TimerConformance,
):
    """Tests of durable runs under crashes; derive from it, and give it databases.

    A derived class overrides the fixture `database_under_test`. One for other adapters overrides
    `worker` and `opening` as well.

    Attributes:
        worker: `module:function` that is a worker until SIGTERM. It takes the command line of
            `python -m fairlead.testing.worker` without the name, says on standard output when it is
            `ready`, and returns an exit status.
        rehearsal: `module:function` that loads what a worker needs, so that a fork has it at once;
            it takes an empty folder, and leaves no thread and no connection behind.
    """

    worker: ClassVar[str] = f"{worker.__name__}:{worker.main.__name__}"
    rehearsal: ClassVar[str] = f"{rehearse.__module__}:{rehearse.__name__}"

    def opening(self, settings: Settings) -> AbstractContextManager[Platform]:
        """Return a platform on the same adapters as the worker's, open within a block.

        The test's own process uses it to start runs and to read records; it executes nothing.

        Args:
            settings: The app's settings.
        """
        return open_platform(settings)

    @pytest.fixture
    def database_under_test(self) -> DatabaseUnderTest:
        """Return a fresh database for one test; a derived class must say which.

        Raises:
            NotImplementedError: It does not.
        """
        raise NotImplementedError(f"{type(self).__name__} has no fixture `database_under_test`")

    @pytest.fixture
    def site(self, database_under_test: DatabaseUnderTest, tmp_path: Path) -> Iterator[Site]:
        """Yield where one test happens; whatever happened, the event log holds at its end."""
        nursery = nursery_of(self.worker, self.rehearsal)
        with open_site(tmp_path / "site", database_under_test, nursery, self.opening) as made:
            yield made
