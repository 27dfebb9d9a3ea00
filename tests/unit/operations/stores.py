"""A store with a little in it, and other places of the same kind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from fairlead import Principal
from fairlead.adapters.otel.null import NullTelemetry
from fairlead.adapters.sql.backup import content_of
from fairlead.adapters.sql.database import Database
from fairlead.core.grounding import Passage
from fairlead.operations import (
    Platform,
    RestoreOptions,
    Settings,
    back_up_store,
    open_platform,
)
from fairlead.ports.documents import Document
from fairlead.ports.runs import Room, RunRecord

REPLACE = RestoreOptions(replace=True)


@dataclass
class Site:
    """A store and a way to make another place for one.

    Attributes:
        settings: The app's settings.
        folder: Where backups go.
        elsewhere: Gives the settings of an empty place of the same kind.
    """

    settings: Settings
    folder: Path
    elsewhere: Callable[[], Any]

    @contextmanager
    def open(self, settings: Settings | None = None) -> Iterator[Platform]:
        with open_platform(settings or self.settings, telemetry=NullTelemetry()) as platform:
            yield platform

    def back_up(self, name: str = "a.zip") -> Path:
        with self.open() as platform:
            return back_up_store(platform, self.folder / name).file

    def runs(self, settings: Settings | None = None) -> list[str]:
        with self.open(settings) as platform:
            return sorted(run.id for run in platform.runs.list(limit=100))


def fill(platform: Platform) -> None:
    admit(platform, "r1")
    admit(platform, "r2")
    ingest(platform, "leave")


def ingest(platform: Platform, text: str) -> None:
    """Have one document, whose rows get the next numbers."""
    passage = Passage(
        document="a.md", collection="notes", title="A", start=0, end=len(text), text=text
    )
    document = Document(path="a.md", title="A", text=text, digest=text, passages=(passage,))
    platform.documents.replace("default", "notes", [document])


def admit(platform: Platform, id: str) -> None:
    run = RunRecord(
        id=id,
        workflow="w",
        release="d",
        code_digest="c",
        principal=Principal(),
        purpose="user",
        state="queued",
        input={"text": "tab\t, \\N, ünïcode and \n a line"},
        created_at=1.0,
        environment="live",
    )
    platform.runs.admit(run, room=Room())
    with platform.database.transaction() as connection:
        connection.execute(
            sa.text("UPDATE runs SET reason = :odd WHERE id = :id"),
            {"id": id, "odd": "a\tb\\c\n\\."},
        )


def content(settings: Settings) -> Any:
    database = Database(settings.database_url)
    try:
        with database.reading() as connection:
            return content_of(connection)
    finally:
        database.close()


def sqlite(site: Site) -> bool:
    return site.settings.database_url.startswith("sqlite")
