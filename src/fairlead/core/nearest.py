"""Finds the name that somebody probably meant."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def unknown_name(name: str, known: Iterable[str]) -> str:
    """Return the end of a message about a name that nobody knows: the nearest one, and all.

    Args:
        name: The name.
        known: The names that are known.
    """
    names = sorted(known)
    near = get_close_matches(name, names, n=1)
    meant = f"did you mean {near[0]!r}? " if near else ""
    return f"{meant}it knows: {', '.join(names) or 'none'}"
