"""Prunes an app's old runs in a process of its own, which a fault plan may kill in between."""

from __future__ import annotations

import sys
from pathlib import Path

from fairlead.operations import Order, load_settings, open_platform, prune_runs
from fairlead.testing.faults import Injector


def main(folder: Path, plan: Path) -> None:
    """Prune what ended a day ago.

    Args:
        folder: The app's folder.
        plan: The fault plan.
    """
    with open_platform(load_settings(folder), faults=Injector.of_file(plan)) as platform:
        prune_runs(platform, Order(by="ann", reason="old"), older_than_days=1)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
