"""What a backup's manifest says, and how a manifest from outside is read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from typing import Any, Literal, TypeAlias, get_args

from fairlead.core.digests import Json, canonical_json, read_canonical

FORMAT = 1
"""What the parts of a backup are; another number is another way to read them."""

MANIFEST_BYTES_MAX = 1_000_000
"""A manifest takes some 10 kB: a line for each table and each part."""

Kind: TypeAlias = Literal["sqlite", "postgresql"]

_NAME = re.compile(r"[a-z0-9_]+(?:[./][a-z0-9_]+){0,3}")
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, kw_only=True)
class Heads:
    """What the event log holds, in three numbers.

    Attributes:
        events: How many events.
        chains: How many chains.
        digest: Of the newest event's sequence and hash of every chain, so of all that stands
            above them.
    """

    events: int = 0
    chains: int = 0
    digest: str = ""


@dataclass(frozen=True, kw_only=True)
class Content:
    """What a store holds, as far as it can be counted.

    Attributes:
        kind: The kind of database.
        schema: The version of our tables.
        engine: The version of the engine's tables.
        tables: Rows by table; the engine's have its schema before the name.
        sequences: The last number that each sequence gave; PostgreSQL only.
        heads: The event log.
    """

    kind: Kind
    schema: str
    engine: int
    tables: Mapping[str, int]
    sequences: Mapping[str, int] = field(default_factory=dict)
    heads: Heads = field(default_factory=Heads)

    @property
    def rows(self) -> int:
        """Rows of all tables together."""
        return sum(self.tables.values())


@dataclass(frozen=True, kw_only=True)
class Part:
    """One part of a backup.

    Attributes:
        name: Its name within the file.
        bytes: Its size before it was compressed.
        digest: SHA-256 of what it was before it was compressed.
    """

    name: str
    bytes: int
    digest: str


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What a backup is.

    Attributes:
        fairlead: The version that wrote it.
        made_at: When, in seconds since 1970, UTC.
        content: What the store held at that moment.
        parts: The parts, in the order in which they were written.
        format: See FORMAT.
    """

    fairlead: str
    made_at: float
    content: Content
    parts: tuple[Part, ...]
    format: int = FORMAT

    def to_json(self) -> Json:
        """Return the manifest as JSON."""
        return asdict(self)


def manifest_text(manifest: Manifest) -> str:
    """Return the one text of a manifest."""
    return canonical_json(manifest.to_json())


def format_of(text: str) -> int:
    """Return the number of a manifest's format, whatever else it says.

    Raises:
        ValueError: It is no manifest.
    """
    return int(_number(_object(read_canonical(text)), "format"))


def read_manifest(text: str) -> Manifest:
    """Return the manifest of a text, when every value is of its kind and within bounds.

    Args:
        text: What stands in a file that somebody handed in.

    Raises:
        ValueError: It is no manifest.
    """
    found = _object(read_canonical(text))
    content = _object(found.get("content"))
    kind: Kind | None = next((one for one in get_args(Kind) if one == content.get("kind")), None)
    if kind is None:
        raise ValueError("the kind of database is not known")
    heads = _object(content.get("heads"))
    parts = found.get("parts")
    if not isinstance(parts, list) or not parts:
        raise ValueError("it names no parts")
    manifest = Manifest(
        format=_number(found, "format"),
        fairlead=_text(found, "fairlead"),
        made_at=float(_number(found, "made_at", whole=False)),
        content=Content(
            kind=kind,
            schema=_text(content, "schema"),
            engine=_number(content, "engine"),
            tables=_counts(content, "tables"),
            sequences=_counts(content, "sequences"),
            heads=Heads(
                events=_number(heads, "events"),
                chains=_number(heads, "chains"),
                digest=_text(heads, "digest", _DIGEST),
            ),
        ),
        parts=tuple(_part(_object(part)) for part in parts),
    )
    if len({part.name for part in manifest.parts}) != len(manifest.parts):
        raise ValueError("two parts have one name")
    return manifest


def differences(expected: Content, found: Content) -> list[str]:
    """Say what a restored store holds otherwise than its backup says.

    Args:
        expected: As the manifest has it.
        found: As it was counted again.
    """
    said = []
    for name in sorted({*expected.tables, *found.tables}):
        want, got = expected.tables.get(name), found.tables.get(name)
        if want != got:
            said.append(f"table {name} has {_rows(got)}, and the backup had {_rows(want)}")
    if expected.heads != found.heads:
        want_events, got_events = expected.heads.events, found.heads.events
        said.append(
            f"the event log has {got_events} events, and the backup had {want_events}"
            if want_events != got_events
            else "the newest events of the chains are not those of the backup"
        )
    if (expected.schema, expected.engine) != (found.schema, found.engine):
        said.append(f"the tables have version {found.schema}, and the backup had {expected.schema}")
    return said


def heads_digest(heads: Iterable[tuple[str, int, str]]) -> tuple[int, str]:
    """Return how many chains there are, and the digest of their newest events.

    Args:
        heads: Chain, sequence and hash of each, in the order of the chains' bytes.
    """
    chains, found = 0, sha256()
    for chain, sequence, hash in heads:
        chains += 1
        found.update(f"{canonical_json([chain, sequence, hash])}\n".encode())
    return chains, found.hexdigest()


def _rows(count: int | None) -> str:
    return "no such table" if count is None else f"{count} rows"


def _object(value: Json) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError("an object is missing")
    return value


def _number(of: Mapping[str, Any], name: str, *, whole: bool = True) -> Any:
    value = of.get(name)
    kinds = int if whole else (int, float)
    if isinstance(value, bool) or not isinstance(value, kinds) or not 0 <= value < 2**63:
        raise ValueError(f"{name} is no number")
    return value


def _text(of: Mapping[str, Any], name: str, form: re.Pattern[str] | None = None) -> str:
    value = of.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= 100:
        raise ValueError(f"{name} is no short text")
    if form is not None and not form.fullmatch(value):
        raise ValueError(f"{name} has not the form that it must have")
    return value


def _counts(of: Mapping[str, Any], name: str) -> dict[str, int]:
    found = _object(of.get(name))
    for key in found:
        if not _NAME.fullmatch(key):
            raise ValueError(f"{name} has the name {key!r}")
    return {key: _number(found, key) for key in found}


def _part(part: Mapping[str, Any]) -> Part:
    return Part(
        # Never a path: nothing is ever unpacked under the name of a part.
        name=_text(part, "name", _NAME),
        bytes=_number(part, "bytes"),
        digest=_text(part, "digest", _DIGEST),
    )
