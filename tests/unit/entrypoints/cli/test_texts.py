"""Short texts for values."""

from __future__ import annotations

import pytest

from fairlead.entrypoints.cli.texts import bytes_text, count, moment, money, one_line, safe, span


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (None, "-"),
        (-1, "0 ms"),
        (0.0004, "0 ms"),
        (0.012, "12 ms"),
        (0.9994, "999 ms"),
        (0.9996, "1.00 s"),
        (9.99, "9.99 s"),
        (9.996, "10.0 s"),
        (99.4, "99.4 s"),
        (99.6, "1m 40s"),
        (3599.6, "1h 00m"),
        (86_399, "23h 59m"),
        (190_000, "2d 04h"),
    ],
)
def test_span(seconds: float | None, said: str) -> None:
    assert span(seconds) == said
    assert len(said) <= 7


@pytest.mark.parametrize("seconds", [1e13, -1e13, 1e300, 9e18])
def test_a_time_that_no_year_has_is_printed_all_the_same(seconds: float) -> None:
    assert moment(seconds) == f"{seconds:g} s"


@pytest.mark.parametrize(
    ("number", "said"),
    [(0, "0"), (999, "999"), (1000, "1.0k"), (9_949, "9.9k"), (12_345, "12k"), (2_500_000, "2.5M")],
)
def test_count(number: int, said: str) -> None:
    assert count(number) == said


@pytest.mark.parametrize(
    ("size", "said"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (99_960, "100 kB"), (50_000_000, "50.0 MB")],
)
def test_bytes_text(size: int, said: str) -> None:
    assert bytes_text(size) == said
    assert len(said) <= 8


def test_money_and_moment() -> None:
    assert [money(0), money(0.0234), money(12.5)] == ["-", "$0.0234", "$12.50"]
    assert [moment(None), moment(0)] == ["-", "1970-01-01 00:00:00"]


def test_what_a_terminal_would_obey_is_shown_instead() -> None:
    assert safe("a\x1b[31mb\x07\u202ec\td\r\ne") == "a\ufffd[31mb\ufffd\ufffdc  d\ne"
    assert one_line(" a\n b\x9b ") == "a b\ufffd"


def test_marks_of_direction_and_foreign_line_ends_change_no_layout() -> None:
    assert safe("a\u200fb\u200ec\u061cd") == "a\ufffdb\ufffdc\ufffdd"
    assert safe("a\u2028b\u2029c") == "a\nb\nc"
    assert one_line("a\u2028b") == "a b"
