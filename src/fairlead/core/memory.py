"""Memory: what is kept beyond a run, whose it is, where it comes from, and how far it is trusted.

An item is never changed. It is superseded, retired or retracted, and what was known at an earlier
time can still be asked for. Two times are told apart: when something is so (valid), and when it was
known here (recorded).
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Literal, TypeAlias

from fairlead.core.digests import Json
from fairlead.core.identity import Principal
from fairlead.core.label import PUBLIC, Label, label_from_json, label_to_json

MemoryKind: TypeAlias = Literal["working", "episodic", "semantic", "procedural"]
"""`working`: a run's own state; `episodic`: what happened; `semantic`: facts; `procedural`: how
something is done."""

MEMORY_KINDS: tuple[MemoryKind, ...] = ("working", "episodic", "semantic", "procedural")

MemoryState: TypeAlias = Literal["active", "quarantined", "superseded", "retracted", "forgotten"]
"""`active` and `quarantined` items are current. A quarantined one is recalled as quoted data."""

CURRENT: tuple[MemoryState, ...] = ("active", "quarantined")

QUARANTINED = "quarantined"
"""The origin beside the others of what rests on an item that was believed and is quoted now."""

TAKEN_BACK: tuple[MemoryState, ...] = ("retracted", "forgotten")
"""What was taken back is not remembered again, and nothing more is made of it."""

RETENTION_S: dict[MemoryKind, float] = {
    "working": 86_400.0,
    "episodic": 180 * 86_400.0,
    "semantic": 730 * 86_400.0,
    "procedural": 730 * 86_400.0,
}
"""Seconds for which an item is kept when nobody says."""

TEXT_CHARS_MAX = 100_000
"""Longest text of one item. A document is ingested, where it is cut into passages."""

SUBJECT_CHARS_MAX = 500
PREDICATE_CHARS_MAX = 200
VALUE_BYTES_MAX = 65_536
LINEAGE_MAX = 1_000
"""Most items that one item is derived from directly."""

WRITE_ITEMS_MAX = 10_000
"""Most items of one write; more come in several."""

QUERY_CHARS_MAX = 10_000
"""Characters of a question that are looked at."""

TOP_K_MAX = 100

TIME_MIN, TIME_MAX = -62_135_596_800.0, 253_402_300_799.0
"""The years 1 to 9999 in seconds since 1970: what a valid time may be."""

EVERYONE = "*"
"""The audience that is a whole tenant."""

NOBODY = "-"
"""The audience of what nobody may recall."""


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """Where an item comes from.

    Attributes:
        run_id: The run that wrote it; empty when a person did.
        call: The number of its call there; 0 for none.
        release: The release that wrote it; empty for none.
        by: Who wrote it, such as `user:ada`.
        source: What it was learned from, such as `user:ada`, `tool:read_mail` or `import:crm`.
        derivation: What made it out of others, such as `summarise@3f2a90`; empty for an original.
        derived_from: Ids of the items that it was made of.
    """

    run_id: str = ""
    call: int = 0
    release: str = ""
    by: str = ""
    source: str = ""
    derivation: str = ""
    derived_from: tuple[str, ...] = ()


NOWHERE = Provenance()
"""Nothing is said of where it comes from."""


@dataclass(frozen=True, kw_only=True)
class Note:
    """Something that is to be remembered.

    Attributes:
        kind: What kind of memory it is.
        text: What it says, in words: it is found by them.
        subject: Who or what it is about, such as `customer:42`; empty for the app itself.
        predicate: What it says of the subject, such as `contact`: one item holds at a time for
            each subject and predicate. Empty when several may stand beside each other.
        value: The same as data; None for none.
        label: How far it may be trusted and who may read it.
        state: `active` or `quarantined`, as the rules of admission say.
        provenance: Where it comes from.
        valid_from: Seconds since 1970 from which it is so; None for the time of writing.
        valid_to: Seconds since 1970 until which it is so; None for no end.
        expires_at: Seconds since 1970 after which it is gone; None for the kind's retention.
        actor: Who says it, such as a name; empty when nobody does.
        thread: The series that it stands in, such as a conversation; empty for none.
        place: Its place there.
        supersedes: Id of the item that it replaces; empty to go by subject and predicate.
        key: Under an equal key nothing is written twice, and nothing else; empty for none. A fork
            of a run has the run's keys: what it says otherwise takes the place of what was said.
    """

    kind: MemoryKind
    text: str
    subject: str = ""
    predicate: str = ""
    value: Json = None
    label: Label = PUBLIC
    state: MemoryState = "active"
    provenance: Provenance = NOWHERE
    valid_from: float | None = None
    valid_to: float | None = None
    expires_at: float | None = None
    actor: str = ""
    thread: str = ""
    place: int = 0
    supersedes: str = ""
    key: str = ""


@dataclass(frozen=True, kw_only=True)
class Item:
    """Something that is remembered; see `Note` for what is not said here.

    Attributes:
        id: Its id, such as `m-019a3f...`; ids sort by time.
        tenant: Whose it is.
        app: The app that remembers it.
        audience: Who may recall it: `*` for the tenant, `user:NAME`, `run:ID`, or `-` for nobody.
        recorded_at: Seconds since 1970 from which it was known here.
        retired_at: Seconds since 1970 from which it was not current any more; None while it is.
        seen: How often the same was remembered.
        schema: Version of the app's memory schema that wrote it.
        overlay: Digest of the release whose trial it belongs to; empty once it belongs to all.
        embedder: Id of the embedding model of its vector; empty without one.
    """

    id: str
    tenant: str
    app: str
    kind: MemoryKind
    text: str
    subject: str
    predicate: str
    value: Json
    label: Label
    state: MemoryState
    audience: str
    provenance: Provenance
    valid_from: float
    valid_to: float | None
    recorded_at: float
    retired_at: float | None
    expires_at: float
    actor: str
    thread: str
    place: int
    supersedes: str
    seen: int = 1
    schema: int = 1
    overlay: str = ""
    embedder: str = ""

    @property
    def quoted(self) -> bool:
        """Whether it may only be quoted: it came from outside, and nobody promoted it.

        What was taken back is no better, nor what was replaced before anybody believed it.
        """
        if self.state in ("quarantined", *TAKEN_BACK) or self.label.integrity == "untrusted":
            return True
        return self.state == "superseded" and not self.held

    @property
    def held(self) -> bool:
        """Whether there is a time at which it was so; see `valid_from` and `valid_to`."""
        return self.valid_to is None or self.valid_from < self.valid_to


@dataclass(frozen=True, kw_only=True)
class Reader:
    """Who reads or writes, as its authentication says; never as an argument says.

    Attributes:
        tenant: Rows of any other tenant are never read.
        app: Nor those of another app.
        user: Its name; empty for an operator, who sees every audience of the tenant.
        run_root: The oldest run of its family, whose working memory it shares; empty for none.
        overlay: The release whose trial it is a part of; empty for none.
    """

    tenant: str
    app: str
    user: str = ""
    run_root: str = ""
    overlay: str = ""

    @property
    def audiences(self) -> tuple[str, ...] | None:
        """Whose items it may recall; None for all of the tenant's."""
        if not self.user:
            return None
        own = (EVERYONE, f"user:{self.user}")
        return (*own, f"run:{self.run_root}") if self.run_root else own


