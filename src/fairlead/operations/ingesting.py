"""Documents that runs read."""

from __future__ import annotations

from pathlib import Path

from fairlead.bootstrap import Platform
from fairlead.core.errors import CollectionMissing
from fairlead.delivery.collections import chosen, declared_collections
from fairlead.memory.ingest import Ingested
from fairlead.operations.identity import allow, chosen_tenant


def ingest(
    platform: Platform,
    collection: str | None = None,
    *,
    folder: Path | None = None,
    tenant: str | None = None,
) -> list[Ingested]:
    """Bring collections up to date with their folders.

    Args:
        platform: The open platform.
        collection: One collection; None for all that the configuration declares.
        folder: Read the collection from here, not from where the configuration says.
        tenant: Whose collections they are; None for the principal's own, or the default.

    Raises:
        CollectionMissing: There is no such collection or folder.
    """
    allow(platform, "ingest")
    tenant, settings = chosen_tenant(platform, tenant), platform.settings
    if folder is not None:
        if collection is None:
            raise CollectionMissing(f"{folder} is to be ingested, and no collection is named")
        folders = {collection: folder}
    else:
        folders = chosen(declared_collections(settings.folder, settings.config), collection)
    ingestion = platform.ingestion
    return [ingestion.ingest(tenant, name, path) for name, path in folders.items()]
