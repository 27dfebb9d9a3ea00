"""What differs between two releases, in words, and what each difference asks for.

One table says of every path of a manifest how much a change of it matters. The first row that fits
counts, and the last one fits everything, so a field that is new here is at least information.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from fairlead.core.digests import Json
from fairlead.core.release import diff_keys
from fairlead.core.schemas import accepts_all

Impact: TypeAlias = Literal["breaking", "routing", "information"]
"""What a change asks for: a new contract with whoever uses it; a replay, because models or policies
may decide otherwise; nothing but that somebody knows."""

IMPACTS: tuple[Impact, ...] = ("information", "routing", "breaking")
"""All of them, the one that matters least first."""

Path: TypeAlias = tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class ReleaseChange:
    """One difference between two releases.

    Attributes:
        path: Where it is in the manifest.
        before: The older value; None for nothing.
        after: The newer value; None for nothing.
        impact: What it asks for.
        words: One sentence that says so.
    """

    path: Path
    before: Json
    after: Json
    impact: Impact
    words: str


@dataclass(frozen=True, kw_only=True)
class _Difference:
    """A difference and what is around it."""

    path: Path
    before: Json
    after: Json
    manifests: tuple[Json, Json]
    pinned: int

    @property
    def name(self) -> str:
        """The second key: a workflow's, a tool's or a server's name."""
        return self.path[1]

    def around(self, keys: int) -> tuple[Json, Json]:
        """Return the two values at the beginning of the path."""
        found = []
        for value in self.manifests:
            for key in self.path[:keys]:
                value = value.get(key) if isinstance(value, dict) else None
            found.append(value)
        return found[0], found[1]


_Verdict: TypeAlias = tuple[Impact, str]
_Rule: TypeAlias = Callable[[_Difference], _Verdict]


def explain(before: Json, after: Json, *, pinned: int = 0) -> tuple[ReleaseChange, ...]:
    """Say in words what differs between two manifests, and what each difference asks for.

    Args:
        before: The older manifest, as JSON.
        after: The newer manifest, as JSON.
        pinned: How many runs of the older release have not ended.
    """
    found = []
    for path, old, new in diff_keys(before, after):
        one = _Difference(
            path=path, before=old, after=new, manifests=(before, after), pinned=pinned
        )
        impact, words = _rule_of(path)(one)
        found.append(ReleaseChange(path=path, before=old, after=new, impact=impact, words=words))
    return tuple(found)


def worst(changes: Iterable[ReleaseChange]) -> Impact | None:
    """Return what matters most of some changes; None without any."""
    return max((one.impact for one in changes), key=IMPACTS.index, default=None)


def _rule_of(path: Path) -> _Rule:
    for pattern, rule in RULES:
        open_end = pattern[-1:] == ("**",)
        head = pattern[:-1] if open_end else pattern
        if len(path) < len(head) or (len(path) > len(head) and not open_end):
            continue
        if all(want in ("*", key) for want, key in zip(head, path, strict=False)):
            return rule
    return _other


# What a rule may say.


def _what(one: _Difference) -> str:
    """Name what changed: a workflow's model, a tool's scope, or the path."""
    kinds = {"workflows": "workflow", "contracts": "tool", "servers": "MCP server"}
    kind = kinds.get(one.path[0]) if one.path else None
    if kind is None or len(one.path) < 3:
        return ".".join(one.path)
    return f"{'.'.join(one.path[2:])} of {kind} {one.name}"


def _moved(one: _Difference) -> str:
    if one.before is None:
        return "is new"
    return "is gone" if one.after is None else "changed"


def _always(impact: Impact, because: str = "") -> _Rule:
    def rule(one: _Difference) -> _Verdict:
        return impact, f"{_what(one)} {_moved(one)}{because}"

    return rule


def _part(kind: str, new: _Verdict) -> _Rule:
    """Speak of a whole workflow, tool or server that is on one side only."""

    def rule(one: _Difference) -> _Verdict:
        if one.before is None:
            return new[0], f"{kind} {one.name} is new{new[1]}"
        return "breaking", f"{kind} {one.name} is gone: whoever uses it is refused"

    return rule


