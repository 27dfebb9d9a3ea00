"""Goes on with an erasure in a process of its own, which a fault plan may kill in between."""

from __future__ import annotations

import sys
from pathlib import Path

from fairlead.operations import load_settings, open_platform, resume_erasure
from fairlead.testing.faults import Injector


def main(folder: Path, plan: Path, erasure_id: str) -> None:
    """Go on with an erasure.

    Args:
        folder: The app's folder.
        plan: The fault plan.
        erasure_id: The erasure.
    """
    with open_platform(load_settings(folder), faults=Injector.of_file(plan)) as platform:
        resume_erasure(platform, erasure_id)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
