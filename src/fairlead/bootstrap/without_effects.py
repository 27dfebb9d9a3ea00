"""Takes effects out of a worker, where a rollback is drilled."""

from __future__ import annotations

from dataclasses import replace

from fairlead.authoring.app import App
from fairlead.core.errors import DrillForeign
from fairlead.ports.releases import ReleaseStore
from fairlead.runtime.scope import Services
from fairlead.runtime.stand_ins import StandIns
from fairlead.settings import DRILL


def without_effects(services: Services, app: App, releases: ReleaseStore) -> Services:
    """Return services with which no effect is executed.

    Args:
        services: Those of a worker.
        app: Its app.
        releases: The releases of its database.

    Raises:
        DrillForeign: Releases are active there in another environment: it is no scratch place.
    """
    real = sorted(set(releases.active()) - {DRILL})
    if real:
        raise DrillForeign(
            f"environment {DRILL} executes no effects, and releases are active here in "
            f"{', '.join(real[:5])}"
        )
    return replace(services, faults=StandIns(app.tools, releases.list))
