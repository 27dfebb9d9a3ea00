"""What the demo counts: it must see a repetition, and a part that was missed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from examples.demo.report import exit_status, re_executed


@dataclass(frozen=True)
class Recorded:
    """A call on record."""

    key: str
    finished_at: float | None


class Journal:
    """Calls of one run: the first and the second on record, the third not."""

    def of_run(self, _: str) -> list[Recorded]:
        return [Recorded("r:1", 10.0), Recorded("r:2", 20.0), Recorded("r:3", None)]


class Platform:
    """As much of a platform as the count reads."""

    journal = Journal()


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["r:1 7 9.0", "r:2 7 19.0"], (0, 0, 2)),
        (["r:1 7 8.0", "r:1 8 9.0", "r:2 8 19.0"], (0, 1, 3)),
        (["r:1 7 9.0", "r:1 8 11.0", "r:2 8 19.0"], (1, 0, 3)),
        (["r:1 7 9.0", "outside 7 9.5", "r:2 8 19.0"], (1, 0, 2)),
        (["r:1 7 9.0", "other:1 7 99.0"], (0, 0, 1)),
    ],
)
def test_repetitions_are_counted(
    tmp_path: Path, lines: list[str], expected: tuple[int, int, int]
) -> None:
    executions = tmp_path / "executions.txt"
    executions.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    platform: Any = Platform()
    assert re_executed(platform, executions, ["r"]) == expected


def test_one_missed_part_fails_the_demo() -> None:
    assert exit_status({"a": True, "b": True}) == 0
    assert exit_status({"a": True, "b": False}) == 1
    assert exit_status({}) == 1
