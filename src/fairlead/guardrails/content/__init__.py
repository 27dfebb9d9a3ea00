"""What a text holds that it should not: secrets, personal data, and words that steer a model.

Pure and linear in the length of the text. A finding names a kind and a place, never the value.
"""

from fairlead.guardrails.content.kinds import KINDS, LEAKS, PERSONAL_DATA, SECRETS, Finding
from fairlead.guardrails.content.markers import markers
from fairlead.guardrails.content.redact import (
    DEPTH_MAX,
    Found,
    masked,
    redacted,
    redacted_text,
    without,
)
from fairlead.guardrails.content.scan import findings

__all__ = [
    "DEPTH_MAX",
    "KINDS",
    "LEAKS",
    "PERSONAL_DATA",
    "SECRETS",
    "Finding",
    "Found",
    "findings",
    "markers",
    "masked",
    "redacted",
    "redacted_text",
    "without",
]
