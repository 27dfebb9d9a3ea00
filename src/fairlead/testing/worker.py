"""Starts a real worker that a fault plan breaks: `python -m fairlead.testing.worker`.

It is a command of its own on purpose. `fairlead worker` takes no plan: in production a plan would
be a way to kill workers and to forge what tools return.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

from fairlead.core.errors import FairleadError
from fairlead.operations import Platform, Settings, load_settings, make_worker, open_platform
from fairlead.testing.faults import Injector

Opening: TypeAlias = Callable[..., AbstractContextManager[Platform]]
"""Opens a platform, with the arguments of `fairlead.operations.open_platform`."""

_POLL_S = 0.05
_STATUS_REFUSED = 2


def main(arguments: Sequence[str] | None = None, *, opening: Opening = open_platform) -> int:
    """Be a worker until SIGTERM or SIGINT, with the faults of a plan.

    Args:
        arguments: The command line without the program's name; None for this process's own.
        opening: Opens the platform; another one puts other adapters in.

    Returns:
        0 after a clean stop, 1 when the worker lost its lease, 2 when it could not start.
    """
    parser = argparse.ArgumentParser(prog="python -m fairlead.testing.worker", description=__doc__)
    parser.add_argument("--app", type=Path, default=Path(), help="the app's folder")
    parser.add_argument("--faults", type=Path, required=True, help="a fault plan, as JSON")
    parser.add_argument("--concurrency", type=int, help="most runs at the same time")
    options = parser.parse_args(arguments)
    try:
        faults = Injector.of_file(options.faults)
        _refuse_what_acts_elsewhere(faults)
        settings = load_settings(options.app)
        if options.concurrency is not None:
            settings = replace(settings, concurrency=options.concurrency)
        return _work(settings, faults, opening)
    except (FairleadError, ValueError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return _STATUS_REFUSED


def _refuse_what_acts_elsewhere(faults: Injector) -> None:
    """A fault that this process would pass over in silence is a drill that drills nothing."""
    if any(fault.boundary == "exporter" for fault in faults.plan):
        raise ValueError(
            "faults of the exporter act in fairlead.testing.Collector, where a worker's telemetry "
            "arrives; give them to it in a plan of its own"
        )


def _work(settings: Settings, faults: Injector, opening: Opening) -> int:
    stopping: list[int] = []
    # A handler may not take a lock: the main thread may hold it.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda received, _: stopping.append(received))
    with opening(settings, faults=faults) as platform:
        worker = make_worker(platform)
        worker.start()
        runner, count = worker.runner, len(faults.plan)
        sys.stdout.write(f"worker {runner.worker_id} ready: {count} faults, pid {os.getpid()}\n")
        sys.stdout.flush()
        while worker.lost is None and not stopping:
            time.sleep(_POLL_S)
        if worker.lost is not None:
            return 1
        worker.stop()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
