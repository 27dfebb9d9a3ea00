"""What a workflow may recall and remember."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, Protocol, TypedDict, Unpack

from fairlead.core.errors import InvalidDeclaration
from fairlead.core.label import Integrity
from fairlead.core.memory import MemoryKind, Recalled, Written
from fairlead.core.memory_bounds import Items
from fairlead.core.memory_terms import RememberTerms
from fairlead.core.release import RecallTerms


class Recall(RecallTerms):
    """Passages to retrieve from a collection of documents for each question.

    Args:
        collection: The collection that is searched.
        top_k: Most passages per question.
        min_score: Passages below this relevance (0.0 to 1.0) are left out.
        integrity: `trusted` when only people whom the team trusts write the documents.
    """

    def __init__(
        self,
        collection: str,
        *,
        top_k: int = 5,
        min_score: float = 0.0,
        integrity: Integrity = "untrusted",
    ) -> None:
        try:
            super().__init__(
                collection=collection, top_k=top_k, min_score=min_score, integrity=integrity
            )
        except ValueError as error:
            raise InvalidDeclaration(f"recall of {collection!r}: {error}") from error


class Remember(RememberTerms):
    """What a workflow keeps beyond a run, and recalls in another.

    Args:
        kinds: Kinds of memory that it may use.
        top_k: Most items that are recalled for a question.
        min_score: Items below this relevance (0.0 to 1.0) are left out.
        grounding: Whether `run.answer` recalls for its question, beside what it retrieves.
        subject: Whom or what `run.answer` recalls about, such as `customer:{customer}`: each name
            in braces is a field of the workflow's input, text or a whole number. Anything unless
            said.
        derive: A workflow of the app that makes more of what a run remembered, such as a summary.
            It starts once after each run that remembered something and succeeded, as a run of its
            own, of the same release and for the same principal, and gets a `Remembered`. To start
            it is a call of the first run: the policies decide it, and the kill switches stop it,
            but the first run's limits do not. No derivation starts another one. Name
            `derived_from` in what it remembers, so that it is trusted no more than its sources.
    """

    def __init__(
        self,
        kinds: Sequence[MemoryKind] = ("episodic", "semantic"),
        *,
        top_k: int = 5,
        min_score: float = 0.0,
        grounding: bool = False,
        subject: str = "",
        derive: Any = None,
    ) -> None:
        follows = "" if derive is None else getattr(derive, "name", None)
        if not isinstance(follows, str):
            raise InvalidDeclaration(f"memory: {derive!r} derives, and is no workflow")
        try:
            super().__init__(
                kinds=tuple(kinds),
                top_k=top_k,
                min_score=min_score,
                grounding=grounding,
                derive=follows,
                subject=subject,
            )
        except ValueError as error:
            raise InvalidDeclaration(f"memory: {error}") from error


@dataclass(frozen=True, kw_only=True)
class Memory:
    """A workflow's memory.

    Attributes:
        semantic: Documents to retrieve from before a model is asked; None for none.
        remember: What it keeps beyond a run; None for nothing.
    """

    semantic: RecallTerms | None = None
    remember: RememberTerms | None = None


@dataclass(frozen=True)
class Remembered:
    """What a deriving workflow gets: what another run remembered.

    Attributes:
        run: That run.
        items: Ids of what it remembered.
    """

    run: str
    items: list[str]


class Details(TypedDict, total=False):
    """What may be said of something that is to be remembered.

    Attributes:
        kind: `semantic` unless said otherwise.
        subject: Who or what it is about, such as `customer:42`.
        predicate: What it says of the subject, such as `contact`; a later item with the same
            subject and predicate replaces it.
        value: The same as data that JSON can hold.
        valid_from: From when it is so; the time of writing unless said otherwise.
        valid_to: Until when it is so.
        keep: How long it is kept; the kind's retention unless said otherwise.
        readers: `tenant`, or `user` when only the run's own user may recall it.
        actor: Who says it, as a name.
        thread: The series that it stands in, such as a conversation.
        place: Its place there.
        derived_from: Ids of the items that it was made of: it is trusted no more than they are.
        derivation: What made it of them; the workflow unless said otherwise.
    """

    kind: MemoryKind
    subject: str
    predicate: str
    value: Any
    valid_from: datetime
    valid_to: datetime
    keep: timedelta
    readers: Literal["tenant", "user"]
    actor: str
    thread: str
    place: int
    derived_from: Sequence[str]
    derivation: str


class Wanted(TypedDict, total=False):
    """How something is recalled.

    Attributes:
        kinds: Kinds of memory; all that the workflow declares unless said otherwise.
        subject: Whom or what it must be about.
        top_k: Most items; as the workflow declares unless said otherwise.
        min_score: Least relevance, from 0.0 to 1.0.
        as_of: What was known then; now unless said otherwise.
        valid_at: What was so then.
        quoted: False leaves out what may only be quoted.
        documents: True also searches the collection that the workflow's `Recall` declares.
    """

    kinds: Sequence[MemoryKind]
    subject: str
    top_k: int
    min_score: float
    as_of: datetime
    valid_at: datetime
    quoted: bool
    documents: bool


class RunMemory(Protocol):
    """A run's memory: each operation is a call, and passes the boundary as every call does.

    Whose memory it is, the run's principal says and no argument. What the run received from
    outside goes with what it remembers: it is quarantined, and comes back as untrusted.
    """

    async def remember(self, text: str, **details: Unpack[Details]) -> Written:
        """Remember something.

        What says the same as an item that is there is merged into it. What was forgotten,
        retracted or erased is not remembered again: `refused` says so.

        Args:
            text: What is to be remembered, in words.
            details: See `Details`.

        Raises:
            MemoryRefused: The release's rules do not let it become memory, or something that it
                is made of was taken back.
            MemoryMissing: The run sees nothing of what it is made of.
            MemoryInvalid: It is empty, too long, or holds control characters, or a detail is
                unknown.
        """
        ...

    async def recall(self, question: str, **wanted: Unpack[Wanted]) -> tuple[Recalled, ...]:
        """Recall what bears on a question, best first; nothing when nothing is near.

        With `documents=True` passages of ingested documents follow, best first, at most `top_k`
        of each. To search them is a call of its own, a retrieval, with its own policies and
        labels. Such an item has the id `COLLECTION/DOCUMENT#START`, the title for its subject,
        and no times: they are 0. It is not kept as memory, so nothing is derived from it by id.

        Args:
            question: The question in words.
            wanted: See `Wanted`.

        Raises:
            MemoryUndeclared: The workflow declares no memory of its own, or no such kind, or no
                documents when they are asked for.
            MemoryInvalid: An argument is unknown or cannot be, or documents are asked for with a
                subject or a time, which they have not.
        """
        ...

    async def get(self, *ids: str) -> Items:
        """Return items by their ids; those that the run may not see are left out.

        At most 1,000,000 bytes; `left_out` of what is returned says how many more there are.
        """
        ...

    async def history(
        self, subject: str, predicate: str = "", *, as_of: datetime | None = None
    ) -> Items:
        """Return what was said of a subject, oldest record first.

        At most 1,000,000 bytes, the newest; `left_out` of what is returned says how many more
        there are.

        Args:
            subject: The subject.
            predicate: The predicate; empty for all.
            as_of: Only what was current then; None for every version.
        """
        ...

    async def supersede(self, id: str, text: str, **details: Unpack[Details]) -> Written:
        """Replace an item; its kind, subject, predicate and readers stay.

        Args:
            id: The item.
            text: What holds now.
            details: See `Details`.

        Raises:
            MemoryMissing: The run sees no such item.
        """
        ...

    async def forget(self, *ids: str) -> tuple[str, ...]:
        """Take items back, so that the same is not remembered of their subjects again.

        They stay on record. To remove them for good, an operator erases them.

        Returns:
            The ids of those items that are forgotten now, by this call or before.
        """
        ...