def _code(one: _Difference) -> _Verdict:
    needs = "the code changed: it needs a worker of its own"
    if one.pinned:
        return "breaking", f"{needs}, and {one.pinned} runs are pinned to the code before"
    return "routing", needs


def _input(one: _Difference) -> _Verdict:
    old, new = one.around(3)
    if accepts_all(new, old):
        return "information", f"workflow {one.name} takes every input that it took, and maybe more"
    return "breaking", f"workflow {one.name} may refuse an input that it took before"


def _output(one: _Difference) -> _Verdict:
    old, new = one.around(3)
    if not accepts_all(old, new):
        return "breaking", f"workflow {one.name} may answer what its callers never got before"
    if not accepts_all(new, old):
        return "breaking", f"workflow {one.name} refuses answers that it gave before"
    return "information", f"workflow {one.name} answers in the shape that it had"


def _parameters(one: _Difference) -> _Verdict:
    old, new = one.around(3)
    if accepts_all(new, old):
        return "routing", f"tool {one.name} is described otherwise to models, by its parameters"
    return "breaking", f"tool {one.name} may refuse arguments that it took before"


def _listed(kind: str, impact: Impact) -> _Rule:
    """Speak of names: one that went breaks whoever relied on it."""

    def rule(one: _Difference) -> _Verdict:
        old, new = (set(_names(value)) for value in (one.before, one.after))
        said = [f"{name} went" for name in sorted(old - new)]
        said += [f"{name} came" for name in sorted(new - old)]
        words = f"{kind} of workflow {one.name}: {', '.join(said) or 'another order'}"
        return "breaking" if old - new else impact, words

    return rule


def _names(value: Json) -> list[str]:
    return [str(name) for name in value] if isinstance(value, list) else []


def _more(what: str) -> _Rule:
    """Speak of a list in a contract of which more is stricter."""

    def rule(one: _Difference) -> _Verdict:
        added = set(_names(one.after)) - set(_names(one.before))
        if added:
            return "breaking", f"tool {one.name} got stricter: {what} {', '.join(sorted(added))}"
        return "information", f"{_what(one)} {_moved(one)}"

    return rule


def _flag(stricter: bool, words: str) -> _Rule:
    def rule(one: _Difference) -> _Verdict:
        if one.after is stricter:
            return "breaking", f"tool {one.name} got stricter: {words}"
        return "information", f"{_what(one)} changed"

    return rule


def _limit(one: _Difference) -> _Verdict:
    numbers = all(isinstance(value, int | float) for value in (one.before, one.after))
    if numbers and one.after < one.before:
        return "routing", f"{_what(one)} is lower: runs that ended well may be stopped"
    return "information", f"{_what(one)} {_moved(one)}"


def _memory(one: _Difference) -> _Verdict:
    old, new = one.around(1)
    for written, read, whose in ((old, new, "before"), (new, old, "after")):
        if not _reads(read, written):
            back = (
                "the newer release does not read"
                if whose == "before"
                else ("after a rollback nobody reads")
            )
            return "breaking", f"{back} what is remembered under schema {written['schema']}"
    return "information", f"{_what(one)} changed: each release reads what the other one writes"


def _reads(reader: Any, writer: Any) -> bool:
    """Whether a release reads what another one writes; also when what is said makes no sense."""
    both = isinstance(reader, Mapping) and isinstance(writer, Mapping) and "schema" in writer
    if not both:
        return True
    reads, written = reader.get("reads"), writer["schema"]
    if not isinstance(reads, list) or len(reads) != 2:
        return False
    return all(isinstance(n, int) for n in (*reads, written)) and reads[0] <= written <= reads[1]


def _other(one: _Difference) -> _Verdict:
    return "information", f"{_what(one) or 'everything'} {_moved(one)}"


_MODEL = ": models may decide otherwise"
_POLICY = ": calls may be decided otherwise"

