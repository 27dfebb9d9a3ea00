"""Options of the commands on runs."""

from __future__ import annotations

from typing import Annotated, get_args

import typer

from fairlead.core.outcome import RunState


def _known_state(value: str | None) -> str | None:
    if value is not None and value not in get_args(RunState):
        raise typer.BadParameter(f"{value!r} is none of {', '.join(get_args(RunState))}")
    return value


State = Annotated[
    str | None,
    typer.Option("--state", metavar="STATE", callback=_known_state, help="Only in this state."),
]
OfRelease = Annotated[
    str | None, typer.Option("--release", metavar="ID", help="Only of this release.")
]
OfWorkflow = Annotated[
    str | None, typer.Option("--workflow", metavar="NAME", help="Only of this workflow.")
]
OfEnv = Annotated[
    str | None,
    typer.Option(
        "--env", metavar="NAME", help="Only of this environment; of old runs it is not known."
    ),
]
Ids = Annotated[
    list[str] | None,
    typer.Argument(metavar="[ID]...", help="Runs by id, or how it begins; else describe them."),
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Only print which runs it would concern, and how many.")
]
Before = Annotated[
    int,
    typer.Option("--before", metavar="N", min=1, help="The first call that is made anew."),
]
Onto = Annotated[
    str | None,
    typer.Option("--to", metavar="ID", help="Pin the new runs to this release of equal code."),
]
To = Annotated[str, typer.Option("--to", metavar="ID", help="The release under which they go on.")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="The signal's name.")]
Payload = Annotated[
    str, typer.Argument(metavar="[PAYLOAD]", help="JSON, or plain text; nothing means null.")
]
Key = Annotated[
    str | None,
    typer.Option("--key", metavar="TEXT", help="A second signal under this key is dropped."),
]
Stream = Annotated[str, typer.Option("--name", metavar="NAME", help="The stream.")]
Offset = Annotated[
    int, typer.Option("--offset", metavar="N", min=0, help="The first item to print.")
]
Id = Annotated[str, typer.Argument(metavar="ID", help="The run's id, or how it begins.")]
Reason = Annotated[
    str, typer.Option("--reason", metavar="TEXT", help="Why; it is kept in the event log.")
]

OlderThan = Annotated[
    float | None,
    typer.Option(
        "--older-than",
        metavar="DAYS",
        min=0.0,
        max=36_500.0,
        help="Ended so long ago; else as long as each workflow's `retention_days`.",
    ),
]
Most = Annotated[
    int, typer.Option("--limit", metavar="N", min=1, max=1_000_000, help="Most runs to prune.")
]
Why = Annotated[
    str,
    typer.Option(
        "--reason", metavar="TEXT", help="Why; required without --dry-run, kept in the event log."
    ),
]
