"""What was erased since a backup was made does not come back with it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fairlead.core.errors import MemoryRefused
from fairlead.core.memory import Note, Reader
from fairlead.operations import (
    Order,
    Target,
    add_memory,
    drill_store,
    erase,
    restore_store,
    verify_erasure,
)
from tests.unit.operations.stores import REPLACE, Site

CANARY = "passport X99-CANARY-7fd31a of Ada"
SIBLING = "Ada likes the window seat"
READER = Reader(tenant="default", app="desk")


def told(text: str) -> Note:
    return Note(kind="semantic", text=text, subject="ada")


def known(site: Site) -> list[str]:
    with site.open() as platform:
        return sorted(one.text for one in platform.memory.each(READER))


@pytest.mark.both
def test_what_was_erased_since_the_backup_does_not_come_back(site: Site) -> None:
    site.settings = replace(site.settings, config={"app": {"name": "desk"}})
    with site.open() as platform:
        bad, good = (add_memory(platform, told(text), "ann") for text in (CANARY, SIBLING))
    backup = site.back_up()
    assert known(site) == [SIBLING, CANARY]
    with site.open() as platform:
        erased = erase(platform, Target(ids=(bad.id,)), Order(by="ann", reason="asked to"))
        assert erased.ended
    assert known(site) == [SIBLING]
    with site.open() as platform:
        drilled = drill_store(platform, backup)
        assert any(erased.id in line for line in drilled.after)
    done = restore_store(site.settings, backup, REPLACE)
    assert any(erased.id in line for line in done.after)
    assert done.unchecked == ""
    assert known(site) == [SIBLING]
    with site.open() as platform:
        with pytest.raises(MemoryRefused):
            add_memory(platform, told(CANARY), "ann")
        assert add_memory(platform, told(SIBLING), "ann").id == good.id
        report = verify_erasure(platform, erased.id, values=[CANARY])
        assert report.clean