def reader_of(principal: Principal, app: str, *, run_root: str = "", overlay: str = "") -> Reader:
    """Return who a run reads as.

    Args:
        principal: For whom it acts.
        app: Its app.
        run_root: The oldest run of its family.
        overlay: The release whose trial it is a part of.
    """
    return Reader(
        tenant=principal.tenant,
        app=app,
        user=principal.user,
        run_root=run_root,
        overlay=overlay,
    )


def audience_of(label: Label, tenant: str) -> str:
    """Return who may recall what has a label: never more than the label's readers.

    Args:
        label: The label.
        tenant: Whose item it is.

    Returns:
        The tenant, one user of it, or nobody. What several users may read, and not the tenant,
        is nobody's: who keeps it for each of them keeps an item for each.
    """
    if label.readers is None or f"tenant:{tenant}" in label.readers:
        return EVERYONE
    own = f"tenant:{tenant}/user:"
    users = [name.removeprefix(own) for name in label.readers if name.startswith(own)]
    return f"user:{users[0]}" if len(users) == 1 else NOBODY


def readers_of(audience: str, tenant: str) -> tuple[str, ...]:
    """Return the readers of a label that gives an item this audience; nobody for a run's own.

    Args:
        audience: Who may recall it.
        tenant: Whose item it is.
    """
    if audience == EVERYONE:
        return (f"tenant:{tenant}",)
    return (f"tenant:{tenant}/{audience}",) if audience.startswith("user:") else ()


