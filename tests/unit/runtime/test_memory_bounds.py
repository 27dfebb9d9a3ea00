"""What one read of a run gives has a bound in bytes."""

from __future__ import annotations

from typing import Any

from tests.unit.runtime.shelf import Shelf
from tests.unit.runtime.test_memory import answer


def test_one_read_has_a_bound_in_bytes(shelf: Shelf) -> None:
    about = {"subject": "customer:42", "predicate": "says"}

    async def says(run: Any, _: str) -> str:
        ids = [
            (await run.memory.remember(f"{number} {'x' * 90_000}", **about)).id
            for number in range(12)
        ]
        return ",".join(ids)

    ids = answer(shelf.run(says)).split(",")

    async def reads(run: Any, _: str) -> str:
        got = await run.memory.get(*ids)
        told = await run.memory.history("customer:42")
        return "/".join(f"{len(one)},{one.left_out},{one[0].text[:2]}" for one in (got, told))

    # The first that were asked for, and the newest of a history.
    assert answer(shelf.run(reads)) == "11,1,0 /11,1,1 "
