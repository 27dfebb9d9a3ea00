"""What an operator may see of conversations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fairlead.bootstrap import Platform
from fairlead.operations.identity import allow, chosen_tenant, reach
from fairlead.ports.conversations import ConversationRecord, TurnRecord


@dataclass(frozen=True, kw_only=True)
class Conversation:
    """A conversation with its turns.

    Attributes:
        record: The conversation.
        turns: Its newest turns, oldest first.
    """

    record: ConversationRecord
    turns: tuple[TurnRecord, ...]


def list_conversations(
    platform: Platform, *, tenant: str | None = None, limit: int = 50
) -> Sequence[ConversationRecord]:
    """Return conversations, of which the latest turn was asked last first.

    Args:
        platform: The open platform.
        tenant: Only of this tenant; None for all.
        limit: Most conversations.
    """
    allow(platform, "conversations list")
    if tenant is None:
        tenant = reach(platform)
    return platform.conversations.list(
        tenant=chosen_tenant(platform, tenant) if tenant else None, limit=limit
    )


def show_conversation(
    platform: Platform, id: str, *, tenant: str | None = None, limit: int = 50
) -> Conversation:
    """Return a conversation with its newest turns.

    Args:
        platform: The open platform.
        id: The conversation, as its tenant names it.
        tenant: Whose it is; None for the principal's own, or the default.
        limit: Most turns.

    Raises:
        UnknownConversation: The tenant has none of this id.
    """
    allow(platform, "conversations show")
    tenant = chosen_tenant(platform, tenant)
    return Conversation(
        record=platform.conversations.get(tenant, id),
        turns=tuple(platform.conversations.turns(tenant, id, limit)),
    )
