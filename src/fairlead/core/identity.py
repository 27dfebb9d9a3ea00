"""Who asks."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Principal:
    """The user and tenant for whom a run acts.

    Attributes:
        user: The user's id, as the caller states it.
        tenant: The tenant; a run never reads another tenant's rows.
    """

    user: str = "local"
    tenant: str = "default"
