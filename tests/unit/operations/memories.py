"""What the tests of an operator's memory share."""

from __future__ import annotations

from typing import Any

from fairlead import Principal
from fairlead.core.identity import Role
from fairlead.core.label import Label
from fairlead.core.memory import MEMORY_KINDS, Item, MemoryQuery, Note, Provenance, Reader
from fairlead.operations import (
    Order,
    Platform,
)

SHOP = Reader(tenant="default", app="shop")
WHY = Order(by="ada", reason="a test")
MAIL = "tool:read_mail"


def person(*roles: Role, tenant: str = "default") -> Principal:
    return Principal(user="eve", tenant=tenant, roles=roles, issuer="fairlead")


def outside(platform: Platform, *texts: str, reader: Reader = SHOP, **more: Any) -> list[str]:
    """Remember what came from outside; returns the ids."""
    # Of what was derived only the lineage says where it is from.
    origin = "model:m" if "derived_from" in more else MAIL
    label = Label(integrity="untrusted", origins=(origin, "user:bob"))
    made = Provenance(**{"source": MAIL, "run_id": "r1", **more})
    notes = [
        Note(kind="semantic", text=text, state="quarantined", label=label, provenance=made)
        for text in texts
    ]
    return [one.id for one in platform.memory.write(reader, notes)]


def state(platform: Platform, id: str) -> str:
    return item(platform, id).state


def item(platform: Platform, id: str) -> Item:
    (found,) = platform.memory.get(SHOP, [id])
    return found


def asked(text: str, **more: Any) -> MemoryQuery:
    return MemoryQuery(**{"text": text, "kinds": MEMORY_KINDS, **more})


def events(platform: Platform) -> list[tuple[str, dict[str, Any]]]:
    return [(one.type, one.data) for one in platform.events.list(chain="memory:default")]