RULES: tuple[tuple[Path, _Rule], ...] = (
    (("app",), _always("breaking", ": it is another app")),
    (("code_digest",), _code),
    (("bundle_digest",), _always("information", ": the files differ")),
    (("python",), _always("information")),
    (("fairlead",), _always("information")),
    # Workflows.
    (("workflows", "*"), _part("workflow", ("information", ""))),
    (("workflows", "*", "input_schema", "**"), _input),
    (("workflows", "*", "output_schema", "**"), _output),
    (("workflows", "*", "tools"), _listed("the tools", "routing")),
    (("workflows", "*", "model"), _always("routing", _MODEL)),
    (("workflows", "*", "model_settings", "**"), _always("routing", _MODEL)),
    (("workflows", "*", "fallbacks"), _always("routing", _MODEL)),
    (("workflows", "*", "prompt"), _always("routing", _MODEL)),
    (("workflows", "*", "recall", "**"), _always("routing", ": models read something else")),
    (("workflows", "*", "remember", "**"), _always("routing", ": models read something else")),
    (("workflows", "*", "redacts"), _always("routing", ": models read something else")),
    (("workflows", "*", "flags", "**"), _always("routing", ": runs may go another way")),
    (("workflows", "*", "guardrails"), _always("routing", ": other answers may be stopped")),
    (("workflows", "*", "enforced"), _always("routing", ": other answers may be stopped")),
    (("workflows", "*", "limits", "history_messages"), _always("routing", _MODEL)),
    (("workflows", "*", "limits", "history_chars"), _always("routing", _MODEL)),
    (("workflows", "*", "limits", "context_tokens"), _always("routing", _MODEL)),
    (("workflows", "*", "limits", "**"), _limit),
    (("workflows", "*", "name"), _always("information")),
    (("workflows", "*", "intent", "**"), _always("information")),
    (("workflows", "*", "slo", "**"), _always("information")),
    (("workflows", "*", "queue"), _always("information", ": its workers must name it")),
    (("workflows", "*", "retention_days"), _always("information")),
    # Contracts of tools.
    (("contracts", "*"), _part("tool", ("routing", _MODEL))),
    (("contracts", "*", "name"), _always("routing", _MODEL)),
    (("contracts", "*", "description"), _always("routing", _MODEL)),
    (("contracts", "*", "parameters", "**"), _parameters),
    (("contracts", "*", "effect"), _always("breaking", ": it may be repeated otherwise")),
    (("contracts", "*", "scope"), _always("breaking", ": callers need another right")),
    (("contracts", "*", "targets"), _always("breaking", ": policies see another target")),
    (("contracts", "*", "key"), _always("breaking", ": what was done counts under another name")),
    (("contracts", "*", "labels", "**"), _always("breaking", ": results are trusted otherwise")),
    (("contracts", "*", "payload"), _more("it is also judged by")),
    (("contracts", "*", "secrets"), _more("its workers must have")),
    (("contracts", "*", "egress"), _flag(True, "what it is given counts as leaving the tenant")),
    (
        ("contracts", "*", "reconcile"),
        _flag(False, "nobody can find out any more whether it happened"),
    ),
    (("contracts", "*", "compensate"), _always("information")),
    (("contracts", "*", "mcp", "on_error"), _always("breaking", ": an error means something else")),
    (("contracts", "*", "mcp", "**"), _always("routing", ": its server describes it otherwise")),
    # What stands beside.
    (("servers", "*"), _part("MCP server", ("information", ""))),
    (("servers", "*", "command"), _always("routing", ": another program answers")),
    (("servers", "*", "args"), _always("routing", ": another program answers")),
    (("servers", "*", "url"), _always("routing", ": another program answers")),
    (("servers", "*", "**"), _always("information")),
    (("memory", "schema"), _memory),
    (("memory", "reads"), _memory),
    (("memory", "embedder"), _always("routing", ": other memories are found")),
    (("memory", "admit"), _always("routing", ": something else is remembered")),
    (("policies", "**"), _always("routing", _POLICY)),
    (("baseline", "policies", "**"), _always("routing", _POLICY)),
    (("baseline", "**"), _always("information")),
    (("shadow", "**"), _always("information", ": it is only tried")),
    (("rates", "**"), _always("information")),
    (("breaker", "**"), _always("information")),
    (("budgets",), _always("information")),
    (("telemetry",), _always("information")),
)
"""The rule of each path: `*` stands for any key, and `**` at the end for any number of them."""
