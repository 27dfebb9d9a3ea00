"""Passages: exact offsets, whole sentences, nothing lost."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.adapters.files.convert import Content, html_content, markdown_content, plain_content
from fairlead.adapters.files.passages import PASSAGE_CHARS_MAX, Block, Cut, cut
from fairlead.core.text import sentences

MANUAL = """---
title: Shop manual
---
Before the first heading.

# Refunds

We pay back within 14 days.

## Digital *goods*

[terms]: https://example.org

- No refund after `download`.
- Ask [us][terms].

### Code

```python
# not a heading

pay()
```

Shipping
--------

| zone | days |
|------|------|
| EU   | 3    |
"""


def passages(content: Content, title: str = "Doc") -> list[Cut]:
    return cut(content.text, content.title or title, content.blocks)


def check(text: str, cuts: list[Cut]) -> None:
    """Assert order, bound and that only white space is left out."""
    assert all(left.end <= right.start for left, right in pairwise(cuts))
    assert all(0 < one.end - one.start <= PASSAGE_CHARS_MAX for one in cuts)
    assert all(text[one.start : one.end] == text[one.start : one.end].strip() for one in cuts)
    edges = [0, *(edge for one in cuts for edge in (one.start, one.end)), len(text)]
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        assert not text[start:end].strip()


def test_headings_become_the_trail() -> None:
    cuts = passages(markdown_content(MANUAL))
    check(MANUAL, cuts)
    assert [one.title for one in cuts] == [
        "Shop manual",
        "Shop manual > Refunds",
        "Shop manual > Refunds > Digital goods",
        "Shop manual > Refunds > Digital goods > Code",
        "Shop manual > Refunds > Shipping",
    ]
    code = MANUAL[cuts[3].start : cuts[3].end]
    assert code.startswith("### Code") and code.endswith("pay()\n```")


def test_the_first_heading_is_the_title() -> None:
    text = "# Refunds\n\n## Digital\n\nText.\n\n# Other\n\nMore."
    assert [one.title for one in passages(markdown_content(text))] == [
        "Refunds > Digital",
        "Refunds > Other",
    ]


def test_headings_without_text_stay_together() -> None:
    text = "# A\n\n## B\n\n### C\n"
    (only,) = passages(markdown_content(text))
    assert (only.title, text[only.start : only.end]) == ("A > B > C", text.strip())


def test_a_plain_text_may_begin_with_a_title() -> None:
    titled = plain_content("Refund policy\n\nWe pay back. Always.")
    assert titled.title == "Refund policy"
    for text in ("We pay back.\n\nAlways.", "Only one line", "Two\nlines\n\nand more"):
        assert plain_content(text).title == ""


def test_long_code_is_cut_between_lines() -> None:
    code = "```\n" + "".join(f"value_{number} = {number}\n" for number in range(200)) + "```"
    text = f"# Code\n\n{code}\n\nAfter."
    cuts = passages(markdown_content(text))
    check(text, cuts)
    assert len(cuts) > 2
    assert all(text[one.end : one.end + 1] in ("\n", "") for one in cuts)


def test_a_word_longer_than_the_bound_is_cut() -> None:
    text = "a" * (3 * PASSAGE_CHARS_MAX + 5)
    cuts = passages(plain_content(text))
    check(text, cuts)
    assert len(cuts) == 4


def test_a_long_rule_does_not_break_the_sentence_after_it() -> None:
    sentence = "word " * (PASSAGE_CHARS_MAX // 5 - 2) + "end."
    text = "-" * PASSAGE_CHARS_MAX + "\n" + sentence + " Next one."
    cuts = passages(plain_content(text))
    check(text, cuts)
    assert sentence in [text[one.start : one.end] for one in cuts]


WORD = st.text(alphabet="abcdeé", min_size=1, max_size=12)
SENTENCE = st.builds(
    lambda parts, stop: " ".join(parts).capitalize() + stop,
    st.lists(WORD, min_size=1, max_size=60),
    st.sampled_from([".", "!", "?", " Dr. Who.", " 3.5 kg."]),
)
PARAGRAPH = st.lists(SENTENCE, min_size=1, max_size=25).map(" ".join)
PLAIN = st.lists(PARAGRAPH, max_size=8).map("\n\n".join)
PART = st.one_of(
    PARAGRAPH,
    st.builds(lambda level, name: "#" * level + " " + name, st.integers(1, 6), WORD),
    st.lists(SENTENCE, min_size=1, max_size=30).map(lambda items: "- " + "\n- ".join(items)),
    st.lists(WORD, min_size=1, max_size=300).map(
        lambda lines: "```\n" + "\n".join(lines) + "\n```"
    ),
    PARAGRAPH.map(lambda text: f"> {text}"),
)
MARKDOWN = st.lists(PART, max_size=10).map("\n\n".join)


@given(PLAIN | st.text(max_size=300))
def test_plain_passages_lose_nothing(text: str) -> None:
    check(text, passages(plain_content(text)))


@given(MARKDOWN | st.text(alphabet="# \n-`>|ab.[]:<=", max_size=200))
def test_markdown_passages_lose_nothing(text: str) -> None:
    check(text, passages(markdown_content(text)))


@given(PLAIN | MARKDOWN, st.sampled_from([plain_content, markdown_content]))
def test_only_a_sentence_above_the_bound_is_cut(text: str, read: object) -> None:
    assert read in (plain_content, markdown_content)
    content = plain_content(text) if read is plain_content else markdown_content(text)
    edges = {edge for one in passages(content) for edge in (one.start, one.end)}
    for start, end in sentences(text):
        if end - start <= PASSAGE_CHARS_MAX:
            assert not any(start < edge < end for edge in edges), text[start:end]


@given(st.text(alphabet='<>/phdivb1 a&;!-="\n', max_size=200))
def test_html_passages_lose_nothing(source: str) -> None:
    content = html_content(source, "page.html")
    check(content.text, passages(content))


@pytest.mark.parametrize("text", ["", " \n ", "\n\n\n"])
def test_nothing_gives_no_passage(text: str) -> None:
    assert passages(markdown_content(text)) == passages(plain_content(text)) == []


def test_a_block_of_white_space_gives_no_passage() -> None:
    assert cut(" \n ", "Doc", [Block(start=0, end=3)]) == []
