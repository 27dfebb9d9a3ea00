"""Picking sentences: answerable questions are answered, the others are not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.core.extract import MAX_SENTENCES, extract
from fairlead.core.grounding import Answer, Citation, Passage, Source

# A made-up company's handbook: title of the passage, then its text.
HANDBOOK = (
    (
        "Handbook > Annual leave",
        "## Annual leave\n\n"
        "Every employee has 25 days of annual leave a year. Up to five days of annual leave can "
        "be\ncarried over into the next year. Your manager approves leave in the staff portal. Ask "
        "for it at least two weeks before the first day off.",
    ),
    (
        "Handbook > Sick leave",
        "## Sick leave\n\n"
        "Call your manager before 9:30 on the first day that you are ill. A doctor's note is "
        "needed from the fourth day of illness. Sick pay is paid for up to 12 weeks.",
    ),
    (
        "Handbook > Expenses",
        "## Expenses\n\n"
        "Travel costs are paid back within ten working days. Hotels may cost up to 140 EUR a "
        "night. Receipts are kept for seven years, because the tax office may ask for them.\n\n"
        "### Who signs expense claims?\n\n"
        "Claims below 500 EUR are signed by the team lead. Claims above that are signed by "
        "Maria Lindqvist, the head of finance.",
    ),
    (
        "Handbook > Security",
        "## Security\n\n"
        "- Passwords are changed after any suspected theft.\n"
        "- Laptops must be encrypted.\n"
        "- Report a lost laptop to the security desk in room 204 immediately.\n\n"
        "Visitors sign in at the reception and wear a badge. Visitors may not enter the server "
        "room.",
    ),
    (
        "Handbook > Service desk",
        "## Service desk\n\n"
        "The service desk is open from 8:00 to 18:00 on working days. To restart the print "
        "server, run this:\n\n"
        "```sh\nsystemctl restart print-spooler\n```\n\n"
        "| printer | floor |\n|---|---|\n| Heron | second |\n| Plover | third |\n",
    ),
    (
        "Handbook > Training",
        "## Training\n\n"
        "The company was founded in Bergen in 1994. New staff attend the safety course in their "
        "first month. Each person has a training budget of 1,200 EUR per year. A mentor is a "
        "colleague who helps a new member of staff through the first six months.",
    ),
)


def make_sources(passages: tuple[tuple[str, str], ...]) -> tuple[Source, ...]:
    return tuple(
        Source(
            id=f"s{number}",
            passage=Passage(
                collection="", document="x.md", title=title, start=0, end=len(text), text=text
            ),
            score=0.0,
        )
        for number, (title, text) in enumerate(passages, start=1)
    )


SOURCES = make_sources(HANDBOOK)

ANSWERABLE = {
    "How many days of annual leave do I have?": "25 days of annual leave",
    "Can I carry over annual leave into the next year?": "Up to five days",
    "Who approves leave?": "Your manager approves leave",
    "When is a doctor's note needed?": "from the fourth day",
    "For how long is sick pay paid?": "12 weeks",
    "When are travel costs paid back?": "within ten working days",
    "How much may a hotel cost per night?": "140 EUR",
    "Why are receipts kept?": "because the tax office",
    "How long do we keep receipts?": "seven years",
    "Who signs claims above 500 EUR?": "Maria Lindqvist",
    "Must laptops be encrypted?": "Laptops must be encrypted.",
    "Where do I report a lost laptop?": "room 204",
    "What do visitors do at the reception?": "wear a badge",
    "May visitors enter the server room?": "Visitors may not enter the server room.",
    "When is the service desk open?": "8:00 to 18:00",
    "Which command restarts the print server?": "systemctl restart print-spooler",
    "When was the company founded?": "1994",
    "Where was the company founded?": "Bergen",
    "What is a mentor?": "A mentor is a colleague",
    "How big is the training budget?": "1,200 EUR",
    "Which course do new staff attend?": "safety course",
}

UNANSWERABLE = (
    "How many days of parental leave do I have?",
    "What is the monthly parking fee for visitors?",
    "Who is the head of marketing?",
    "When does the canteen open?",
    "How much is the bonus for referring a friend?",
    "Which command restarts the mail gateway?",
    "Can I bring my dog to the office?",
    "Where is the bicycle shed?",
    "What is the dress code for customer meetings?",
    "How long is the notice period after probation?",
    "Who won the football match in Oslo?",
    "Is there a discount on gym membership?",
    "How many employees work in Hamburg?",
    "When was the Lisbon branch founded?",
)


@pytest.mark.parametrize(("question", "expected"), ANSWERABLE.items())
def test_answerable(question: str, expected: str) -> None:
    answer = extract(question, SOURCES)
    assert not answer.abstained
    assert expected in answer.text
    assert answer.citations
    assert_verbatim(answer, SOURCES)


@pytest.mark.parametrize("question", UNANSWERABLE)
def test_unanswerable(question: str) -> None:
    assert extract(question, SOURCES) == Answer(text="", citations=(), abstained=True)


def assert_verbatim(answer: Answer, sources: tuple[Source, ...]) -> None:
    texts = {source.id: source.passage.text for source in sources}
    for citation in answer.citations:
        assert citation.quote.strip()
        assert citation.quote in texts[citation.source]


def test_no_sources_no_answer() -> None:
    assert extract("Who approves leave?", ()).abstained


@pytest.mark.parametrize("question", ["", "?", "What is it?", "\0", "Who?" * 5_000])
def test_a_question_about_nothing_has_no_answer(question: str) -> None:
    assert extract(question, SOURCES).abstained


def test_min_support_moves_the_line() -> None:
    question = "When does the canteen open?"
    assert extract(question, SOURCES, min_support=0.3).citations
    assert extract("When was the company founded?", SOURCES, min_support=1.0).citations
    assert extract("Who is the founder of it?", SOURCES, min_support=0.0).citations
    # With nothing shared there is never an answer.
    assert extract("Where is the bicycle shed?", SOURCES, min_support=0.0).abstained


def test_max_sentences_is_at_least_one() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        extract("Who approves leave?", SOURCES, 0)


def test_a_second_sentence_only_when_it_adds_something() -> None:
    both = "Who approves leave, and must laptops be encrypted?"
    answer = extract(both, SOURCES, min_support=0.3)
    assert {citation.quote for citation in answer.citations} == {
        "Your manager approves leave in the staff portal.",
        "Laptops must be encrypted.",
    }
    assert len(extract(both, SOURCES, 1, min_support=0.3).citations) == 1
    assert len(extract("Must laptops be encrypted?", SOURCES, 5).citations) == 1


def test_line_breaks_become_spaces_in_the_answer_only() -> None:
    answer = extract("Can annual leave be carried over?", SOURCES)
    assert answer.text == "Up to five days of annual leave can be carried over into the next year."
    assert answer.citations[0].quote == answer.text.replace("be carried", "be\ncarried")


def test_the_heading_above_counts() -> None:
    sources = make_sources((("Parking", "## Refund of parking fees\n\nSend the form to Ana Roy."),))
    assert extract("Who refunds parking fees?", sources).text == "Send the form to Ana Roy."


def test_a_heading_or_a_question_is_no_answer() -> None:
    text = "Parking fees\n============\n\nWho refunds parking fees? Parking fees\n\nNot known yet."
    sources = make_sources((("x", text),))
    assert "Parking" not in extract("What are the parking fees?", sources).text


def test_a_table_row_is_a_poor_answer() -> None:
    row, prose = "| Heron printer | second floor |", "The Heron printer is on the second floor."
    sources = make_sources((("x", f"{row}\n\n{prose}"),))
    assert extract("Where is the Heron printer?", sources, 1).text == prose


def test_a_command_is_a_poor_answer_unless_asked_for() -> None:
    code = "```\nbackup --restore --night\n```"
    prose = "The backup is restored by the night team."
    sources = make_sources((("x", f"{prose}\n\n{code}"),))
    assert extract("What restores the backup?", sources, 1).text == prose
    assert extract("Which command restores the backup?", sources, 1).text == code


def test_an_announced_list_belongs_to_its_sentence() -> None:
    text = (
        "To join the network, do this:\n\n1. Ask for a key.\n2. Sign the form.\n\nLunch is at noon."
    )
    sources = make_sources((("x", text),))
    answer = extract("How do I join the network?", sources)
    assert answer.text == text.removesuffix("\n\nLunch is at noon.")
    assert_verbatim(answer, sources)


def test_a_long_list_is_cut_between_items() -> None:
    items = "".join(f"- Item number {number} of the network list.\n" for number in range(60))
    sources = make_sources((("x", f"To join the network, read:\n\n{items}"),))
    answer = extract("How do I join the network?", sources, 1)
    assert 900 < len(answer.text) <= 1_000
    assert answer.text.endswith(" list.")


def test_ties_go_to_the_better_source_and_the_earlier_sentence() -> None:
    first = "Cats sleep at noon."
    sources = make_sources((("x", f"{first} Cats sleep at ten."), ("y", "Cats sleep at eight.")))
    answer = extract("When do cats sleep?", sources)
    assert answer.citations == (Citation(source="s1", quote=first),)


def test_the_passage_about_the_thing_asked_for_wins() -> None:
    sources = make_sources(
        (
            ("Plover", "It is like the Heron printer, which was bought in 2019 in Oslo."),
            ("Heron printer (third floor)", "The Heron printer was bought in 2015."),
        )
    )
    answer = extract("When was the Heron printer bought?", sources, 1)
    assert answer.citations[0].source == "s2"


def test_a_name_in_the_question_must_be_met() -> None:
    sources = make_sources((("x", "Rooms open at nine."),))
    assert not extract("When do the spare rooms open?", sources).abstained
    assert extract("When do the Oslo rooms open?", sources).abstained


def test_how_many_wants_a_number() -> None:
    families, twelve = "The hostel has rooms for families.", "The hostel has twelve rooms."
    question = "How many rooms does the hostel heat?"
    assert extract(question, make_sources((("x", families),))).abstained
    assert extract(question, make_sources((("x", twelve),))).text == twelve


def test_a_number_of_the_question_is_no_answer_to_it() -> None:
    sources = make_sources((("x", "Room 12 is warm. In winter room 12 has 30 beds."),))
    answer = extract("How many beds are in room 12?", sources, 1)
    assert answer.text == "In winter room 12 has 30 beds."


def test_neighbours_in_the_question_are_neighbours_in_the_answer() -> None:
    shop = "The door of the alarm shop was painted after a fire."
    desk = "The fire door alarm calls the desk."
    sources = make_sources((("x", f"{shop} {desk}"),))
    assert extract("What does the fire door alarm do?", sources, 1).text == desk


def test_among_nearly_equals_the_better_source_wins() -> None:
    question = "amber birch cedar dune ember fjord grove heath islet jetty knoll lagoon"
    exact = f"The {question} song."
    nearly = exact.replace("birch", "birch and new")
    other = exact.replace("birch cedar", "cedar birch")
    assert extract(question, make_sources((("x", nearly), ("y", exact))), 1).text == nearly
    assert extract(question, make_sources((("x", other), ("y", exact))), 1).text == exact


def test_work_is_bounded() -> None:
    many = "Nothing stands here. " * MAX_SENTENCES
    sources = make_sources((("x", f"{many}The vault opens at noon."),))
    assert extract("When does the vault open?", sources).abstained
    long = "x " * 3_000
    sources = make_sources((("x", f"The vault {long} opens at noon."), ("y", "(" * 50_000)))
    assert extract("When does the vault open?", sources).abstained
    assert extract("a" * 1_000_000, SOURCES).abstained


_words = (
    st.sampled_from(
        ("leave", "Leave", "refund", "5", "days", "is", "the", ".", "?", "-", "#", ":", "```", "|")
    )
    | st.sampled_from(("Maria", "above", "below", "`x`", "1.", "==="))
    | st.sampled_from(["\n", "\n\n", "\r\n", "\u2028"])
)
_texts = st.one_of(st.text(max_size=60), st.lists(_words, max_size=40).map(" ".join))


@given(
    question=_texts,
    texts=st.lists(st.tuples(st.text(max_size=9), _texts), max_size=5),
    most=st.integers(1, 4),
    support=st.floats(0, 1),
)
def test_every_answer_is_verbatim(
    question: str, texts: list[tuple[str, str]], most: int, support: float
) -> None:
    sources = make_sources(tuple(texts))
    answer = extract(question, sources, most, min_support=support)
    assert answer == extract(question, sources, most, min_support=support)
    assert answer.abstained == (answer.citations == ()) == (answer.text == "")
    assert len(answer.citations) <= most
    assert_verbatim(answer, sources)
    quoted = " ".join(citation.quote for citation in answer.citations)
    assert answer.text.split() == quoted.split()
