"""A gate's conclusion: its checks, what they found, and what to type next."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import RenderableType
from rich.text import Text

from fairlead.delivery.gate import SURVIVORS_NAMED, CheckRun, concludes
from fairlead.entrypoints.cli.texts import one_line
from fairlead.entrypoints.cli.views.style import (
    heading,
    indented,
    mark_of,
    on_a_line,
    plain,
    state_text,
    style_of,
    table,
)


def gate_view(release_id: str, checks: Sequence[CheckRun]) -> list[RenderableType]:
    """Return a gate's conclusion.

    Args:
        release_id: Short name of the release that was checked.
        checks: Every check.
    """
    made = table("", "check", "conclusion", "looked at", yields="looked at")
    for check in checks:
        made.add_row(
            Text(mark_of(check.conclusion), style=style_of(check.conclusion)),
            check.name,
            state_text(check.conclusion),
            on_a_line(one_line(check.summary), "dim"),
        )
    parts: list[RenderableType] = [made]
    for check in checks:
        if check.findings:
            parts += [Text(), heading(check.name)]
            parts += [indented(plain(f"{mark_of('failure')} {f}")) for f in check.findings]
        elif check.figures.get("survivors"):
            # Enough of them were noticed; these are worth a test all the same.
            parts += [Text(), heading(check.name)]
            named = (f"no test notices {s['where']}: {s['change']}" for s in _survivors(check))
            parts += [indented(plain(line)) for line in named]
    passed = concludes(tuple(checks)) == "success"
    word = Text("passes", style="green") if passed else Text("does not pass", style="red")
    parts += [Text(), Text.assemble("release ", (release_id, "bold"), " ", word)]
    parts.append(
        Text(f"Next: fairlead release activate {release_id}")
        if passed
        else Text("Next: correct what is marked above, then fairlead check")
    )
    return parts


def _survivors(check: CheckRun) -> list[dict[str, str]]:
    found: list[dict[str, str]] = check.figures["survivors"]
    return found[:SURVIVORS_NAMED]
