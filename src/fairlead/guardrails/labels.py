"""The flow of labels through a run: what it received, and so what its next call rests on.

Values are not followed through a workflow's own code or through a model. What is known instead is
everything that a run has received so far. An argument that stands verbatim in something trusted
has that one's label; any other argument may rest on all of it, and has the join of all labels.
That errs on the strict side: a value that nobody can place is as untrusted as the worst that the
run has seen.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from fairlead.core.digests import Json
from fairlead.core.label import PUBLIC, Label, Labels, joined

LEAVES_MAX = 20_000
"""Trusted values that are remembered one by one; what comes later is only joined."""

TEXT_CHARS_MAX = 250_000
"""Characters of trusted text in which an argument is looked for."""

LOOKUPS_MAX = 100
"""Values of one call that are looked for inside of trusted text; what comes later is only found
where it is the whole of a trusted value. To look for one takes up to a millisecond."""

REDACTED = "[redacted:"
"""How every placeholder begins. It stands for any secret, so it tells of none where it is from."""

WORD_CHARS_MIN = 3
"""Shortest text that is looked for inside of a longer one, unless it is a number; a shorter one
must be all of it."""

_DEPTH_MAX = 64


@dataclass(frozen=True, kw_only=True)
class Part:
    """Something that a run received.

    Attributes:
        value: The value.
        labels: Its labels by field.
    """

    value: Json
    labels: Labels


@dataclass(frozen=True, kw_only=True)
class Flow:
    """What a run has received so far.

    Attributes:
        whole: The label of what may rest on all of it.
        parts: All of it, oldest first.
    """

    whole: Label = PUBLIC
    parts: tuple[Part, ...] = field(default=(), repr=False)

    def received(self, value: Json, labels: Labels) -> Flow:
        """Return the flow with something more.

        Args:
            value: What was received.
            labels: Its labels by field.
        """
        whole = self.whole.join(joined(labels.values()))
        return replace(self, whole=whole, parts=(*self.parts, Part(value=value, labels=labels)))

    def labels_of(self, arguments: Json) -> dict[str, Label]:
        """Return the label of each argument of a call.

        Args:
            arguments: The arguments; what is no object is one argument without a name.
        """
        named = arguments if isinstance(arguments, Mapping) else {"": arguments}
        lookups = iter(range(LOOKUPS_MAX))
        return {str(name): self._label_of(value, lookups) for name, value in named.items()}

    def label_of(self, value: Json) -> Label:
        """Return the label of one value."""
        return self._label_of(value, iter(range(LOOKUPS_MAX)))

    def _label_of(self, value: Json, lookups: Iterator[int]) -> Label:
        if self.whole.integrity == "trusted":
            # Nothing that it was found in could be better than all of it, but for who may read it.
            return self.whole
        found: list[Label] = []
        for _, leaf in _leaves(value):
            known = self._trusted.find(leaf, lookups)
            if known is None:
                return self.whole
            found.append(known)
        return joined(found) if found else self.whole

    @cached_property
    def _trusted(self) -> _Trusted:
        trusted = _Trusted()
        for part in self.parts:
            if part.labels and all(one.integrity != "trusted" for one in part.labels.values()):
                continue
            for path, leaf in _leaves(part.value):
                label = label_at(part.labels, path)
                if label.integrity == "trusted":
                    trusted.add(leaf, label)
        return trusted


def label_at(labels: Labels, path: str) -> Label:
    """Return the label of a field: its own, else that of the closest field around it.

    Args:
        labels: Labels by path; the empty path means all the rest.
        path: The field, such as `items.body`; places in lists do not count.
    """
    while path not in labels:
        if not path:
            return joined(labels.values())
        path = path.rpartition(".")[0]
    return labels[path]


class _Trusted:
    """Trusted values, and where to look a text up in longer ones."""

    def __init__(self) -> None:
        self._known: dict[tuple[type, Json], Label] = {}
        self._texts: list[tuple[str, Label]] = []
        self._chars = 0

    def add(self, leaf: Json, label: Label) -> None:
        if len(self._known) >= LEAVES_MAX:
            return
        key = (type(leaf), leaf)
        known = self._known.get(key)
        # The same value from two trusted places: the stricter label of both.
        self._known[key] = label if known is None else known.join(label)
        if isinstance(leaf, str) and self._chars + len(leaf) <= TEXT_CHARS_MAX:
            self._chars += len(leaf)
            self._texts.append((leaf, label))

    def find(self, leaf: Json, lookups: Iterator[int]) -> Label | None:
        if isinstance(leaf, str) and REDACTED in leaf:
            return None
        known = self._known.get((type(leaf), leaf))
        if known is not None or isinstance(leaf, bool) or leaf is None:
            return known
        text = str(leaf)
        if not text or (len(text) < WORD_CHARS_MIN and not text.isdecimal()):
            return None
        if next(lookups, None) is None:
            return None
        word: re.Pattern[str] | None = None
        for whole, label in self._texts:
            # The plain search first: it says no to almost everything, and fast.
            if text in whole:
                word = word or re.compile(rf"(?<![\w.,-]){re.escape(text)}(?![\w-]|[.,]\w)")
                if word.search(whole):
                    return label
        return None


def _leaves(value: Json, path: str = "", depth: int = 0) -> Iterator[tuple[str, Json]]:
    """Yield what is no object and no list, each with its field.

    The names in an object count too: whoever writes an object may have written them.
    """
    if depth > _DEPTH_MAX:
        yield path, None
    elif isinstance(value, Mapping):
        for name, item in value.items():
            inner = f"{path}.{name}" if path else str(name)
            yield inner, name
            yield from _leaves(item, inner, depth + 1)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _leaves(item, path, depth + 1)
    else:
        yield path, value
