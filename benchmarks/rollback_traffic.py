"""Traffic for the rollback benchmark: a process that starts runs until its stdin ends."""

from __future__ import annotations

import argparse
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

from fairlead import Principal
from fairlead.operations import load_settings, open_platform

EVERY = 10
"""One in so many runs is a long one."""

STARTERS = 4
"""Threads that start runs, so that one slow commit does not hold up the next."""


def main() -> None:
    """Start runs at a rate, each on the release that is drawn for it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rollback_traffic")
    parser.add_argument("folder", type=Path)
    parser.add_argument("url")
    parser.add_argument("--rate", type=float, default=20.0, help="runs a second")
    parser.add_argument(
        "--after", type=float, default=10.0, help="seconds of a long run's last wait"
    )
    options = parser.parse_args()
    over = threading.Event()
    settings = replace(load_settings(options.folder), database_url=options.url)
    with open_platform(settings) as platform:
        admission, asks = platform.admission, Principal(user="traffic")
        began, lock, count = time.monotonic(), threading.Lock(), [0]

        def start() -> None:
            while not over.is_set():
                with lock:
                    number = count[0]
                    count[0] += 1
                wait_s = began + number / options.rate - time.monotonic()
                if wait_s > 0 and over.wait(wait_s):
                    return
                if number % EVERY:
                    admission.start_routed("answer", {"question": f"q{number}q"}, principal=asks)
                else:
                    paid = {"number": number, "before_s": 1.0, "after_s": options.after}
                    admission.start_routed("long", paid, principal=asks)

        starters = [threading.Thread(target=start) for _ in range(STARTERS)]
        for one in starters:
            one.start()
        sys.stdin.read()
        over.set()
        for one in starters:
            one.join()
    print(count[0])


if __name__ == "__main__":
    main()
