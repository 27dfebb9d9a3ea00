"""Flags: values of a release that may differ from run to run, in the words of OpenFeature."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Generic, Literal, TypeAlias, TypeVar

from fairlead.core.bounds import Bounds
from fairlead.core.digests import Json

FlagType: TypeAlias = Literal["boolean", "string", "number", "object"]
FlagState: TypeAlias = Literal["ENABLED", "DISABLED"]
AskedType: TypeAlias = Literal["boolean", "string", "integer", "float", "object"]
"""What a flag is asked for; OpenFeature tells two kinds of numbers apart."""

FLAGS_MAX = 200
"""Most flags of a workflow."""

VARIANTS_MAX = 50
"""Most variants of one flag."""

KEY_CHARS_MAX = 200
"""Longest key of a flag."""

FLAG = Bounds(chars=100_000, depth=32)
"""One flag with its rules."""

ATTRIBUTES = Bounds(chars=100_000, depth=32)
"""What a run says of itself when it asks."""

VALUE = Bounds(chars=100_000, depth=32)
"""A flag's value, which is journaled."""

WORD_CHARS_MAX = 200
"""Longest variant, reason and name of a provider that is kept."""

V = TypeVar("V")


@dataclass(frozen=True, kw_only=True)
class FlagTerms:
    """A flag as a release holds it, in the terms of flagd.

    Attributes:
        type: What all of its variants are.
        variants: Values by the variant's name.
        default_variant: The variant when no rule chooses one; None leaves it to the code's default.
        targeting: A rule in JsonLogic that returns a variant's name; empty for none.
        state: A disabled flag gives the code's default.
    """

    type: FlagType
    variants: dict[str, Any]
    default_variant: str | None
    targeting: dict[str, Any] = field(default_factory=dict)
    state: FlagState = "ENABLED"

    def as_flagd(self) -> dict[str, Json]:
        """Return the flag's definition in flagd's format."""
        return {
            "state": self.state,
            "variants": dict(self.variants),
            "defaultVariant": self.default_variant,
            "targeting": dict(self.targeting),
        }


@dataclass(frozen=True, kw_only=True)
class FlagDetails(Generic[V]):
    """What came of evaluating a flag, as OpenFeature names it.

    Attributes:
        key: The flag.
        value: Its value; the code's default when it could not be evaluated.
        variant: The variant's name; None when the value is no variant.
        reason: Why: `STATIC`, `TARGETING_MATCH`, `DEFAULT`, `DISABLED`, `ERROR`, or a word of the
            provider.
        error_code: `FLAG_NOT_FOUND`, `TYPE_MISMATCH`, `PARSE_ERROR`, `PROVIDER_NOT_READY`,
            `GENERAL` or another code of OpenFeature; empty without an error.
        error_message: What went wrong; empty without an error.
        provider: The provider's name.
    """

    key: str
    value: V
    variant: str | None = None
    reason: str = "UNKNOWN"
    error_code: str = ""
    error_message: str = ""
    provider: str = ""

    def given(self, default: V) -> FlagDetails[V]:
        """Return the same for a caller with another default, which counts after an error only."""
        return replace(self, value=default) if self.error_code else self


def failed(key: str, default: V, code: str, message: str) -> FlagDetails[V]:
    """Return the details of a flag that could not be evaluated.

    Args:
        key: The flag.
        default: The value that its caller goes on with.
        code: A code of OpenFeature.
        message: What went wrong.
    """
    return FlagDetails(
        key=key, value=default, reason="ERROR", error_code=code, error_message=message
    )


def type_of(value: Json) -> FlagType | None:
    """Return what a value is as a flag's; None when a flag cannot be such."""
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, str):
        return "string"
    if isinstance(value, int | float):
        return "number"
    return "object" if isinstance(value, Mapping | list) else None


def asked_type(default: Any) -> AskedType | None:
    """Return what a flag with this default is asked for; None when no flag is such."""
    found = type_of(default)
    if found == "number":
        return "float" if isinstance(default, float) else "integer"
    return found
