"""The types of the request path: each stage takes what the stage before produced."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from fairlead.core.context import Context
from fairlead.core.digests import Json, canonical_json
from fairlead.core.grounding import Source
from fairlead.core.guarding import Check
from fairlead.core.release import WorkflowTerms

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is asked.

    Attributes:
        question: The question in words.
        input: The whole input as JSON.
    """

    question: str
    input: Json

    @property
    def words(self) -> str:
        """The question alone when it is all of the input; else the whole input, as JSON."""
        alone = self.input == self.question or self.input == {"question": self.question}
        return self.question if alone else canonical_json(self.input)


@dataclass(frozen=True, kw_only=True)
class Admitted:
    """A request that is bound to a run, its principal and its pinned terms."""

    request: Request
    context: Context
    terms: WorkflowTerms
    checks: tuple[Check, ...]


@dataclass(frozen=True, kw_only=True)
class Authorized:
    """An admitted request with the collections that its principal may read."""

    admitted: Admitted
    collections: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Grounding:
    """An authorized request with what was retrieved for it."""

    authorized: Authorized
    sources: tuple[Source, ...]


@dataclass(frozen=True, kw_only=True)
class Draft(Generic[T_co]):
    """An output that no guardrail has seen yet.

    Attributes:
        output: What the model made, or what the workflow's own code returned.
        sources: What it was given to rest on; code that returns something rests on nothing.
    """

    output: T_co
    sources: tuple[Source, ...]


@dataclass(frozen=True, kw_only=True)
class Checked(Generic[T_co]):
    """A draft with every guardrail's verdict, of both stages."""

    draft: Draft[T_co]
    checks: tuple[Check, ...]
