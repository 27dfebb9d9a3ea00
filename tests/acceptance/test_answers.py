"""The example `answers`: what a person corrected is recalled beside the documents, and cited."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.acceptance.support.cli import Cli

pytestmark = pytest.mark.acceptance

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "answers"


def test_a_persons_correction_is_cited_beside_the_documents(tmp_path: Path) -> None:
    folder = tmp_path / "answers"
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns(".*", "__pycache__"))
    (tmp_path / "documents").mkdir()
    (tmp_path / "documents" / "office.md").write_text("# Office\n\nThe office is in Porto.\n")
    values = folder / "fairlead.toml"
    values.write_text(values.read_text().replace("../../docs", "../documents"))
    cli = Cli(folder, FAIRLEAD_DATABASE_SYNCHRONOUS="normal")
    cli("ingest")
    release = cli.json("release", "create")["release"]
    cli("release", "activate", release, "--override", "a test of other documents")
    assert cli.json("run", "answer", "Where is the office?")["answer"]["text"].endswith("Porto.")
    cli("memory", "add", "The office moved to Lisbon.", "--subject", "office")
    ended = cli.json("run", "answer", "Where did the office move to?")
    assert ended["answer"]["text"] == "The office moved to Lisbon."
    assert ended["grounded_sources"][0]["document"].startswith("m-")
