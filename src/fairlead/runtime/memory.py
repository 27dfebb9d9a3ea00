"""A run's memory: each operation is a call of the boundary, and reads as the run's principal."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any, TypeVar, Unpack, cast

from fairlead.authoring.memory import Details, Wanted
from fairlead.core.context import Context
from fairlead.core.digests import Json
from fairlead.core.errors import (
    EmbedderFailed,
    EmbedderTimedOut,
    MemoryMissing,
    MemoryRefused,
    MemoryUndeclared,
    ProviderBusy,
    ProviderFailed,
)
from fairlead.core.event import Fact
from fairlead.core.label import Label, joined, own_label
from fairlead.core.memory import (
    TAKEN_BACK,
    Item,
    MemoryKind,
    MemoryQuery,
    Note,
    Provenance,
    Reader,
    Recalled,
    Written,
    item_from_json,
    item_to_json,
    reader_of,
    recalled_from_json,
    recalled_to_json,
)
from fairlead.core.memory_bounds import Items, within_bytes
from fairlead.core.memory_terms import Admission, RememberTerms, admission_of
from fairlead.guardrails.decide import Act
from fairlead.memory.memories import Memories
from fairlead.ports.boundary import Driven, DriverError
from fairlead.ports.documents import DocumentStore
from fairlead.ports.memory import Change
from fairlead.runtime.boundary import Boundary
from fairlead.runtime.noting import (
    check_details,
    check_wanted,
    label_of,
    plain,
    said_of,
    seconds_of,
    source_of,
)
from fairlead.runtime.passages import recall_passages
from fairlead.runtime.persist import persist

T = TypeVar("T")

_MAY_PASS = (EmbedderFailed, EmbedderTimedOut, ProviderBusy, ProviderFailed)
"""What an embedding model says that may pass."""


@dataclass(frozen=True, kw_only=True)
class DurableMemory:
    """Implements `fairlead.RunMemory` on one run's boundary.

    Attributes:
        boundary: The run's way out.
        documents: Passages that may be recalled beside what is remembered.
        written: Ids of what the run remembered, in order.
    """

    boundary: Boundary
    documents: DocumentStore
    written: list[str]

    async def remember(self, text: str, **details: Unpack[Details]) -> Written:
        """Remember something."""
        return await self._write("remember", text, details, "")

    async def supersede(self, id: str, text: str, **details: Unpack[Details]) -> Written:
        """Replace an item; its kind, subject, predicate and readers stay."""
        (before,) = await self.get(id) or (None,)
        if before is None:
            raise MemoryMissing(f"there is no item {id} for this run", item=id)
        kept: Details = {
            "kind": before.kind,
            "subject": before.subject,
            "predicate": before.predicate,
        }
        if before.audience.startswith("user:"):
            kept["readers"] = "user"
        return await self._write("supersede", text, cast(Details, {**details, **kept}), id)

    async def recall(self, question: str, **wanted: Unpack[Wanted]) -> tuple[Recalled, ...]:
        """Recall what bears on a question, best first; nothing when nothing is near."""
        terms = self._terms()
        check_wanted(wanted)
        asked = tuple(wanted.get("kinds", terms.kinds))
        allowed = self._readable(self._declared(asked))
        query = MemoryQuery(
            text=question,
            # Where nothing is allowed, the call is made all the same, and is denied on record.
            kinds=tuple(allowed) or asked,
            subject=wanted.get("subject"),
            top_k=wanted.get("top_k", terms.top_k),
            min_score=wanted.get("min_score", terms.min_score),
            known_at=seconds_of(wanted.get("as_of")),
            valid_at=seconds_of(wanted.get("valid_at")),
            quarantined=wanted.get("quoted", True),
        )

        async def drive(_: Context) -> Driven:
            asked = await _slow(self._memories.asked, query)
            found = await self._ask(self._memories.recall, self._reader, asked)
            named = [replace(one, allowed_by=allowed.get(one.item.kind, ())) for one in found]
            await self._noted([one.item for one in named])
            value = [recalled_to_json(one) for one in named]
            return Driven(value=value, labels={"": self._label_of(one.item for one in named)})

        arguments = {**plain(asdict(query)), "kinds": list(query.kinds)}
        found = tuple(map(recalled_from_json, await self._call("recall", arguments, drive)))
        if not wanted.get("documents", False):
            return found
        return (*found, *await recall_passages(self.boundary, self.documents, query, wanted))

    async def get(self, *ids: str) -> Items:
        """Return items by their ids; those that the run may not see are left out."""
        return await self._read("get", {"ids": list(ids)}, lambda store, who: store.get(who, ids))

    async def history(
        self, subject: str, predicate: str = "", *, as_of: datetime | None = None
    ) -> Items:
        """Return what was said of a subject, oldest record first; the newest, when it is much."""
        known_at = seconds_of(as_of)
        arguments = {"subject": subject, "predicate": predicate, "as_of": known_at}
        return await self._read(
            "history",
            arguments,
            lambda store, who: store.history(who, subject, predicate, known_at=known_at),
        )

    async def forget(self, *ids: str) -> tuple[str, ...]:
        """Take items back, so that the same is not remembered of their subjects again."""
        terms, by = self._terms(), f"user:{self._context.principal.user}"

        async def drive(_: Context) -> Driven:
            store, who = self._memories.store, self._reader
            known = [
                one.id for one in await self._ask(store.get, who, ids) if one.kind in terms.kinds
            ]
            change = Change(
                by=by,
                reason=f"run {self._context.run_id}",
                fact=Fact(
                    chain=f"memory:{who.tenant}",
                    type="memory.forgotten",
                    data={"items": known, "by": by, "run": self._context.run_id},
                ),
            )
            await self._ask(store.settle, who, known, "forgotten", change)
            # Not what was changed: executed again after a crash, it has the same answer.
            after = await self._ask(store.get, who, known)
            gone = [one.id for one in after if one.state == "forgotten"]
            return Driven(value=gone, labels={"": own_label(self._context.principal)})

        arguments = {"kinds": list(terms.kinds), "ids": list(ids)}
        return tuple(await self._call("forget", arguments, drive))

    # Writing.

    async def _write(self, name: str, text: str, details: Details, supersedes: str) -> Written:
        kind = details.get("kind", "semantic")
        self._declared((kind,))
        check_details(details)
        arguments = plain({"text": text, **details, "supersedes": supersedes})
        arguments |= {"kinds": [kind]}

        async def drive(context: Context) -> Driven:
            note = await self._note(text, details, supersedes, context.idempotency_key)
            admission = admission_of(self._memories.terms.admit, note.label, kind)
            if admission.admit == "refused":
                raise MemoryRefused(f"it was not remembered: {admission.reason}")
            note = replace(note, label=admission.label, state=admission.admit)
            fact = self._endorsed(admission, note)
            stamp = await _slow(self._memories.stamped, [note], fact)
            (written,) = await self._ask(self._memories.write, self._reader, [note], stamp)
            written = await self._own(written, note)
            label = own_label(self._context.principal)
            return Driven(value=asdict(written), labels={"": label})

        written = Written(**await self._call(name, arguments, drive))
        if written.id and not written.merged:
            self.written.append(written.id)
        return written

    async def _own(self, written: Written, note: Note) -> Written:
        """Tell this call's own item from another one that says the same.

        A worker may die when the item was written and before that was recorded: executed again,
        the call finds it under its key.
        """
        if not written.merged:
            return written
        (item,) = await self._ask(self._memories.store.get, self._reader, [written.id]) or (None,)
        made = note.provenance
        if item is None or (item.provenance.run_id, item.provenance.call) != (
            made.run_id,
            made.call,
        ):
            return written
        return replace(written, merged=False, superseded=item.supersedes)

    async def _note(self, text: str, details: Details, supersedes: str, key: str) -> Note:
        parents = tuple(details.get("derived_from", ()))
        known = await self._ask(self._memories.store.get, self._reader, parents)
        missing = sorted(set(parents) - {one.id for one in known})
        if missing:
            raise MemoryMissing(f"there is no item {missing[0]} for this run", item=missing[0])
        gone = next((one.id for one in known if one.state in TAKEN_BACK), None)
        if gone is not None:
            raise MemoryRefused(
                f"it was not remembered: it is made of {gone}, which was taken back"
            )
        label = self._label_said(text, details).join(joined(label_of(one) for one in known))
        context = self._context
        at = self.boundary.services.clock.now()
        keep = details.get("keep")
        kind = details.get("kind", "semantic")
        made = f"{self.boundary.scope.terms.name}@{context.release[:12]}" if parents else ""
        return Note(
            kind=kind,
            text=text,
            subject=details.get("subject", ""),
            predicate=details.get("predicate", ""),
            value=details.get("value"),
            label=label,
            provenance=Provenance(
                run_id=context.run_id,
                call=self.boundary.next_number,
                release=context.release,
                by=f"user:{context.principal.user}",
                source=source_of(label),
                derivation=details.get("derivation") or made,
                derived_from=parents,
            ),
            valid_from=seconds_of(details.get("valid_from")),
            valid_to=seconds_of(details.get("valid_to")),
            expires_at=None if keep is None else at + keep.total_seconds(),
            actor=details.get("actor", ""),
            thread=details.get("thread", ""),
            place=details.get("place", 0),
            supersedes=supersedes,
            key=key,
        )

    def _label_said(self, text: str, details: Details) -> Label:
        """Return what is known of what is to be remembered, by where the run has it from."""
        label = self.boundary.flow.label_of(said_of(text, details))
        if details.get("readers", "tenant") == "user":
            principal = self._context.principal
            only = f"tenant:{principal.tenant}/user:{principal.user}"
            label = label.join(Label(readers=(only,)))
        return label

    def _endorsed(self, admission: Admission, note: Note) -> Fact | None:
        """Return the event of a rule that made something from outside trusted."""
        if not admission.endorsed_by:
            return None
        data = {
            "by": f"rules: {', '.join(admission.endorsed_by)}",
            "run": self._context.run_id,
            "source": note.provenance.source,
            "release": self._context.release,
        }
        return Fact(chain=f"memory:{self._reader.tenant}", type="memory.endorsed", data=data)

    # Reading.

    async def _read(
        self, name: str, arguments: dict[str, Json], look: Callable[[Any, Reader], Sequence[Item]]
    ) -> Items:
        terms = self._terms()
        allowed = self._readable(terms.kinds)

        async def drive(_: Context) -> Driven:
            found = await self._ask(look, self._memories.store, self._reader)
            allowed_of = [one for one in found if one.kind in allowed]
            items = within_bytes(allowed_of, newest=name == "history")
            await self._noted(items)
            value = {"items": [item_to_json(one) for one in items], "left_out": items.left_out}
            return Driven(value=value, labels={"": self._label_of(items)})

        kinds = list(allowed) or list(terms.kinds)
        found = await self._call(name, {**arguments, "kinds": kinds}, drive)
        # A run that began before reads had a bound has the items alone on record.
        told: Json = {"items": found, "left_out": 0} if isinstance(found, list) else found
        items = Items(map(item_from_json, told["items"]))
        items.left_out = told["left_out"]
        return items

    def _readable(self, kinds: Sequence[MemoryKind]) -> dict[MemoryKind, tuple[str, ...]]:
        """Return the kinds that the policies let the principal recall, with the rules' ids."""
        scope, situation = self.boundary.scope, self.boundary.situation
        found: dict[MemoryKind, tuple[str, ...]] = {}
        for kind in kinds:
            act = Act(action="recall", resource=kind)
            decision = scope.rules.bundle.decide(
                "recall", self._context.principal, act, labels={}, context=situation
            )
            if decision.effect != "deny":
                found[kind] = decision.reasons
        return found

    async def _noted(self, items: Sequence[Item]) -> None:
        """Note who got which items, for the day when one of them turns out to be bad."""
        ids = [one.id for one in items]
        if ids:
            store, number = self._memories.store, self.boundary.next_number
            await self._ask(store.note_reads, self._context.run_id, number, ids)

    def _label_of(self, items: Iterable[Item]) -> Label:
        """Return what rests on what was recalled; of nothing, the run's own word that it is so."""
        labels = [label_of(one) for one in items]
        return joined(labels) if labels else own_label(self._context.principal)

    # The run.

    async def _call(self, name: str, arguments: dict[str, Json], drive: Any) -> Any:
        return await self.boundary.call("memory", name, arguments, drive)

    async def _ask(self, function: Callable[..., T], *args: Any) -> T:
        return await persist(self.boundary.services.clock, function, *args)

    @property
    def _context(self) -> Context:
        return self.boundary.scope.context

    @property
    def _memories(self) -> Memories:
        access = self.boundary.services.memory
        return Memories(
            store=access.store, terms=self.boundary.scope.rules.memory, embedder=access.embedder
        )

    @property
    def _reader(self) -> Reader:
        scope, access = self.boundary.scope, self.boundary.services.memory
        release = scope.context.release
        return reader_of(
            scope.context.principal,
            scope.rules.app,
            run_root=scope.family.root_id,
            overlay=release if access.on_trial(release) else "",
        )

    def _terms(self) -> RememberTerms:
        terms = self.boundary.scope.terms
        if terms.remember is None:
            raise MemoryUndeclared(
                f"workflow {terms.name} declares no memory of its own", workflow=terms.name
            )
        return terms.remember

    def _declared(self, kinds: Sequence[MemoryKind]) -> Sequence[MemoryKind]:
        terms = self._terms()
        unknown = [kind for kind in kinds if kind not in terms.kinds]
        if unknown:
            name = self.boundary.scope.terms.name
            raise MemoryUndeclared(
                f"workflow {name} does not declare {unknown[0]} memory", workflow=name
            )
        return kinds


async def _slow(function: Callable[..., T], *args: Any) -> T:
    """Ask an embedding model, which may take long: it holds up none of the store's threads.

    Raises:
        DriverError: The model is busy or away; another try may succeed.
    """
    try:
        return await asyncio.to_thread(function, *args)
    except _MAY_PASS as error:
        raise DriverError(error.message, transient=True, code=error.code) from error
