"""The delivery metrics on one screen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from fairlead.delivery.dora import Delivery, Readiness, Rollback, Share, Spread
from fairlead.entrypoints.cli.texts import moment, one_line, span
from fairlead.entrypoints.cli.views.style import heading, indented, mark_of, table

NO_DATA = Text("no data", style="bright_black")

READINESS_STYLES: dict[Readiness, tuple[str, str]] = {
    "ready": ("success", "green"),
    "stale": ("unknown", "yellow"),
    "never": ("unknown", "yellow"),
    "failed": ("failure", "red"),
    "nothing before": ("skipped", "bright_black"),
}
_WORDS: dict[Readiness, str] = {
    "ready": "ready",
    "stale": "stale: the drill is older than 30 days, or went to another release",
    "never": "never drilled",
    "failed": "the last drill failed",
    "nothing before": "no release to go back to",
}


def dora_view(found: Delivery, *, unicode: bool) -> list[RenderableType]:
    """Return the delivery metrics.

    Args:
        found: What was folded.
        unicode: Whether the screen shows more than ASCII.
    """
    scope = found.scope
    where = one_line(scope.environment) or "all environments"
    whose = f", app {one_line(scope.app)}" if scope.app else ""
    days = (scope.until - scope.since) / 86_400.0
    title = heading(f"Delivery to {where}{whose}")
    title.append(f"  {days:g} days to {moment(scope.until)} UTC", style="not bold bright_black")
    parts: list[RenderableType] = [title, Text(), indented(_metrics(found))]
    notes = list(_notes(found))
    if notes:
        parts += [Text(), *(indented(Text(note, style="bright_black")) for note in notes)]
    if found.readiness:
        parts += [Text(), heading("Ready to roll back")]
        parts += [indented(readiness_text(one, unicode=unicode)) for one in found.readiness]
    return parts


def readiness_text(one: Rollback, *, unicode: bool) -> Text:
    """Return in one line whether an environment could be rolled back.

    Args:
        one: What is known.
        unicode: Whether the screen shows more than ASCII.
    """
    state, style = READINESS_STYLES[one.readiness]
    line = Text(f"{mark_of(state, unicode=unicode)} ", style=style)
    line.append(one_line(one.environment), style="bold").append("  ")
    if one.previous:
        line.append(f"{one.release[:12]} to {one.previous[:12]}: ")
    line.append(_WORDS[one.readiness], style=style)
    if one.drill is not None:
        line.append(f"  drilled {moment(one.drill.at)} UTC", style="bright_black")
        safe = one.drill.figures.get("new_traffic_safe_s")
        if isinstance(safe, int | float):
            line.append(f", new runs safe in {span(float(safe))}", style="bright_black")
    return line


def _metrics(found: Delivery) -> Table:
    made = table("metric", "median", "p90", "n", right=("median", "p90", "n"))
    made.add_row("change lead time", *_times(found.lead))
    often = NO_DATA if found.per_week is None else Text(f"{found.per_week:.3g} a week")
    made.add_row("deployment frequency", often, Text(), _count(len(found.deployments)))
    made.add_row("change fail rate", *_rate(found.failed))
    made.add_row("  escaped to everybody", *_rate(found.escaped))
    made.add_row("recovery, new runs safe", *_times(found.traffic))
    made.add_row("recovery, all runs safe", *_times(found.runs))
    made.add_row("rework rate", *_rate(found.rework))
    return made


def _times(found: Spread) -> tuple[Text, Text, Text]:
    if found.median_s is None or found.p90_s is None:
        return NO_DATA, Text(), _count(found.n)
    return Text(span(found.median_s)), Text(span(found.p90_s)), _count(found.n)


def _rate(found: Share) -> tuple[Text, Text, Text]:
    if found.value is None:
        return NO_DATA, Text(), _count(found.of)
    return Text(f"{found.value:.1%}"), Text(), Text(f"{found.count} of {found.of}")


def _count(n: int) -> Text:
    return Text(str(n))


def _notes(found: Delivery) -> Iterator[str]:
    """Yield what a reader must know to read the numbers."""
    from_release = found.lead_from.get("release", 0)
    if from_release:
        yield f"lead time of {from_release} counted from the release: no commit is known of it"
    caught, harmed = found.caught, found.harmed
    if any(caught.values()):
        yield (
            f"caught: {caught['gate']} by a gate, {caught['canary']} as a canary "
            f"({harmed['canary']} runs harmed), {caught['after_promote']} after the promotion "
            f"({harmed['after_promote']} runs harmed)"
        )
    if found.withdrawn:
        yield f"given up before anybody was harmed: {found.withdrawn}"


def dora_json(found: Delivery) -> dict[str, Any]:
    """Return the same as JSON.

    Args:
        found: What was folded.
    """
    return {
        **asdict(found.scope),
        "deployments": [asdict(one) for one in found.deployments],
        "deployments_per_week": found.per_week,
        "change_lead_time": {**asdict(found.lead), "from": dict(found.lead_from)},
        "change_fail_rate": _share(found.failed),
        "change_fail_rate_escaped": _share(found.escaped),
        "caught_at": dict(found.caught),
        "harmed_runs": dict(found.harmed),
        "withdrawn": found.withdrawn,
        "recovery_new_traffic_safe": asdict(found.traffic),
        "recovery_all_runs_safe": asdict(found.runs),
        "rework_rate": _share(found.rework),
        "rollback_readiness": [rollback_json(one) for one in found.readiness],
    }


def rollback_json(one: Rollback) -> dict[str, Any]:
    """Return as JSON whether an environment could be rolled back.

    Args:
        one: What is known.
    """
    drill = None if one.drill is None else {**asdict(one.drill), "figures": dict(one.drill.figures)}
    return {**asdict(one), "drill": drill}


def _share(found: Share) -> dict[str, Any]:
    return {"value": found.value, "count": found.count, "of": found.of}
