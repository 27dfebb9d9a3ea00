"""The example app in a folder of its own, with other documents, for benchmarks."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from fairlead.operations import (
    Platform,
    Release,
    create_release,
    ingest,
    load_settings,
    open_platform,
    operator,
    working,
)

EXAMPLE = Path(__file__).parents[1] / "examples" / "answers"


@contextmanager
def example_app(documents: Mapping[str, str]) -> Iterator[tuple[Platform, Release]]:
    """Open the example app on given documents, with its release active and a worker at work.

    Args:
        documents: Markdown texts by file name.
    """
    with TemporaryDirectory(prefix="fairlead-bench-") as folder:
        app = Path(folder) / "answers"
        shutil.copytree(EXAMPLE, app, ignore=shutil.ignore_patterns(".fairlead", "__pycache__"))
        corpus = app / "corpus"
        corpus.mkdir()
        for name, text in documents.items():
            (corpus / name).write_text(text, encoding="utf-8")
        with open_platform(load_settings(app)) as platform:
            ingested = ingest(platform, "documents", folder=corpus)[0]
            if ingested.refused or ingested.written != len(documents):
                raise SystemExit(f"not all documents were ingested: {ingested}")
            release, _ = create_release(platform)
            platform.releases.activate(release.digest, by=operator(), override="a benchmark")
            with working(platform, release):
                yield platform, release


def quantile(values: list[float], share: float) -> float:
    """Return the value below which a share of the values lies, by the nearest rank."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
