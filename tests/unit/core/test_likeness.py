"""Likeness: it looks through how a text is written, and never through what it says."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.core.likeness import blanked, extent, keyed, likeness, skeleton

WORDS = st.lists(
    st.sampled_from(["invoice", "paid", "ada", "7", "42", "not", "no", "never", "blue", "mail"]),
    min_size=1,
    max_size=8,
)


@pytest.mark.parametrize(
    ("text", "looks"),
    [
        ("ADA", "ada"),
        ("Ａｄａ", "ada"),  # noqa: RUF001
        ("Adá", "ada"),
        ("A\u0301da", "ada"),
        ("a\u200bd\u00ada", "ada"),
        ("аdа", "ada"),  # noqa: RUF001
        ("ﬁne", "fine"),
        ("Straße", "strasse"),
        ("a\tb", "a\tb"),
        ("", ""),
    ],
)
def test_a_skeleton_is_how_a_text_looks(text: str, looks: str) -> None:
    assert skeleton(text) == looks


@given(WORDS, st.randoms())
def test_the_same_words_are_alike_however_they_are_written(words: list[str], dice: object) -> None:
    rnd = dice
    written = []
    for word in words:
        how = rnd.randrange(5)  # type: ignore[attr-defined]
        forms = (
            word,
            word.upper(),
            "\u200b".join(word),
            word.replace("a", "а").replace("o", "о").replace("e", "е"),  # noqa: RUF001
            "".join(chr(ord(c) + 0xFEE0) for c in word),
        )
        written.append(forms[how])
    for joint in (" ", ", ", " - ", "\n"):
        assert likeness(f"The {joint.join(written)}!") == likeness(" ".join(words))


@given(WORDS, WORDS)
def test_other_words_are_not_alike(one: list[str], other: list[str]) -> None:
    assert (likeness(" ".join(one)) == likeness(" ".join(other))) == (one == other)


@given(st.text())
def test_any_text_has_a_likeness_and_form_does_not_change_it(text: str) -> None:
    assert likeness(unicodedata.normalize("NFD", text)) == likeness(text)
    assert likeness(f" {text} ") == likeness(text)
    assert skeleton(skeleton(text)) == skeleton(text)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Ada paid", "Ada has not paid"),
        ("Ada paid", "Ada never paid"),
        ("She will pay", "She won't pay"),
        ("Pay 10", "Pay 100"),
        ("Pay 1.5", "Pay 15"),
        ("Ada paid Bob", "Bob paid Ada"),
        ("!", "?"),
        ("The balance is -5", "The balance is 5"),
        ("The balance is \u22125", "The balance is 5"),
        ("Pay .5", "Pay 5"),
        ("Pay $5", "Pay \u20ac5"),
        ("Give 50%", "Give 50"),
        ("Ada writes C++", "Ada writes C#"),
        ("x != 1", "x = 1"),
        ("x \u2260 1", "x = 1"),
        ("age > 18", "age < 18"),
        ("age \u2265 18", "age \u2264 18"),
        ("5 + 3", "5 - 3"),
        ("Ada: \U0001f44d", "Ada: \U0001f44e"),
        ("\u304b\u304d", "\u304b\u304e"),  # kana: an oyster, a key
        ("\u0926\u093f\u0928", "\u0926\u0940\u0928"),  # Devanagari: a day, poor
        ("\u0e02\u0e32\u0e27", "\u0e02\u0e48\u0e32\u0e27"),  # Thai: white, news
    ],
)
def test_what_changes_the_meaning_stays(one: str, other: str) -> None:
    assert likeness(one) != likeness(other)


def test_signs_that_say_nothing_are_looked_through() -> None:
    assert likeness("Call +49 151-23, issue #5!") == likeness("call 49 151 23 - issue 5")
    assert likeness("It is \u22125") == likeness("It is -5")


def test_endings_and_articles_are_looked_through() -> None:
    assert likeness("The orders were delivered") == likeness("An order were delivering")


def test_a_digest_is_the_keys_own_and_tells_parts_apart() -> None:
    """Neither a joint moved between two parts, nor a lone surrogate, makes two the same."""
    assert keyed(b"k", "ab", "c") == keyed(b"k", "ab", "c")
    others = {
        keyed(b"k", "ab", "c"),
        keyed(b"l", "ab", "c"),
        keyed(b"k", "a", "bc"),
        keyed(b"k", "abc"),
        keyed(b"k", "c", "ab"),
        keyed(b"k", "\ud800"),
    }
    assert len(others) == 6
    assert {len(one) for one in others} == {32}


@pytest.mark.parametrize(
    ("text", "said", "left"),
    [
        ("Pay P-4471, now.", "p-4471", "Pay ******, now."),
        ("She, Ada  Moor, left.", "the ada moor", "She, *********, left."),
        ("mail:ada@x.org ok", "ada@x.org", "mail:********* ok"),
        ("Ada Moors.", "ada moor", "*********."),
        ("Tell Adá-M\u00f6or now", "ada moor", "Tell ******** now"),
        ("adamant ada", "ada", "adamant ***"),
        ("one two one two one", "one two one", "*******************"),
        ("", "ada", ""),
    ],
)
def test_what_is_known_is_blanked_out_of_a_text(text: str, said: str, left: str) -> None:
    assert blanked(text, (extent(said),), lambda alike: alike == likeness(said)) == left


@given(WORDS, WORDS, WORDS)
def test_a_stretch_is_found_between_others(
    before: list[str], said: list[str], after: list[str]
) -> None:
    alike = likeness(" ".join(said))
    text = " ".join((*before, "x", *said, "y", *after))
    left = blanked(text, (extent(" ".join(said)),), lambda one: one == alike)
    assert len(left) == len(text)
    assert f" {alike} " not in f" {likeness(left)} "
    assert {"x", "y"} <= set(left.split())


def test_what_says_nothing_has_no_extent() -> None:
    assert extent(" ... ") == 0
    assert blanked("a ... b", (), bool) == "a ... b"