@dataclass(frozen=True, kw_only=True)
class MemoryQuery:
    """What is to be recalled.

    Attributes:
        text: The question in words.
        kinds: Kinds of memory that are looked at, after the policies.
        subject: Whom or what it must be about; None for anything.
        top_k: Most items.
        min_score: Items below this relevance (0.0 to 1.0) are left out.
        known_at: Seconds since 1970: what was recorded and current then; None for now.
        valid_at: Seconds since 1970: what was so then; None leaves out what has ended, and what is
            still to take the place of something else.
        quarantined: Whether quarantined items are recalled, as quoted data.
        retired: Whether what was superseded or taken back is found too: for operators who look.
        vector: The question's embedding as float32, little-endian; None for none.
        embedder: The model that made it.
    """

    text: str
    kinds: tuple[MemoryKind, ...]
    subject: str | None = None
    top_k: int = 5
    min_score: float = 0.0
    known_at: float | None = None
    valid_at: float | None = None
    quarantined: bool = True
    retired: bool = False
    vector: bytes | None = field(default=None, repr=False)
    embedder: str = ""


@dataclass(frozen=True, kw_only=True)
class Recalled:
    """An item that was recalled.

    Attributes:
        item: The item.
        score: Relevance from 0.0 to 1.0.
        parts: What the score is made of, by name.
        quoted: Whether it may only be quoted as data.
        allowed_by: Ids of the rules that let who asks recall it; empty where no policy is asked.
    """

    item: Item
    score: float
    parts: dict[str, float]
    quoted: bool
    allowed_by: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Written:
    """What became of a note.

    Attributes:
        id: Id of the item that holds it now; empty when it was refused, because it had been
            erased, retracted or forgotten.
        state: That item's state.
        merged: Whether the same was remembered before, and nothing new was written.
        superseded: Id of the item that it replaced; empty for none.
    """

    id: str
    state: MemoryState
    merged: bool = False
    superseded: str = ""

    @property
    def refused(self) -> bool:
        """Whether nothing was written, because it may not be remembered again."""
        return not self.id


def item_to_json(item: Item) -> dict[str, Json]:
    """Return an item as JSON."""
    data = {one.name: getattr(item, one.name) for one in fields(Item)}
    made = {one.name: getattr(item.provenance, one.name) for one in fields(Provenance)}
    made["derived_from"] = list(item.provenance.derived_from)
    return {**data, "label": label_to_json(item.label), "provenance": made}


def item_from_json(data: Json) -> Item:
    """Rebuild an item that `item_to_json` wrote."""
    made = data["provenance"]
    provenance = Provenance(**{**made, "derived_from": tuple(made["derived_from"])})
    return Item(**{**data, "label": label_from_json(data["label"]), "provenance": provenance})


def recalled_to_json(recalled: Recalled) -> dict[str, Json]:
    """Return what was recalled as JSON."""
    return {
        "item": item_to_json(recalled.item),
        "score": recalled.score,
        "parts": dict(recalled.parts),
        "quoted": recalled.quoted,
        "allowed_by": list(recalled.allowed_by),
    }


def recalled_from_json(data: Json) -> Recalled:
    """Rebuild what `recalled_to_json` wrote."""
    return Recalled(
        item=item_from_json(data["item"]),
        score=data["score"],
        parts=data["parts"],
        quoted=data["quoted"],
        allowed_by=tuple(data["allowed_by"]),
    )
