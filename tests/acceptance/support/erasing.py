"""Erases in a process of its own, which a fault plan may kill in between."""

from __future__ import annotations

import sys
from pathlib import Path

from fairlead.operations import Order, Target, erase, load_settings, open_platform
from fairlead.testing.faults import Injector


def main(folder: Path, plan: Path, subject: str, *values: str) -> None:
    """Erase a subject.

    Args:
        folder: The app's folder.
        plan: The fault plan.
        subject: All of it is erased.
        values: Further values.
    """
    with open_platform(load_settings(folder), faults=Injector.of_file(plan)) as platform:
        target = Target(subject=subject, values=values)
        erase(platform, target, Order(by="ann", reason="asked for"))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:])
