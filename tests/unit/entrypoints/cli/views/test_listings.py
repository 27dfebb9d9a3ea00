"""Lists: one row each, whatever the width."""

from __future__ import annotations

from rich.cells import cell_len
from rich.text import Text

from fairlead.core.event import GENESIS, Event
from fairlead.entrypoints.cli.views.listings import Column, events_view, releases_view, rows_view

EVENT = Event(
    chain="environment:default",
    sequence=3,
    id="e",
    type="release.activated",
    time=0.0,
    data={"release": "ab" * 32, "by": "anna", "n": 1},
    previous=GENESIS,
    hash="",
)


def plain(lines: list[Text]) -> list[str]:
    return [line.plain for line in lines]


def test_the_last_column_takes_what_is_left() -> None:
    columns = [Column(name="id"), Column(name="n", right=True), Column(name="said")]
    lines = plain(rows_view(columns, [("a", "1", "x" * 50), ("bb", "22", "y\nz")], 30))
    assert lines == ["id   n  said", f"a    1  {'x' * 21}…", "bb  22  y z"]


def test_a_last_column_without_room_is_left_out() -> None:
    columns = [Column(name="id"), Column(name="said")]
    assert plain(rows_view(columns, [("a" * 10, "x" * 50)], 20)) == ["id", "a" * 10]


def test_columns_yield_from_the_right_and_the_first_one_stays_whole() -> None:
    columns = [Column(name="id"), Column(name="gates", least=8), Column(name="n", right=True)]
    columns.append(Column(name="said"))
    row = ("i" * 10, "g" * 20, "12345", "x" * 50)
    for width in range(1, 80):
        lines = plain(rows_view(columns, [row], width))
        assert lines[1].startswith(row[0])
        assert max(map(cell_len, lines)) <= max(width, 10)
    shown = {
        width: plain(rows_view(columns, [row], width))[1].split() for width in (39, 38, 27, 26)
    }
    assert shown[39] == [*row[:3]]
    assert shown[38] == [row[0], "g" * 18 + "…", row[2]]
    assert shown[27] == [row[0], "g" * 7 + "…", row[2]]
    assert shown[26] == [row[0], "g" * 13 + "…"]


def test_wide_characters_keep_the_columns() -> None:
    columns = [Column(name="id", most=6), Column(name="said")]
    lines = plain(rows_view(columns, [("日本語日本語", "x")], 40))
    assert cell_len(lines[1]) == 6 + 2 + 1


def test_digests_are_short() -> None:
    line = plain(events_view([EVENT], 200))[1]
    assert line == (
        "1970-01-01 00:00:00  environment:default  3  release.activated  "
        "release=abababababab by=anna n=1"
    )


def test_empty_lists_say_so() -> None:
    assert plain(events_view([], 80)) == ["no events"]
    assert plain(releases_view([], 80)) == ["no releases; make one with `fairlead check`"]


def test_releases_say_which_is_active_and_which_is_bad() -> None:
    row = {"id": "r", "gate": None, "created_at": 0.0, "code": "c", "app": "a"}
    rows = [
        {**row, "state": "current", "weight": 0.75, "bad": False},
        {**row, "state": "ramping", "weight": 0.25, "bad": False},
        {**row, "state": "draining", "weight": 0.0, "bad": True},
        {**row, "state": "inactive", "weight": 0.0, "bad": False},
    ]
    lines = plain(releases_view(rows, 120))
    assert " current 75 % " in lines[1]
    assert " ramping 25 % " in lines[2]
    assert " draining bad " in lines[3]
    assert " - " in lines[4]
    assert "not checked" in lines[1]
