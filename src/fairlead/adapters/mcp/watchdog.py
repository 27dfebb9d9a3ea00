"""Ends what a worker has started when the worker is gone; runs as a small process of its own.

It reads `+GROUP` and `-GROUP` from its standard input. When that ends, so has the worker, by
whatever death; each process group that is left gets a moment, and is then killed.
"""

import os
import signal
import sys
import time

GRACE_S = 2.0


def main() -> None:
    """Keep the list until the worker is gone, then end what is on it."""
    groups = set()
    for line in sys.stdin:
        group = int(line[1:])
        if line[0] == "+":
            groups.add(group)
        else:
            groups.discard(group)
    until = time.monotonic() + GRACE_S
    while groups and time.monotonic() < until:
        groups = {group for group in groups if _send(group, 0)}
        time.sleep(0.02)
    for group in groups:
        _send(group, signal.SIGKILL)


def _send(group: int, number: int) -> bool:
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


if __name__ == "__main__":
    main()
