"""A release, and what differs between two of them."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from fairlead.core.digests import Json
from fairlead.core.flags import FlagTerms
from fairlead.core.memory_terms import RememberTerms
from fairlead.core.provenance import Provenance
from fairlead.core.release import Release, WorkflowTerms
from fairlead.entrypoints.cli.texts import moment, one_line
from fairlead.entrypoints.cli.views.listings import release_state
from fairlead.entrypoints.cli.views.style import (
    heading,
    indented,
    mark_of,
    plain,
    state_text,
    style_of,
    table,
)
from fairlead.ports.releases import Evidence


def release_view(
    release: Release, row: dict[str, Any], evidence: Evidence | None
) -> list[RenderableType]:
    """Return what a release holds.

    Args:
        release: The release.
        row: Its row in `fairlead release list --json`.
        evidence: Its gate's conclusion; None when it was not checked.
    """
    manifest = release.manifest
    facts = table("", "")
    facts.show_header = False
    facts.add_row("digest", release.digest)
    facts.add_row("made", f"{moment(release.created_at)} UTC")
    facts.add_row("code", manifest.code_digest)
    facts.add_row("bundle", manifest.bundle_digest)
    baseline = manifest.baseline
    if baseline is not None:
        facts.add_row("baseline", one_line(f"{baseline.id}, {baseline.digest}"))
    facts.add_row("needs", f"Python {manifest.python}, Fairlead {manifest.fairlead}")
    facts.add_row("archive", release.archive or "none: it needs a folder with its code")
    for name, value in _origin(release.provenance):
        facts.add_row(name, one_line(value))
    title = Text.assemble(
        "release ", (release.id, "bold"), "  ", one_line(manifest.app), "  ", release_state(row)
    )
    parts: list[RenderableType] = [title, indented(facts)]
    for terms in manifest.workflows.values():
        parts += [Text(), heading(f"workflow {one_line(terms.name)}"), indented(_terms(terms))]
    for contract in manifest.contracts.values():
        what = f"{contract.effect}, scope {contract.scope}"
        parts += [Text(), heading(f"tool {one_line(contract.name)}"), indented(plain(what))]
    parts += [Text(), *_gate(evidence)]
    return parts


def diff_view(found: Sequence[tuple[str, Json, Json]]) -> list[RenderableType]:
    """Return what differs, path by path; texts line by line."""
    if not found:
        return [Text("the releases are the same")]
    parts: list[RenderableType] = []
    for path, before, after in found:
        parts.append(Text(one_line(path), style="bold"))
        parts += [indented(line) for line in changed_lines(before, after)]
    return parts


def changed_lines(before: Json, after: Json) -> list[Text]:
    """Return what changed of a value; of a text of several lines, only the lines that did."""
    if isinstance(before, str) and isinstance(after, str) and "\n" in before + after:
        lines = difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=1)
        return [_changed(line) for line in list(lines)[3:]]
    return [_changed(f"- {_value(before)}"), _changed(f"+ {_value(after)}")]


def _origin(found: Provenance | None) -> Iterator[tuple[str, str]]:
    """Yield what is known of where a release comes from."""
    if found is None:
        return
    if found.commit:
        yield "commit", found.commit + (", with changes that no commit has" if found.dirty else "")
    if found.author:
        yield "author", found.author
    if found.committed_at is not None:
        yield "committed", f"{moment(found.committed_at)} UTC"
    if found.first_commit_at is not None:
        yield "first commit", f"{moment(found.first_commit_at)} UTC"


def _terms(terms: WorkflowTerms) -> Any:
    made = table("", "")
    made.show_header = False
    recall = terms.recall
    searched = (
        f"{recall.collection}, {recall.top_k} passages from {recall.min_score:g}" if recall else "-"
    )
    limits = terms.limits
    bounds = f"{limits.steps} calls, ${limits.cost_usd:g}, {limits.wall_time.total_seconds():g} s"
    promise = f"{terms.slo.success:.2%} within {terms.slo.latency_p95.total_seconds():g} s"
    for name, value in (
        ("owner", terms.intent.owner),
        ("model", terms.model or "-"),
        ("recall", searched),
        ("memory", remembered_text(terms.remember)),
        ("tools", ", ".join(terms.tools) or "-"),
        ("guardrails", ", ".join(terms.guardrails) or "-"),
        ("flags", ", ".join(flag_text(key, flag) for key, flag in terms.flags.items()) or "-"),
        ("limits", bounds),
        ("objective", promise),
    ):
        made.add_row(name, Text(one_line(value)))
    return made


def flag_text(key: str, terms: FlagTerms) -> str:
    """Return in a few words what a flag is without a rule, and whether it has one."""
    if terms.state == "DISABLED":
        return f"{key} (disabled)"
    value = "the code's default"
    if terms.default_variant is not None:
        value = json.dumps(terms.variants[terms.default_variant], ensure_ascii=False)
    rule = f" (by rule, {len(terms.variants)} variants)" if terms.targeting else ""
    return f"{key} = {value}{rule}"


def remembered_text(terms: RememberTerms | None) -> str:
    """Return in one line what a workflow remembers and recalls."""
    if terms is None:
        return "-"
    parts = [f"{', '.join(terms.kinds)}; {terms.top_k} items from {terms.min_score:g}"]
    if terms.grounding:
        about = f" about {terms.subject}" if terms.subject else ""
        parts.append(f"recalled for each answer{about}")
    if terms.derive:
        parts.append(f"{terms.derive} follows")
    return "; ".join(parts)


def _gate(evidence: Evidence | None) -> list[RenderableType]:
    if evidence is None:
        return [Text("gate  not checked")]
    word = state_text(evidence.conclusion)
    parts: list[RenderableType] = [
        Text.assemble(("gate  ", "bold"), word, f"  {moment(evidence.time)} UTC")
    ]
    for check in evidence.checks:
        mark = (mark_of(check["conclusion"]), style_of(check["conclusion"]))
        said = f" {check['name']}: {one_line(check['summary'])}"
        parts.append(indented(Text.assemble(mark, said)))
        parts += [indented(plain(finding), 4) for finding in check["findings"]]
    return parts


def _value(value: Json) -> str:
    if value is None:
        return "(nothing)"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _changed(line: str) -> Text:
    style = {"-": "red", "+": "green"}.get(line[:1], "dim")
    return plain(line, style)
