"""Reads what a flag's rule returns: a name that is no variant would fail in every run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fairlead.core.nearest import unknown_name

_COMPARING = "== === != !== ! !! > >= < <= in starts_with ends_with sem_ver some all none"
_TRUTHS = frozenset(_COMPARING.split())
"""Operators that return true or false, which flagd takes for variants of these names."""

_LAST = frozenset(("and", "or"))


def result_findings(rule: Any, variants: Mapping[str, Any]) -> Iterator[str]:
    """Find what a rule returns and what is no variant.

    What it makes of a run's own values, such as a `var`, nobody knows before the run.

    Args:
        rule: The rule, without references.
        variants: Values by the variant's name.
    """
    for name in dict.fromkeys(_results(rule)):
        if name not in variants:
            yield f"its rule returns {name!r}, which is no variant; {unknown_name(name, variants)}"


def _results(rule: Any) -> Iterator[str]:
    """Yield what a rule may return for certain, as the evaluator writes it."""
    if rule is None:
        return  # Then the default variant counts.
    if not isinstance(rule, dict):
        yield str(rule).lower() if isinstance(rule, bool) else str(rule)
        return
    for operator, given in rule.items():
        operands = given if isinstance(given, list) else [given]
        if operator in _TRUTHS:
            yield from ("true", "false")
        elif operator == "if":
            # Conditions and results by turns; one that is left over is the result of all others.
            results = [*operands[1::2], *(operands[-1:] if len(operands) % 2 else ())]
            for one in results:
                yield from _results(one)
        elif operator in _LAST and operands:
            yield from _results(operands[-1])
