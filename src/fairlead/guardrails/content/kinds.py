"""The kinds of what is looked for."""

from __future__ import annotations

from typing import NamedTuple


class Finding(NamedTuple):
    """A stretch of a text that is of a kind.

    Attributes:
        kind: One of `KINDS`.
        start: Offset of its first character.
        end: Offset after its last character.
    """

    kind: str
    start: int
    end: int


SECRETS: tuple[str, ...] = (
    "anthropic-key",
    "aws-key",
    "azure-key",
    "gcp-key",
    "github-token",
    "gitlab-token",
    "huggingface-token",
    "jwt",
    "named-secret",
    "npm-token",
    "openai-key",
    "private-key",
    "pypi-token",
    "sendgrid-key",
    "slack-token",
    "stripe-key",
    "url-password",
)
"""Whoever reads one of these can act with it: it never enters the record."""

LEAKS: frozenset[str] = frozenset(SECRETS) - {"named-secret"}
"""What is a secret by its form, whatever it is called: it has leaked when it is sent somewhere."""

PERSONAL_DATA: tuple[str, ...] = ("card", "email", "iban")
"""What a workflow may need for its work: it is taken out where a guardrail says so."""

KINDS: tuple[str, ...] = SECRETS + PERSONAL_DATA
"""All kinds."""
