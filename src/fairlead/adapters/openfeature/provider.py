"""An OpenFeature provider for the flags of releases, evaluated by flagd's own evaluator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextvars import ContextVar

from openfeature.contrib.tools.flagd.core import FlagdCore
from openfeature.evaluation_context import EvaluationContext
from openfeature.flag_evaluation import FlagResolutionDetails, FlagValueType
from openfeature.provider import AbstractProvider, Metadata

from fairlead.core.flags import FlagTerms

NAME = "fairlead"

pinned: ContextVar[Mapping[str, FlagTerms]] = ContextVar("fairlead_flags")
"""The flags of the release and workflow that the run which asks is pinned to."""


class ReleaseProvider(AbstractProvider):
    """Evaluates each flag as the release of the run that asks has it.

    One provider serves all releases of a process: it keeps nothing, and needs no bound.
    """

    def get_metadata(self) -> Metadata:
        """Return the provider's name."""
        return Metadata(name=NAME)

    def resolve_boolean_details(
        self,
        flag_key: str,
        default_value: bool,
        evaluation_context: EvaluationContext | None = None,
    ) -> FlagResolutionDetails[bool]:
        """Evaluate a flag that is true or false."""
        return _core(flag_key).resolve_boolean_value(flag_key, default_value, evaluation_context)

    def resolve_string_details(
        self,
        flag_key: str,
        default_value: str,
        evaluation_context: EvaluationContext | None = None,
    ) -> FlagResolutionDetails[str]:
        """Evaluate a flag that is text."""
        return _core(flag_key).resolve_string_value(flag_key, default_value, evaluation_context)

    def resolve_integer_details(
        self,
        flag_key: str,
        default_value: int,
        evaluation_context: EvaluationContext | None = None,
    ) -> FlagResolutionDetails[int]:
        """Evaluate a flag that is a whole number."""
        return _core(flag_key).resolve_integer_value(flag_key, default_value, evaluation_context)

    def resolve_float_details(
        self,
        flag_key: str,
        default_value: float,
        evaluation_context: EvaluationContext | None = None,
    ) -> FlagResolutionDetails[float]:
        """Evaluate a flag that is a number."""
        return _core(flag_key).resolve_float_value(flag_key, default_value, evaluation_context)

    def resolve_object_details(
        self,
        flag_key: str,
        default_value: Sequence[FlagValueType] | Mapping[str, FlagValueType],
        evaluation_context: EvaluationContext | None = None,
    ) -> FlagResolutionDetails[Sequence[FlagValueType] | Mapping[str, FlagValueType]]:
        """Evaluate a flag that is an object or a list."""
        return _core(flag_key).resolve_object_value(flag_key, default_value, evaluation_context)


def _core(key: str) -> FlagdCore:
    """Return an evaluator that knows the one flag; it takes microseconds to make."""
    core, terms = FlagdCore(), pinned.get({}).get(key)
    core.set_flags({"flags": {} if terms is None else {key: terms.as_flagd()}})
    return core
