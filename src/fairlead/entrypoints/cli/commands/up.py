"""Keeps an app up on this machine: workers for all code that has work, and its rollouts."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from fairlead.entrypoints.cli.interruption import INTERRUPTION
from fairlead.entrypoints.cli.options import HERE, App
from fairlead.entrypoints.cli.workplace import at_work

LOOK_S = 0.5
"""Seconds between two looks at what has work."""

Database = Annotated[
    str | None,
    typer.Option("--database", metavar="URL", help="Where everything is kept."),
]


def up(*, database: Database = None, app: App = HERE) -> None:
    """Keep a worker for each code that has work, and carry rollouts on, until SIGINT or SIGTERM.

    Old code keeps its worker until its last run has ended. A change of a prompt, a model, a policy
    or a flag needs no new process.
    """
    from fairlead.settings import database_url

    url = None if database is None else database_url(app, database)
    with (
        INTERRUPTION.gently("stopping the workers when their runs have ended"),
        at_work(app, database_url=url) as (platform, screen),
    ):
        from fairlead.operations import make_supervisor

        supervisor = make_supervisor(platform, say=screen.line)
        controller = platform.controller
        screen.line(f"up in environment {platform.settings.environment}; stop with Ctrl-C")
        controller.start()
        try:
            while not INTERRUPTION.asked:
                supervisor.tick()
                until = time.monotonic() + LOOK_S
                while time.monotonic() < until and not INTERRUPTION.asked:
                    time.sleep(0.02)
        finally:
            controller.stop()
            supervisor.stop()
