"""A document is kept without secrets, and every other character keeps its place."""

from __future__ import annotations

from pathlib import Path

from fairlead.adapters.files.reader import FolderReader
from fairlead.adapters.sql.database import Database
from fairlead.adapters.sql.documents import SqlDocumentStore
from fairlead.guardrails.content import masked
from fairlead.memory.ingest import Ingestion
from fairlead.ports.documents import Query
from fairlead.testing import FakeEvents

KEY = "AKIA" + "Q7" * 8


def test_a_key_in_a_document_is_blanked_out(database: Database, tmp_path: Path) -> None:
    text = f"# Access\n\nThe store opens with {KEY} and a smile.\n"
    (tmp_path / "a.md").write_text(text)
    store = SqlDocumentStore(database)
    ingestion = Ingestion(
        source=FolderReader(max_bytes=10_000), store=store, events=FakeEvents(), mask=masked
    )
    ingestion.ingest("default", "notes", tmp_path)
    [hit] = store.search(Query(text="store", tenant="default", collections=("notes",), top_k=5))
    assert hit.passage.text == masked(text)[hit.passage.start : hit.passage.end]
    assert "opens with ******************** and a smile" in hit.passage.text
