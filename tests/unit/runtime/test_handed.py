"""What a process handed out: known by value, bounded, and the same for every log."""

from __future__ import annotations

from fairlead.runtime.handed import HANDED_OUT_MAX, HandedOut

VALUE = "plain words that only the vault knows"


def test_what_was_handed_out_is_taken_out_of_a_text() -> None:
    handed = HandedOut()
    assert handed.taken_out_of(f"a {VALUE}") == f"a {VALUE}"
    handed.note([("KEY", VALUE)])
    assert handed.taken_out_of(f"a {VALUE}") == "a [redacted:KEY]"
    assert VALUE not in repr(vars(handed).keys()) + repr(handed)


def test_the_one_that_was_not_handed_out_for_longest_is_forgotten() -> None:
    handed = HandedOut()
    first, second = ("A", "the first of all values"), ("B", "the second of all values")
    handed.note([first, second])
    for number in range(HANDED_OUT_MAX - 1):
        handed.note([first, (f"K{number}", f"value number {number:06d}")])
    assert handed.taken_out_of(first[1]) == "[redacted:A]"
    assert handed.taken_out_of(second[1]) == second[1]
