"""Words, stems and sentences."""

from __future__ import annotations

import sqlite3
from itertools import pairwise
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.core.text import STOP_WORDS, fold, paired, sentences, stem, terms, tokens, words


def told(text: str) -> list[str]:
    return [text[start:end] for start, end in sentences(text)]


def test_terms_are_what_a_question_is_about() -> None:
    question = "What's the refund policy for Anna's café, and why don't they pay max_bytes twice?"
    assert terms(question) == ["refund", "policy", "anna", "cafe", "pay", "max", "bytes", "twice"]


def test_a_name_like_a_contraction_is_kept() -> None:
    assert words("Don won; I'll say he can't") == ["don", "won", "i", "say", "he"]


def test_tokens_are_those_of_the_index() -> None:
    assert tokens("Anna's café can't max_bytes") == [
        "anna",
        "s",
        "cafe",
        "can",
        "t",
        "max",
        "bytes",
    ]


def test_accents_and_case_are_folded() -> None:
    assert fold("ÉCOLE Zu\u0308rich Łódź") == "ecole zurich łodz"
    assert words("한국어") == ["한국어"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("東京都に住む", ["東京", "京都", "都に", "に住", "住む"]),
        ("猫", ["猫"]),
        ("新しいiPhone手機、100円", ["新し", "しい", "iphone", "手機", "100", "円"]),
        ("时々 カード", ["时々", "カー", "ート"]),
        # One character beyond the first plane, and one that is drawn as another one.
        ("𠮷野家 豈", ["𠮷野", "野家", "豈"]),
        ("か\u3099き", ["かき"]),
    ],
)
def test_chinese_and_japanese_are_pairs_of_characters(text: str, found: list[str]) -> None:
    assert tokens(text) == found
    # The index cuts what has been cut already no further.
    assert tokens(paired(text)) == found


@given(st.text(st.characters(max_codepoint=0x2FFF)))
def test_no_other_text_is_cut(text: str) -> None:
    assert paired(text) == text


@given(st.text(st.sampled_from("東京都に住むカード"), min_size=2), st.data())
def test_what_stands_within_a_run_is_found_by_its_pairs(run: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(run) - 2))
    part = run[start : data.draw(st.integers(start + 2, len(run)))]
    held = tokens(run)
    asked = tokens(part)
    assert held[start : start + len(asked)] == asked


def test_stop_words_are_words() -> None:
    assert all(words(word) == [word] for word in STOP_WORDS)


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("caresses", "caress"),
        ("ponies", "poni"),
        ("agreed", "agre"),
        ("motoring", "motor"),
        ("hopping", "hop"),
        ("falling", "fall"),
        ("filing", "file"),
        ("happy", "happi"),
        ("sky", "sky"),
        ("relational", "relat"),
        ("generalization", "gener"),
        ("replacement", "replac"),
        ("adoption", "adopt"),
        ("controlling", "control"),
        ("is", "is"),
        ("3rd", "3rd"),
        ("é", "é"),
        ("a" * 70 + "ing", "a" * 70 + "ing"),
    ],
)
def test_stem(word: str, expected: str) -> None:
    assert stem(word) == expected


LISTED = """
    refunds refunding refunded policies policy queue queues queued queueing running runner
    approvals approved approving dependencies dependent configuration configured conditional
    rational valency hesitancy digitizer radically differently vileness analogously operator
    feudalism decisiveness hopefulness callousness formality sensitivity sensibility triplicate
    formative formalize electricity electrical goodness revival allowance inference airliner
    gyroscopic adjustable defensible irritant adjustment homologous communism activate
    angularity effective bowdlerize probate rate cease controlling rolling matting mating
    meeting milling messing meetings tanned plastered feed bled conflated troubled sized
    hissing fizzed failing filing crying by say sayings eyes
"""


def test_stems_are_those_of_the_index() -> None:
    listed = LISTED.split()
    index = sqlite3.connect(":memory:")
    index.execute("CREATE VIRTUAL TABLE t USING fts5(x, tokenize = 'porter unicode61')")
    index.execute("CREATE VIRTUAL TABLE v USING fts5vocab(t, instance)")
    index.executemany("INSERT INTO t (rowid, x) VALUES (?, ?)", enumerate(listed))
    expected = {listed[row]: term for row, term in index.execute("SELECT doc, term FROM v")}
    index.close()
    assert {word: stem(word) for word in listed} == expected


@pytest.mark.parametrize(
    "expected",
    [
        ["Dr. Smith paid 3.5 EUR to Acme Inc. for it.", "He lives in the U.S.", "The end."],
        ["J. R. R. Tolkien wrote it.", "See Fig. 3 there.", "He said no.", "Then he left."],
        ["Is it?", "Yes!", '"Stop."', "She did (e.g. at home).", "Wait... what?"],
        ["Call `a. B` first.", "Version 2.0.1 is out."],
        ["It costs 5.", "7 days remain."],
    ],
)
def test_sentences_end_where_a_reader_ends_them(expected: list[str]) -> None:
    assert told(" ".join(expected)) == expected


def test_sentences_of_markdown() -> None:
    text = """# Refunds v2.0

- First item. It
  goes on here
- [ ] Second item
1. Third
> quoted. Twice

Title
=====
| a | b |
|---|---|
| c. D | d |

```python
x = 1.

Y = 2
```
~~~
open. Fence"""
    assert told(text) == [
        "Refunds v2.0",
        "First item.",
        "It\n  goes on here",
        "Second item",
        "Third\n> quoted.",
        "Twice",
        "Title",
        "| a | b |",
        "| c. D | d |",
        "```python\nx = 1.\n\nY = 2\n```",
        "~~~\nopen. Fence",
    ]


def test_sentences_without_spaces_between() -> None:
    assert told("日本語です。次の文です。") == ["日本語です。", "次の文です。"]


def test_nothing_gives_no_sentence() -> None:
    assert sentences("") == sentences(" \n\t ") == sentences("---\n***\n") == []


PROSE = st.text(alphabet=st.sampled_from("aB1. \n!?`-*#>|\"'()。é"), max_size=200)


@given(PROSE | st.text(max_size=100))
def test_sentences_are_in_order_and_trimmed(text: str) -> None:
    spans = sentences(text)
    assert all(left[1] <= right[0] for left, right in pairwise(spans))
    assert all(
        text[start:end] and text[start:end] == text[start:end].strip() for start, end in spans
    )


@given(PROSE)
def test_sentences_hold_every_letter(text: str) -> None:
    held = "".join(text[start:end] for start, end in sentences(text))
    assert [c for c in held if c.isalpha()] == [c for c in text if c.isalpha()]


@pytest.mark.parametrize(
    "piece", [".", ". ", "`", "`a", " ", "\n", "> ", '. """', "1. ", "\t", "a.b.", "- [ ] ", "=|"]
)
def test_time_grows_with_the_length_only(piece: str) -> None:
    text = piece * (200_000 // len(piece)) + "x"
    begun = process_time()
    sentences(text)
    words(text)
    assert process_time() - begun < 5
