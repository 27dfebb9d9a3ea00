"""The flags of one run: each is evaluated once, in a journaled step, and read from there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from fairlead.core.bounds import excess
from fairlead.core.calls import cut
from fairlead.core.digests import Json, digest
from fairlead.core.errors import FlagsNotInstalled, InvalidInput, error_from_json
from fairlead.core.event import Fact
from fairlead.core.flags import (
    ATTRIBUTES,
    KEY_CHARS_MAX,
    VALUE,
    WORD_CHARS_MAX,
    AskedType,
    FlagDetails,
    asked_type,
    failed,
)
from fairlead.core.identity import Principal
from fairlead.guardrails.shapes import shape_of
from fairlead.ports.events import EventLog
from fairlead.ports.flags import FlagQuery
from fairlead.runtime.boundary import Boundary
from fairlead.runtime.persist import persist
from fairlead.runtime.redacting import told

REFUSED = "refused"
"""Under this name a step's record holds an error in place of details."""


class Flags:
    """What a run was told of its flags so far.

    The boundary is not asked: a flag is no call, it is a part of the release, or what a provider
    of the team's own says in its place.
    """

    def __init__(self, boundary: Boundary, events: EventLog) -> None:
        """Begin without a flag.

        Args:
            boundary: The run's way out.
            events: The run's chain.
        """
        self._boundary = boundary
        self._events = events
        self._known: dict[tuple[str, AskedType], FlagDetails[Any]] = {}

    async def details(
        self, key: str, default: Any, attributes: Mapping[str, Any] | None
    ) -> FlagDetails[Any]:
        """Return what a flag is for this run; asked again, it is the same.

        Args:
            key: The flag.
            default: The value when it cannot be evaluated.
            attributes: What rules may look at, beside who asks.

        Raises:
            InvalidInput: The key, the default or the attributes are none that a flag can have.
            FlagsNotInstalled: The libraries that evaluate flags are not here.
        """
        query = self._query(key, default, attributes)
        place = key, query.type
        if place not in self._known:
            name = f"flag {key}"
            async with self._boundary.turn(name):
                # Another branch of the code may have asked meanwhile.
                if place not in self._known:
                    self._known[place] = await self._evaluated(name, query)
        return self._known[place].given(default)

    async def _evaluated(self, name: str, query: FlagQuery) -> FlagDetails[Any]:
        async def step() -> Json:
            try:
                details = _bounded(query, await self._boundary.services.flags.evaluate(query))
            except FlagsNotInstalled as error:
                return {REFUSED: error.to_json()}
            await self._record(details)
            self._boundary.services.telemetry.flag_evaluated(self._boundary.scope.context, details)
            return asdict(details)

        record = await self._boundary.engine.step(name, step)
        if REFUSED in record:
            raise error_from_json(record[REFUSED])
        return FlagDetails(**record)

    async def _record(self, details: FlagDetails[Any]) -> None:
        run_id, clock = self._boundary.scope.context.run_id, self._boundary.services.clock
        data = {
            "flag": details.key,
            "variant": details.variant,
            "reason": details.reason,
            "error": details.error_code,
            "value": digest(details.value),
            "provider": details.provider,
        }
        fact = Fact(chain=f"run:{run_id}", type="flag.evaluated", data=data)
        # The step may run again after a crash between the append and the engine's own record.
        newest = await persist(clock, self._events.list, chain=fact.chain, limit=1)
        if not newest or newest[-1].type != fact.type or newest[-1].data != fact.data:
            await persist(clock, self._events.append, [fact])

    def _query(self, key: str, default: Any, attributes: Mapping[str, Any] | None) -> FlagQuery:
        kind = asked_type(default)
        if kind is None:
            what = "a bool, a text, a number, a dict or a list"
            raise InvalidInput(f"flag {key!r} has a default that is no flag's value: it is {what}")
        if not 1 <= len(key) <= KEY_CHARS_MAX:
            raise InvalidInput(f"a flag's key is text of 1 to {KEY_CHARS_MAX} characters")
        of = f"whoever asks for flag {key}"
        said = shape_of(dict[str, Any]).dump(dict(attributes or {}), of=of)
        for what, value, bounds in (("default", default, VALUE), ("attributes", said, ATTRIBUTES)):
            broken = excess(value, bounds)
            if broken is not None:
                raise InvalidInput(f"flag {key!r}: what is given as its {what} has {broken}")
        scope = self._boundary.scope
        return FlagQuery(
            key=key,
            type=kind,
            default=shape_of(Any).dump(default, of=of),
            flags=scope.terms.flags,
            targeting_key=self._targeting_key(),
            # Last, so that no attribute can pose as whom the run acts for.
            attributes={**said, **self._who()},
        )

    def _who(self) -> dict[str, Json]:
        scope = self._boundary.scope
        context = scope.context
        return {
            "app": scope.rules.app,
            "workflow": context.workflow,
            "release": context.release,
            "tenant": context.principal.tenant,
            "user": context.principal.user,
            "conversation": context.conversation,
        }

    def _targeting_key(self) -> str:
        """Return whom a share is drawn for: the user, else the conversation, else the run.

        A run and its children are in the same share.
        """
        context = self._boundary.scope.context
        if context.principal.user != Principal().user:
            return f"{context.principal.tenant}/{context.principal.user}"
        return context.conversation or self._boundary.scope.family.root_id


def _bounded(query: FlagQuery, details: FlagDetails[Any]) -> FlagDetails[Any]:
    """Return details that may be kept: a provider of the team's own may say anything."""
    broken = excess(details.value, VALUE)
    if broken is not None:
        details = replace(
            failed(query.key, query.default, "GENERAL", f"the value has {broken}"),
            provider=details.provider,
        )
    variant = details.variant
    return replace(
        details,
        variant=None if variant is None else cut(str(variant), WORD_CHARS_MAX),
        reason=cut(details.reason, WORD_CHARS_MAX),
        error_code=cut(details.error_code, WORD_CHARS_MAX),
        error_message=told(details.error_message),
        provider=cut(details.provider, WORD_CHARS_MAX),
    )
