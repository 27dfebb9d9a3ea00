"""What a release says of memory: what becomes memory, who recalls what, which versions fit."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Literal, TypeAlias

from fairlead.core.digests import Json
from fairlead.core.label import OTHERS, Label
from fairlead.core.memory import (
    MEMORY_KINDS,
    QUARANTINED,
    SUBJECT_CHARS_MAX,
    TOP_K_MAX,
    MemoryKind,
)

Admitted: TypeAlias = Literal["active", "quarantined", "refused"]

_STRICTNESS: tuple[Admitted, ...] = ("active", "quarantined", "refused")
_NEUTRAL = ("user:", "step:", "child:", "memory:")
"""How the origins begin that say nothing against a value: what was outside has an origin beside."""
_FIELD = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True, kw_only=True)
class AdmitRule:
    """What may become memory.

    Attributes:
        source: Origin of what is remembered, such as `tool:read_mail`; `*` stands for any letters.
        admit: `active`: it is believed, and trusted from then on; `quarantined`: it is only quoted;
            `refused`: it is not remembered.
        kinds: Kinds of memory that it is about; empty for all.
    """

    source: str
    admit: Admitted
    kinds: tuple[MemoryKind, ...] = ()

    def __post_init__(self) -> None:
        if not self.source:
            raise ValueError("source must name an origin, such as tool:read_mail")
        if self.admit not in _STRICTNESS:
            raise ValueError(f"admit is active, quarantined or refused, not {self.admit!r}")
        for kind in self.kinds:
            if kind not in MEMORY_KINDS:
                raise ValueError(
                    f"there is no memory of kind {kind!r}; there are: {', '.join(MEMORY_KINDS)}"
                )

    def speaks_of(self, origin: str, kind: MemoryKind) -> bool:
        """Say whether it is about an origin and a kind of memory."""
        return fnmatchcase(origin, self.source) and (not self.kinds or kind in self.kinds)


@dataclass(frozen=True, kw_only=True)
class MemoryTerms:
    """What a release says of all its memory.

    Attributes:
        schema: Version of the app's memory schema that it writes.
        reads: The oldest and the newest version that it reads.
        embedder: Id of the embedding model; `none` for none.
        admit: What may become memory; the first rule that speaks of an origin counts.
    """

    schema: int = 1
    reads: tuple[int, int] = (1, 1)
    embedder: str = "none"
    admit: tuple[AdmitRule, ...] = ()

    def __post_init__(self) -> None:
        oldest, newest = self.reads
        if not 1 <= oldest <= newest:
            raise ValueError("reads must be two versions from 1, the older one first")
        if not oldest <= self.schema <= newest:
            raise ValueError(f"schema {self.schema} must be among those that are read")

    def outside(self, written: Iterable[int]) -> tuple[int, ...]:
        """Return those versions that the release does not read."""
        oldest, newest = self.reads
        return tuple(version for version in written if not oldest <= version <= newest)


@dataclass(frozen=True, kw_only=True)
class RememberTerms:
    """What a workflow remembers and recalls.

    Attributes:
        kinds: Kinds of memory that it may use.
        top_k: Most items that are recalled for a question.
        min_score: Items below this relevance (0.0 to 1.0) are left out.
        grounding: Whether `run.answer` recalls for its question, beside what it retrieves.
        derive: Name of the workflow that makes more of what a run remembered; empty for none.
        subject: Whom or what `run.answer` recalls about, such as `customer:{customer}`, where a
            field of the workflow's input stands for itself; empty for anything.
    """

    kinds: tuple[MemoryKind, ...]
    top_k: int = 5
    min_score: float = 0.0
    grounding: bool = False
    derive: str = ""
    subject: str = ""

    def __post_init__(self) -> None:
        if not self.kinds:
            raise ValueError("kinds must name at least one kind of memory")
        for kind in self.kinds:
            if kind not in MEMORY_KINDS:
                raise ValueError(
                    f"there is no memory of kind {kind!r}; there are: {', '.join(MEMORY_KINDS)}"
                )
        if type(self.top_k) is not int:
            raise ValueError(f"top_k must be a whole number, not {self.top_k!r}")
        if not 1 <= self.top_k <= TOP_K_MAX:
            raise ValueError(f"top_k must be from 1 to {TOP_K_MAX}")
        if not 0.0 <= self.min_score <= 1.0:
            raise ValueError("min_score must be from 0.0 to 1.0")
        self._check_subject()

    def _check_subject(self) -> None:
        if type(self.subject) is not str or len(self.subject) > SUBJECT_CHARS_MAX:
            raise ValueError(f"subject must be text of at most {SUBJECT_CHARS_MAX} characters")
        if self.subject and not self.grounding:
            raise ValueError("subject narrows what run.answer recalls: it needs grounding")
        rest = _FIELD.sub("", self.subject)
        if "{" in rest or "}" in rest or not all(self.subject_fields):
            raise ValueError(
                f"subject {self.subject!r} is not understood: a field of the input is written as "
                "{name}"
            )

    @property
    def subject_fields(self) -> tuple[str, ...]:
        """Fields of the input that the subject names."""
        return tuple(dict.fromkeys(_FIELD.findall(self.subject)))

    def subject_in(self, given: Json) -> str | None:
        """Return whom or what `run.answer` recalls about; None for anything.

        Args:
            given: The workflow's input as JSON.

        Raises:
            ValueError: A field that the subject names is missing, empty, or neither text nor a
                whole number.
        """
        if not self.subject:
            return None
        fields = given if isinstance(given, Mapping) else {}
        for name in self.subject_fields:
            value = fields.get(name)
            if not (isinstance(value, str) and value.strip()) and type(value) is not int:
                raise ValueError(f"the field {name} of the input names no subject")
        return _FIELD.sub(lambda found: str(fields[found[1]]), self.subject)


@dataclass(frozen=True, kw_only=True)
class Admission:
    """What the rules say of something that is to be remembered.

    Attributes:
        admit: What becomes of it.
        label: Its label: an admitted item from outside is trusted from then on.
        endorsed_by: Sources of the rules that made it trusted; empty when none had to.
        reason: Why it is refused; empty otherwise.
    """

    admit: Admitted
    label: Label
    endorsed_by: tuple[str, ...] = ()
    reason: str = ""


def admission_of(rules: Sequence[AdmitRule], label: Label, kind: MemoryKind) -> Admission:
    """Decide what becomes of something that is to be remembered.

    Where it comes from decides, by its label, and never what it says of itself. Each origin is
    judged, and the strictest verdict counts. Without a rule, what came from outside and what a
    model said is quarantined. How something is done is never learned from outside. No rule
    believes an origin that nobody can name, nor what rests on something that was quarantined
    after it had been believed.

    Args:
        rules: The release's rules.
        label: Label of what is to be remembered, joined over all that it rests on.
        kind: The kind of memory.
    """
    untrusted = label.integrity == "untrusted"
    verdicts: list[Admitted] = []
    endorsed: list[str] = []
    for origin in label.origins or ("",):
        rule = _rule_of(rules, origin, kind)
        verdict = rule.admit if rule else _by_default(origin, untrusted=untrusted)
        verdicts.append(verdict)
        if verdict == "refused":
            said = f"a rule refuses what comes from {origin or 'nowhere'} as {kind} memory"
            return Admission(admit="refused", label=label, reason=said)
        if rule is not None and verdict == "active" and untrusted:
            endorsed.append(rule.source)
    if kind == "procedural" and untrusted:
        said = "how something is done is never learned from outside"
        return Admission(admit="refused", label=label, reason=said)
    verdict = max(verdicts, key=_STRICTNESS.index)
    if untrusted and verdict == "active":
        if not endorsed:
            return Admission(admit="quarantined", label=label)
        trusted = replace(label, integrity="trusted")
        return Admission(admit="active", label=trusted, endorsed_by=tuple(dict.fromkeys(endorsed)))
    return Admission(admit=verdict, label=label)


def _rule_of(rules: Sequence[AdmitRule], origin: str, kind: MemoryKind) -> AdmitRule | None:
    """Return the first rule that speaks of an origin; of one without a name, the strictest."""
    if origin not in (OTHERS, QUARANTINED):
        return next((one for one in rules if one.speaks_of(origin, kind)), None)
    about = [one for one in rules if origin == OTHERS and kind in (one.kinds or MEMORY_KINDS)]
    about = [one for one in about if one.admit != "active"]
    return max(about, key=lambda one: _STRICTNESS.index(one.admit), default=None)


def _by_default(origin: str, *, untrusted: bool) -> Admitted:
    if origin.startswith("model:"):
        return "quarantined"
    if not untrusted or origin.startswith(_NEUTRAL):
        return "active"
    return "quarantined"
