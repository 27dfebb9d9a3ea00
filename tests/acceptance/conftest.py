"""What acceptance tests of memory share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.support.memory_app import Desk, desk
from tests.databases import KINDS, address


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Desk]:
    """An app that remembers, with a worker, on each database."""
    with address(request.param, request, tmp_path) as url, desk(tmp_path / "app", url) as made:
        yield made
