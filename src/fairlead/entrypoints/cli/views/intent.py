"""An intent page."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.text import Text

from fairlead.core.intent import IntentPage
from fairlead.core.memory_terms import RememberTerms
from fairlead.entrypoints.cli.views.release import remembered_text
from fairlead.entrypoints.cli.views.style import heading, indented, plain


def intent_view(workflow: str, page: IntentPage, remember: RememberTerms | None = None) -> Group:
    """Return a workflow's intent page; what is missing is said."""
    gaps = page.gaps()
    parts: list[RenderableType] = [
        Text.assemble((workflow, "bold"), "  ", plain(page.summary)),
        indented(Text.assemble("owner  ", plain(page.owner or "-"))),
        indented(Text.assemble("review ", plain(page.review_date or "-"))),
    ]
    for title, lines in (
        ("problem", (page.problem,)),
        ("expected outcomes", page.expected_outcomes),
        ("non-goals", page.non_goals),
        ("objectives", page.objectives),
        ("limits", page.limits),
        *((("memory", (remembered_text(remember),)),) if remember else ()),
        ("compliance", page.compliance),
        ("resilience", page.resilience),
    ):
        parts += [Text(), indented(heading(title))]
        parts += [indented(plain(line), 4) for line in lines if line]
    if gaps:
        parts += [Text(), indented(Text(f"missing: {', '.join(gaps)}", style="red"))]
    parts.append(Text())
    return Group(*parts)
